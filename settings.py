"""What a deployment is configured with: the environment, over ``steadfill.toml``, over defaults that run on one machine.

Read only by the edges (tasks.runtime, api, cli, ops); everything below gets plain values as arguments.
Every error is a ConfigurationError: one sentence a line, naming the file or variable, the rule and what to do.
No secret is in a message or a repr.
"""

import copy
import difflib
import hashlib
import importlib.util
import ipaddress
import os
import re
import tomllib
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from exchanges.ccxt_import import OWN as OWN_EXCHANGES
from exchanges.ccxt_import import TOKEN_ONLY as TOKEN_EXCHANGES
from models.algorithm import ALGORITHMS
from models.errors import shown
from models.fill_policy import FILL_POLICIES
from models.request_fields import Fields
from models.request_parts import read_algorithm, read_fill_policy
from models.vocabulary import Mode

DEFAULT_FILE = "steadfill.toml"

#: bytes a unix socket's address may have (108 on Linux, 104 on macOS), less what temporary names add
SOCKET_PATH_LIMIT = 100

#: keys whose value is never repeated: credentials, and URLs, which may hold a password
_UNSHOWN = {
    "api_key",
    "keys",
    "secret",
    "password",
    "api_keys",
    "sentry_dsn",
    "database_url",
    "broker_url",
    "redis_url",
}

_REDIS_SCHEMES = ("redis", "rediss", "redis+socket")
_BROKER_SCHEMES = (*_REDIS_SCHEMES, "amqp", "amqps", "pyamqp", "sentinel", "memory")
_VENUE_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")
_ACCOUNT_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
#: what pydantic reads as true
_TRUE = ("true", "1", "yes", "on", "t", "y")
_RATE = re.compile(r"([1-9][0-9]{0,6})/(second|minute|hour)")
_SECONDS = {"second": 1, "minute": 60, "hour": 3600}

#: what a request is signed with
_KEY_PARTS = ("api_key", "secret", "password")

#: the keys that the built-in venue takes unless it is told others; they open nothing outside this machine
PAPER_KEYS = {"api_key": "paper-key", "secret": "paper-secret"}
PAPER_PORT = 9100

#: what stands where the keys of a dry run would: they are neither needed nor sent
DRY_RUN_KEYS = {"api_key": "no-key-in-a-dry-run", "secret": "no-secret-in-a-dry-run"}


class ConfigurationError(Exception):
    """The configuration can't be used. The text says where, which rule, and what to do; it holds no secret."""


def _exactly(value: Any) -> Any:
    """What TOML read as binary floats, by the digits that they were written with."""
    if isinstance(value, float):
        return Decimal(repr(value))
    if isinstance(value, dict):
        return {name: _exactly(one) for name, one in value.items()}
    return [_exactly(one) for one in value] if isinstance(value, list) else value


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Execution(_Section):
    #: the algorithm and fill policy of orders that name none
    #: a name, or a table with the name and its parameters
    algorithm: str | dict[str, Any] = "single"
    fill_policy: str | dict[str, Any] = "accept_partial"
    #: tries of one step before its row waits for ``rescue``
    max_retries: int = Field(default=3, ge=0, le=100)
    #: milliseconds before the second try; doubled each time, ±25 % jitter
    retry_base_ms: int = Field(default=100, ge=1, le=60_000)
    retry_max_ms: int = Field(default=5_000, ge=1, le=600_000)
    #: milliseconds after which a step is taken over
    order_timeout_ms: int = Field(default=30_000, ge=1_000, le=3_600_000)
    #: seconds in which a market, IOC or FOK order must first be sent
    max_age_s: int = Field(default=60, ge=1, le=86_400)
    #: seconds after its time from which a slice of a schedule is planned anew and not sent
    late_slice_s: float = Field(default=5.0, ge=0.1, le=3_600)
    #: requests in flight at the venues
    max_concurrent_orders: int = Field(default=100, ge=1, le=10_000)
    #: false: orders become FOK
    enable_partial_fills: bool = True
    #: milliseconds a claim holds without a heartbeat, on the database's clock
    lease_ms: int = Field(default=3_000, ge=500, le=60_000)
    #: a market buy holds remaining × ask × (1 + this)
    market_hold_buffer: Decimal = Field(default=Decimal("0.02"), ge=0, le=1, allow_inf_nan=False)

    @field_validator("algorithm", "fill_policy")
    @classmethod
    def _can_be_taken(cls, value: str | dict[str, Any], info: Any) -> str | dict[str, Any]:
        """By the rules of a request, so that a default never makes a request wrong that names nothing."""
        name: str = info.field_name
        given = {"name": value} if isinstance(value, str) else _exactly(value)
        fields = Fields({name: given}, (name,))
        if name == "algorithm":
            read_algorithm(fields, "single", ALGORITHMS)
        else:
            read_fill_policy(fields, "accept_partial", FILL_POLICIES)
        if fields.errors:
            raise ValueError("can't be used: " + "; ".join(error.sentence() for error in fields.errors))
        return value if isinstance(value, str) else given

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.retry_max_ms < self.retry_base_ms:
            raise ValueError(f"has retry_max_ms {self.retry_max_ms} under retry_base_ms {self.retry_base_ms}")
        return self


