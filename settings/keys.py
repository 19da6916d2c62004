"""What requests to a venue are signed with."""

from typing import Self

from pydantic import Field, SecretStr, field_validator, model_validator

from settings.section import Section

#: what a request is signed with
KEY_PARTS = ("api_key", "secret", "password")

#: the keys that the built-in venue takes unless it is told others; they open nothing outside this machine
PAPER_KEYS = {"api_key": "paper-key", "secret": "paper-secret"}

#: what stands where the keys of a dry run would: they are neither needed nor sent
DRY_RUN_KEYS = {"api_key": "no-key-in-a-dry-run", "secret": "no-secret-in-a-dry-run"}


class KeyPair(Section):
    api_key: SecretStr
    secret: SecretStr
    #: the passphrase, where a venue has one
    password: SecretStr | None = None

    @field_validator("api_key", "secret", "password")
    @classmethod
    def _not_empty(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not value.get_secret_value():
            raise ValueError("must not be empty")
        return value


class Credentials(KeyPair):
    #: further keys of the same account: requests are spread over all of them
    keys: tuple[KeyPair, ...] = Field(default=(), max_length=31)

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        if len({self.api_key, *(pair.api_key for pair in self.keys)}) <= len(self.keys):
            raise ValueError("has one api_key twice; every entry of keys is a key of its own")
        return self
