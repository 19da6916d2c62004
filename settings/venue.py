"""``[venues.NAME]``: one exchange under the name that orders use."""

import importlib.util
import re
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Self
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from exchanges.ccxt_import import OWN as OWN_EXCHANGES
from models.errors import shown
from models.vocabulary import Mode
from settings.keys import Credentials
from settings.section import Section, exactly, nearest
from settings.streams import StreamedVenue

_ACCOUNT_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")

_RATE = re.compile(r"([1-9][0-9]{0,6})/(second|minute|hour)")

_SECONDS = {"second": 1, "minute": 60, "hour": 3600}


class RateLimit(Section):
    """Requests a venue account allows; written ``1200/minute``."""

    requests: int
    per_s: int

    def __str__(self) -> str:
        return f"{self.requests}/{next(unit for unit, seconds in _SECONDS.items() if seconds == self.per_s)}"


class VenueSettings(StreamedVenue):
    #: the name of the ccxt class
    ccxt_id: str
    #: where every REST call of that class is sent instead of the venue's own address
    base_url: str | None = None
    #: one request's whole time, in milliseconds, enforced by us
    timeout_ms: int = Field(default=5_000, ge=50, le=120_000)
    #: the venue's own deadline after a request's timestamp, where it has one
    recv_window_ms: int = Field(default=5_000, ge=100, le=60_000)
    #: how far the venue's clock may be from our estimate of it
    clock_skew_ms: int = Field(default=500, ge=0, le=60_000)
    #: how long a new order may be missing from the venue's answers
    visibility_lag_ms: int = Field(default=2_000, ge=0, le=600_000)
    #: shared by all processes of the deployment
    rate_limit: RateLimit = RateLimit(requests=1_200, per_s=60)
    #: orders go as far as the send and are then filled on paper against the live book; no keys are needed or used
    dry_run: bool = False
    #: by asset, what each account has at the beginning of a dry run; more later counts as a deposit
    dry_run_balances: dict[str, Annotated[Decimal, Field(ge=0, allow_inf_nan=False)]] = Field(
        default_factory=lambda: {"USDT": Decimal(100_000)}
    )
    #: orders go to the venue's own test environment, with keys of that
    sandbox: bool = False
    #: handed to the ccxt class
    options: dict[str, Any] = Field(default_factory=dict)
    #: by account name; the venue's own keys are ``main``
    accounts: dict[str, Credentials] = Field(default_factory=dict)

    @field_validator("ccxt_id")
    @classmethod
    def _known_to_ccxt(cls, value: str) -> str:
        known = _ccxt_ids()
        if value not in known:
            raise ValueError(f"must be the name of a ccxt exchange{nearest(value, known)}")
        return value

    @field_validator("base_url")
    @classmethod
    def _an_address(cls, value: str | None) -> str | None:
        if value is not None and (urlsplit(value).scheme not in ("http", "https") or not urlsplit(value).hostname):
            raise ValueError("must be an address like https://host or http://127.0.0.1:9100")
        return value.rstrip("/") if value else None

    @field_validator("rate_limit", mode="before")
    @classmethod
    def _rate(cls, value: object) -> object:
        if isinstance(value, RateLimit):
            return value
        match = _RATE.fullmatch(value.replace(" ", "")) if isinstance(value, str) else None
        if match is None:
            raise ValueError('must be a count per second, minute or hour, as in "1200/minute"')
        return RateLimit(requests=int(match[1]), per_s=_SECONDS[match[2]])

    @property
    def mode(self) -> Mode:
        """Of every order that is taken for this venue."""
        return Mode.DRY_RUN if self.dry_run else Mode.SANDBOX if self.sandbox else Mode.LIVE

    @field_validator("dry_run_balances", mode="before")
    @classmethod
    def _by_their_digits(cls, value: object) -> object:
        return exactly(value)

    @model_validator(mode="after")
    def _one_mode(self) -> Self:
        if self.dry_run and self.sandbox:
            raise ValueError(
                "has dry_run and sandbox, which are two ways not to trade: keep dry_run to fill on paper against the "
                "live book, or sandbox to send to the venue's test environment"
            )
        if self.sandbox and self.paper:
            raise ValueError("has sandbox on the built-in venue, which is one already. Remove sandbox")
        if self.sandbox:
            from exchanges.ccxt_session import NoSandbox, assert_sandbox

            try:
                assert_sandbox(self.ccxt_id)
            except NoSandbox as error:
                raise ValueError(f"can't have sandbox = true: {error}") from None
        return self

    @model_validator(mode="after")
    def _one_key_on_paper(self) -> Self:
        if self.paper and any(account.keys for account in self.accounts.values()):
            raise ValueError("has several keys for one account, and the built-in venue knows one. Remove keys")
        return self

    @field_validator("accounts")
    @classmethod
    def _account_names(cls, value: dict[str, Credentials]) -> dict[str, Credentials]:
        for name in value:
            if not _ACCOUNT_NAME.fullmatch(name):
                raise ValueError(f"has an account named {shown(name)}; 1 to 64 of A-Z a-z 0-9 . _ - will do")
        return value


def _ccxt_ids() -> set[str]:
    """The names of ccxt's exchanges, from its folder, and of our own: importing ccxt itself takes a second."""
    spec = importlib.util.find_spec("ccxt")
    folders = spec.submodule_search_locations if spec else None
    files = Path(next(iter(folders))).glob("[a-z0-9]*.py") if folders else ()
    return {file.stem for file in files} | set(OWN_EXCHANGES)