class Breaker(_Section):
    #: failures in a row that open the breaker of one venue account
    failure_threshold: int = Field(default=5, ge=1, le=1_000)
    #: milliseconds from opening to the first probe
    recovery_timeout_ms: int = Field(default=60_000, ge=100, le=86_400_000)


class Messages(_Section):
    """``[messages]``: what is known of messages, and when one counts as poison."""

    #: deliveries on which a message may kill its worker or stay without an end; then it is a dead letter
    max_deliveries: int = Field(default=5, ge=2, le=15)
    #: days that an ended message is remembered; dead letters stay
    keep_days: int = Field(default=7, ge=1, le=3_650)
    #: false: nothing is recorded of ordinary messages; poison is counted and dead letters are kept all the same
    track: bool = True
    #: milliseconds that a process collects what happened before it writes it down
    flush_ms: int = Field(default=150, ge=1, le=10_000)


class Events(_Section):
    """``[events]``: the feed of changes."""

    #: after so many days a change is deleted from the feed; the order itself stays
    keep_days: int = Field(default=30, ge=1, le=3_650)


class RateLimit(_Section):
    """Requests a venue account allows; written ``1200/minute``."""

    requests: int
    per_s: int

    def __str__(self) -> str:
        return f"{self.requests}/{next(unit for unit, seconds in _SECONDS.items() if seconds == self.per_s)}"


class KeyPair(_Section):
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


class PaperVenue(_Section):
    """The built-in venue's own keys; ``docs/paper-venue.md`` tells what each does. What is None keeps its default."""

    #: true: ``up`` starts this venue, on this port of the loopback interface
    paper: bool = False
    port: int = Field(default=PAPER_PORT, ge=1, le=65_535)
    #: of its market and of its faults
    seed: int = 1
    #: a trades file to replay instead of the random walk
    replay: Path | None = None
    #: market seconds per second
    speed: float = Field(default=1.0, gt=0, le=1_000_000)
    #: a plan, or the file that holds one
    faults: list[dict[str, Any]] | str | None = None
    market: Literal["walk", "still"] | None = None
    symbols: tuple[str, ...] | None = None
    fee_maker: Decimal | None = None
    fee_taker: Decimal | None = None
    dedupe: Literal["open", "always", "never"] | None = None
    #: request weight per minute, and open orders per account and symbol
    weight_limit: int | None = Field(default=None, ge=0)
    max_open_orders: int | None = Field(default=None, ge=1)
    #: orders can be amended in place
    amend: bool | None = None
    clock_offset_ms: int | None = None
    #: also survive the loss of the machine, at several ms per order
    fsync: bool | None = None

    def paper_options(self) -> dict[str, Any]:
        """What the venue's server is told, as JSON values."""
        return self.model_dump(mode="json", include=set(PaperVenue.model_fields) - {"paper"}, exclude_none=True)


