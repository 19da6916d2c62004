"""The whole of a deployment's settings, and the rules between their parts."""

import ipaddress
import re
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from models.errors import shown
from settings.anomalies import Anomalies
from settings.backup import Backup
from settings.embedded import embedded_database_url, embedded_socket
from settings.execution import Breaker, Execution
from settings.positions import Positions
from settings.reconciliation import Reconciliation
from settings.records import Events, Messages
from settings.retention import Retention
from settings.section import nearest
from settings.venue import VenueSettings

_REDIS_SCHEMES = ("redis", "rediss", "redis+socket")

_BROKER_SCHEMES = (*_REDIS_SCHEMES, "amqp", "amqps", "pyamqp", "sentinel", "memory")

_VENUE_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")


class Settings(BaseSettings):
    """Frozen; made by ``load_settings`` only. URLs may hold passwords and stay out of the repr."""

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", env_prefix="STEADFILL_", env_nested_delimiter="__", hide_input_in_errors=True
    )

    #: all state of the embedded deployment
    home: Path
    database_url: str = Field(default_factory=lambda data: embedded_database_url(data["home"]), repr=False)
    #: as Celery takes it; embedded: ``redis+socket://…``
    broker_url: str = Field(default_factory=lambda data: f"redis+socket://{embedded_socket(data['home'])}", repr=False)
    #: as Celery's result backend takes it; None only with the in-process broker ``memory://``
    redis_url: str | None = Field(default=None, repr=False, validate_default=True)
    api_host: str = "127.0.0.1"
    api_port: int = Field(default=8080, ge=1, le=65_535)
    api_keys: Annotated[tuple[SecretStr, ...], NoDecode] = ()
    sentry_dsn: SecretStr | None = None
    execution: Execution = Execution()
    breaker: Breaker = Breaker()
    events: Events = Events()
    messages: Messages = Messages()
    backup: Backup = Backup()
    retention: Retention = Retention()
    reconciliation: Reconciliation = Reconciliation()
    positions: Positions = Positions()
    anomalies: Anomalies = Anomalies()
    #: by the name that orders use
    venues: dict[str, VenueSettings] = Field(default_factory=dict)

    @property
    def archive_folder(self) -> Path:
        """Where the files of the archive are."""
        return self.retention.archive_dir or self.home / "archive"

    @property
    def embedded_broker(self) -> bool:
        return self.broker_url == f"redis+socket://{embedded_socket(self.home)}"

    @property
    def embedded_database(self) -> bool:
        return self.database_url == embedded_database_url(self.home)

    @property
    def backup_folder(self) -> Path:
        return self.backup.folder or self.home / "backups"

    @property
    def redis_client_url(self) -> str | None:
        """``redis_url`` in the spelling of redis-py's ``from_url``, which has another one for unix sockets."""
        url = self.redis_url
        return re.sub(r"^redis\+socket:", "unix:", url) if url is not None else None

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        # load_settings merges the sources itself, to tell in an error which of them a value came from.
        del settings_cls, env_settings, dotenv_settings, file_secret_settings
        return (init_settings,)

    @field_validator("database_url")
    @classmethod
    def _database(cls, value: str) -> str:
        scheme, separator, rest = value.partition("://")
        if scheme in ("postgres", "postgresql"):
            scheme = "postgresql+psycopg"
        if not separator or scheme not in ("sqlite", "postgresql+psycopg"):
            raise ValueError("must begin with postgresql+psycopg:// or sqlite:///")
        if scheme == "sqlite" and not rest.startswith("//"):
            raise ValueError(
                "must name an absolute file, since several processes open it: sqlite:////path/to/steadfill.db"
            )
        return f"{scheme}://{rest}"

    @field_validator("broker_url")
    @classmethod
    def _broker(cls, value: str) -> str:
        scheme, separator, _ = value.partition("://")
        if not separator or scheme not in _BROKER_SCHEMES:
            raise ValueError(f"must begin with redis:// or amqp://{nearest(scheme, _BROKER_SCHEMES)}")
        return value

    @field_validator("redis_url")
    @classmethod
    def _redis(cls, value: str | None, info: Any) -> str | None:
        broker = info.data.get("broker_url", "memory://")
        if value is None and broker.split("://")[0] in _REDIS_SCHEMES:
            value = broker
        if value is None and not broker.startswith("memory://"):
            raise ValueError(
                "is required with this broker, for chord results and shared caches: set STEADFILL_REDIS_URL=redis://host:6379/0"
            )
        if value is not None and value.split("://")[0] not in (*_REDIS_SCHEMES, "unix"):
            raise ValueError("must begin with redis://, rediss:// or unix://")
        return (
            "redis+socket" + value.removeprefix("unix") if value is not None and value.startswith("unix://") else value
        )

    @field_validator("sentry_dsn")
    @classmethod
    def _dsn(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not re.fullmatch(r"https?://[^@\s]+@[^/\s]+/\S+", value.get_secret_value()):
            raise ValueError("must be a Sentry DSN like https://key@host/1")
        return value

    @field_validator("venues")
    @classmethod
    def _venue_names(cls, value: dict[str, VenueSettings]) -> dict[str, VenueSettings]:
        for name in value:
            if not _VENUE_NAME.fullmatch(name):
                raise ValueError(f"has a venue named {shown(name)}; 1 to 32 of a-z 0-9 _ - will do")
        ports = [venue.port for venue in value.values() if venue.paper]
        if len(set(ports)) < len(ports):
            raise ValueError("has two paper venues on one port; give each its own port")
        return value

    @model_validator(mode="after")
    def _open_only_with_keys(self) -> Self:
        if not self.api_keys and not is_loopback(self.api_host):
            raise ValueError(
                f"has api_host {shown(self.api_host)} and no api_keys: without keys the API listens on loopback only. "
                "Set STEADFILL_API_KEYS, or STEADFILL_API_HOST=127.0.0.1"
            )
        return self


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
