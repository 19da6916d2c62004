"""Where a venue is and who we are there. Values only: settings are read elsewhere and handed in."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from types import MappingProxyType

from exchanges.turnstile import Turnstile
from models.vocabulary import Mode

#: one request's whole time, in milliseconds
DEFAULT_TIMEOUT_MS = 5_000
#: the venue's own deadline for a signed request, in milliseconds; Binance advises at most this
DEFAULT_RECV_WINDOW_MS = 5_000
DEFAULT_CLOCK_SKEW_MS = 500


class Secret:
    """A key that never shows itself: ``repr``, ``str``, ``format`` and pickling all leave it out."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The key in clear, for the one place that signs with it."""
        return self._value

    def __bool__(self) -> bool:
        return bool(self._value)

    def __repr__(self) -> str:
        return "Secret(***)" if self._value else "Secret()"

    __str__ = __repr__

    def __reduce__(self) -> str:
        raise TypeError("a Secret is not pickled: hand it to another process through its configuration")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(("Secret", self._value))


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """What one request is signed with."""

    api_key: Secret
    secret: Secret
    #: the third credential that some venues ask for
    password: Secret | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueConfig:
    #: the name used in orders
    name: str
    account: str = "main"
    #: the ccxt class that speaks to it
    ccxt_id: str
    #: sends every REST call of the ccxt class to this scheme, host and port; None: the venue's own
    base_url: str | None = None
    #: the same for every WebSocket connection: ``ws://`` or ``wss://``
    ws_url: str | None = None
    api_key: Secret = field(default_factory=lambda: Secret(""))
    secret: Secret = field(default_factory=lambda: Secret(""))
    #: the third credential that some venues ask for
    password: Secret | None = None
    #: of the same account; the load is spread over all of them
    further_keys: tuple[ApiKey, ...] = ()
    timeout_ms: int = DEFAULT_TIMEOUT_MS
    recv_window_ms: int = DEFAULT_RECV_WINDOW_MS
    clock_skew_ms: int = DEFAULT_CLOCK_SKEW_MS
    #: it is the built-in venue, with its own way to amend an order in place
    paper_amends: bool = False
    #: whether orders go to the venue, to its sandbox, or are simulated beside its market
    mode: Mode = Mode.LIVE
    #: by asset, what an account has at the beginning of a dry run
    dry_run_balances: Mapping[str, Decimal] = field(default_factory=lambda: MappingProxyType({}))
    #: handed to ccxt as its ``options``
    options: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}), repr=False)

    def keys(self) -> tuple[ApiKey, ...]:
        """All of the account, in the order in which they are configured."""
        return ApiKey(api_key=self.api_key, secret=self.secret, password=self.password), *self.further_keys

    #: what every request passes; None: nothing holds them back
    turnstile: Turnstile | None = field(default=None, repr=False, compare=False)

    def without_keys(self) -> "VenueConfig":
        """For what reads the public only: what is not there can't be sent."""
        return replace(self, api_key=Secret(""), secret=Secret(""), password=None, further_keys=())

    def secrets(self) -> tuple[str, ...]:
        """Every key in clear, for whoever has to keep them out of a text."""
        found = (secret for key in self.keys() for secret in (key.api_key, key.secret, key.password))
        return tuple(secret.reveal() for secret in found if secret)