class VenueSettings(PaperVenue):
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
            raise ValueError(f"must be the name of a ccxt exchange{_nearest(value, known)}")
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
        if not isinstance(value, str):
            return value
        match = _RATE.fullmatch(value.replace(" ", ""))
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
        return _exactly(value)

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
    #: by the name that orders use
    venues: dict[str, VenueSettings] = Field(default_factory=dict)

    @property
    def embedded_broker(self) -> bool:
        return self.broker_url == f"redis+socket://{embedded_socket(self.home)}"

    @property
    def embedded_database(self) -> bool:
        return self.database_url == embedded_database_url(self.home)

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
            raise ValueError(f"must begin with redis:// or amqp://{_nearest(scheme, _BROKER_SCHEMES)}")
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
        if not self.api_keys and not _loopback(self.api_host):
            raise ValueError(
                f"has api_host {shown(self.api_host)} and no api_keys: without keys the API listens on loopback only. "
                "Set STEADFILL_API_KEYS, or STEADFILL_API_HOST=127.0.0.1"
            )
        return self


def embedded_database_url(home: Path) -> str:
    return f"sqlite:///{home}/steadfill.db"


def embedded_socket(home: Path) -> Path:
    """The unix socket of the embedded broker; the same for every process of one home, in a folder of mode 0700."""
    path = home / "valkey" / "valkey.sock"
    if len(os.fsencode(path)) <= SOCKET_PATH_LIMIT and re.fullmatch(r"[A-Za-z0-9/._+-]+", str(path)):
        return path
    # Too long for a socket, or with characters that a URL would change: the name is a digest of the home instead.
    digest = hashlib.sha256(os.fsencode(home)).hexdigest()[:16]
    return Path("/tmp") / f"steadfill-{os.getuid()}-{digest}" / "valkey.sock"  # noqa: S108 - the broker checks owner and mode


def load_settings(environ: Mapping[str, str] | None = None, *, venue_secrets: bool = True) -> Settings:
    """The deployment's settings. Raises ConfigurationError.

    ``venue_secrets=False`` leaves the venues' keys unread and ``accounts`` empty: for a command that only speaks to
    the API, in a shell that need not hold them.
    """
    environ = os.environ if environ is None else environ
    path = _file(environ)
    from_file = _read(path) if path else {}
    from_environment = _Environment(Settings, environ)()
    data = _merged(_merged({"venues": {"paper": {"paper": True}}}, from_file), from_environment)
    where = _Origin(path, from_environment, written=data)
    data["home"] = _home(data.get("home"), environ)
    if "?" in str(data["home"]) or "#" in str(data["home"]):
        raise ConfigurationError(
            f"{where('home')} must not contain ? or #, which a database URL can't hold. Choose another folder."
        )
    _resolve_secrets(data, where, environ, venue_secrets=venue_secrets)
    try:
        return Settings(**data)
    except ValidationError as error:
        raise ConfigurationError("\n".join(_sentences(error, where))) from None


class _Environment(EnvSettingsSource):
    """pydantic-settings' own reading of variables, of a given mapping. An empty variable counts as not set."""

    def __init__(self, settings: type[BaseSettings], environ: Mapping[str, str]) -> None:
        self._environ = environ
        super().__init__(settings)

    def _load_env_vars(self) -> Mapping[str, str | None]:
        return {name.lower(): value for name, value in self._environ.items() if value != ""}

    def __call__(self) -> dict[str, Any]:
        try:
            return super().__call__()
        except SettingsError as error:
            field = str(error).split('"')[1] if '"' in str(error) else ""
            raise ConfigurationError(
                f"STEADFILL_{field.upper()} must be a JSON object. Set its keys one by one instead, "
                f"as in STEADFILL_{field.upper()}__NAME=value, or use {DEFAULT_FILE}."
            ) from None


class _Origin:
    """Where a value came from, as an error names it."""

    def __init__(self, path: Path | None, from_environment: Mapping[str, Any], written: Mapping[str, Any]) -> None:
        self.folder = path.parent if path else Path.cwd()
        self.file = str(path) if path else f"the configuration (no {DEFAULT_FILE} here)"
        self._environment = from_environment
        self._written = copy.deepcopy(dict(written))

    def __call__(self, *keys: str | int) -> str:
        if keys[2:4] == ("accounts", "main") and _at(self._written, keys[:4]) is None:
            keys = keys[:2] + keys[4:]  # written as the venue's own keys
        if _at(self._environment, keys) is not None:
            return "STEADFILL_" + "__".join(str(key).upper() for key in keys)
        return f"{self.file}: {'.'.join(str(key) for key in keys)}"


def _at(data: Any, keys: tuple[str | int, ...]) -> Any:
    for key in keys:
        data = data.get(key) if isinstance(data, Mapping) else None
    return data


def _file(environ: Mapping[str, str]) -> Path | None:
    named = environ.get("STEADFILL_CONFIG")
    if named == os.devnull:
        return None  # how a parent process tells its children that there is no file
    path = Path(named or DEFAULT_FILE).expanduser().absolute()
    if path.is_file():
        return path
    if named:
        raise ConfigurationError(
            f"STEADFILL_CONFIG names {path}, and there is no such file. Correct the variable, or unset it to use "
            f"{DEFAULT_FILE} in the current folder or the defaults."
        )
    return None


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} is no TOML: {error}. Correct that place and start again.") from None
    except OSError as error:
        raise ConfigurationError(f"{path} can't be read: {error.strerror}. Make it readable for this user.") from None


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    result = dict(below)
    for key, value in above.items():
        both = isinstance(value, Mapping) and isinstance(result.get(key), Mapping)
        result[key] = _merged(result[key], value) if both else value
    return result


def _home(value: object, environ: Mapping[str, str]) -> Path:
    user = environ.get("HOME") or str(Path.home())
    text = str(value) if value else "~/.local/share/steadfill"
    return Path(user + text[1:] if text == "~" or text.startswith("~/") else text).resolve()


def _resolve_secrets(data: dict[str, Any], where: _Origin, environ: Mapping[str, str], *, venue_secrets: bool) -> None:
    """Read ``env:`` and ``file:`` in place, and make a venue's own keys its account ``main``."""
    keys = data.get("api_keys", ())
    keys = [part.strip() for part in keys.split(",") if part.strip()] if isinstance(keys, str) else keys
    if isinstance(keys, (list, tuple)):
        data["api_keys"] = tuple(_secret(key, where, environ, "api_keys") for key in keys)
    venues = data.get("venues")
    if not isinstance(venues, dict):
        return
    for name, venue in list(venues.items()):
        if not isinstance(venue, Mapping):
            continue
        if set(venue) == {"paper"} and str(venue["paper"]).lower() in ("false", "0"):
            del venues[name]  # how a deployment says that it wants no built-in venue
            continue
        venues[name] = _venue(dict(venue), ("venues", name), where, environ, venue_secrets=venue_secrets)


def _venue(
    venue: dict[str, Any], at: tuple[str, ...], where: _Origin, environ: Mapping[str, str], *, venue_secrets: bool
) -> dict[str, Any]:
    if isinstance(venue.get("replay"), str):
        venue["replay"] = where.folder / Path(venue["replay"]).expanduser()
    own: dict[str, Any] = {key: venue.pop(key) for key in (*_KEY_PARTS, "keys") if key in venue}
    accounts = dict(venue.get("accounts") or {}) if isinstance(venue.get("accounts", {}), Mapping) else {}
    if own and "main" in accounts:
        raise ConfigurationError(
            f"{where(*at)} has keys of its own, which are account main, and accounts.main as well. Keep one."
        )
    if str(venue.get("paper")).lower() in ("true", "1"):
        venue.setdefault("ccxt_id", "binance")
        venue.setdefault("base_url", f"http://127.0.0.1:{venue.get('port', PAPER_PORT)}")
        own = own or ({} if accounts else dict(PAPER_KEYS))
    if str(venue.get("dry_run")).lower() in _TRUE:
        own = own or ({} if accounts else dict(DRY_RUN_KEYS))
    if own:
        accounts["main"] = own
    for name, account in accounts.items():
        if isinstance(account, Mapping):
            prefix = at if account is own else (*at, "accounts", name)
            accounts[name] = _account(account, where, environ if venue_secrets else None, prefix)
            if venue.get("ccxt_id") in TOKEN_EXCHANGES:
                accounts[name] = _with_token_as_secret(accounts[name])
    if venue_secrets or not isinstance(venue.get("accounts", {}), Mapping):
        return {**venue, "accounts": accounts or venue.get("accounts", {})}
    return {**venue, "accounts": {}}


def _account(
    account: Mapping[str, Any], where: _Origin, environ: Mapping[str, str] | None, at: tuple[str, ...]
) -> dict[str, Any]:
    """Its secrets read, unless there is no ``environ``; of ``keys`` alone the first is the account's own."""
    read = {
        key: _secret(value, where, environ, *at, key) if key in _KEY_PARTS and environ is not None else value
        for key, value in account.items()
    }
    if isinstance(pairs := read.get("keys"), list):
        pairs = [
            _account(pair, where, environ, (*at, "keys", str(number))) if isinstance(pair, Mapping) else pair
            for number, pair in enumerate(pairs)
        ]
        read["keys"] = pairs
        first = pairs[0] if pairs and not any(part in read for part in _KEY_PARTS) else None
        if isinstance(first, dict) and "keys" not in first:
            read |= {**first, "keys": pairs[1:]}
    return read


def _with_token_as_secret(account: dict[str, Any]) -> dict[str, Any]:
    """For a venue whose access is one token."""
    if isinstance(account.get("keys"), list):
        account = {
            **account,
            "keys": [_with_token_as_secret(pair) if isinstance(pair, dict) else pair for pair in account["keys"]],
        }
    return {"secret": account["api_key"], **account} if "api_key" in account else account


def _secret(value: object, where: _Origin, environ: Mapping[str, str], *keys: str) -> object:
    if not isinstance(value, str):
        return value
    if value.startswith("env:"):
        name = value[4:].strip()
        if not environ.get(name):
            raise ConfigurationError(
                f"{where(*keys)} names the environment variable {shown(name)}, which is not set. "
                "Set it for this process, or name another source (env:NAME, file:PATH)."
            )
        return environ[name]
    if value.startswith("file:"):
        path = where.folder / Path(value[5:].strip()).expanduser()
        try:
            return path.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is no text"
            raise ConfigurationError(
                f"{where(*keys)} names the file {path}, which can't be read: {reason}. Put the secret there, readable for this user."
            ) from None
    return value


def _sentences(error: ValidationError, where: _Origin) -> list[str]:
    items = error.errors(include_url=False, include_context=False)
    # A default that is derived from a refused value would only repeat that value's error.
    return [_sentence(item, where) for item in items if item["type"] != "default_factory_not_called"]


def _sentence(item: Any, where: _Origin) -> str:
    keys = tuple(key for key in item["loc"] if key != "[key]")
    place = where(*keys) if keys else where.file
    if item["type"] == "extra_forbidden":
        known = _known_keys(keys[:-1])
        return (
            f"{place} is no key that Steadfill knows{_nearest(str(keys[-1]), known)}. Known here: {', '.join(known)}."
        )
    if item["type"] == "missing":
        return f"{place} is missing. Add it; {DEFAULT_FILE} in the repository shows every key with an example."
    rule = item["msg"].removeprefix("Value error, ").replace("Input should be", "must be")
    own = item["type"] == "value_error"
    value = item.get("input")
    plain = keys and _UNSHOWN.isdisjoint(keys) and isinstance(value, (str, int, float, Decimal))
    got = f", got {shown(value if isinstance(value, (str, int)) else str(value))}" if plain else ""
    advice = "" if own and not plain else ". Correct it, or remove it for the default"
    return f"{place} {rule[0].lower()}{rule[1:]}{got}{advice}."


_SECTIONS: Mapping[str, type[BaseModel]] = {
    "execution": Execution,
    "breaker": Breaker,
    "events": Events,
    "messages": Messages,
}


def _known_keys(keys: tuple[Any, ...]) -> list[str]:
    """The keys a section takes; ``keys`` is the way to it."""
    if not keys:
        return sorted(Settings.model_fields)
    if keys[0] in _SECTIONS:
        return list(_SECTIONS[keys[0]].model_fields)
    if "keys" in keys:
        return list(KeyPair.model_fields)
    return list(Credentials.model_fields) if len(keys) > 2 else [*VenueSettings.model_fields, *Credentials.model_fields]


def _nearest(value: str, known: Any) -> str:
    close = difflib.get_close_matches(value, list(known), n=1, cutoff=0.5)
    return f"; the nearest is {close[0]}" if close else ""


def _loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _ccxt_ids() -> set[str]:
    """The names of ccxt's exchanges, from its folder, and of our own: importing ccxt itself takes a second."""
    spec = importlib.util.find_spec("ccxt")
    folders = spec.submodule_search_locations if spec else None
    files = Path(next(iter(folders))).glob("[a-z0-9]*.py") if folders else ()
    return {file.stem for file in files} | set(OWN_EXCHANGES)
