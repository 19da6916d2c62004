"""ccxt instances of one gateway. An instance keeps the state of its last request, so each serves one thread at a time;
they share connections and the loaded markets, are made when needed and stay for the next caller.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import SimpleNamespace
from typing import Any

from exchanges.ccxt_session import Exchange, make_exchange, origin
from exchanges.config import ApiKey, VenueConfig
from exchanges.evidence import Evidence, VenueError
from exchanges.http_pool import ConnectionPool
from exchanges.http_session import WireSession
from exchanges.market_weight import keep_compact
from exchanges.request_queue import LineFull, RequestQueue, WaitedTooLong
from exchanges.traffic import Connections, Traffic

#: callers at once on one gateway: 2 × 16 threads carried the most in measurements; an instance holds about 1 MB
MAX_INSTANCES = 32
#: callers in line behind them; more would only grow old there, and what waits in a row is not lost
MAX_WAITING = 64

#: what ccxt's set_markets_from_exchange copies
_SHARED = (
    "id", "markets", "markets_by_id", "symbols", "ids", "currencies", "currencies_by_id", "baseCurrencies",
    "quoteCurrencies", "codes",
)  # fmt: skip


class Instance:
    """One ccxt object with its session and what the present call wants signed."""

    def __init__(
        self,
        config: VenueConfig,
        connections: ConnectionPool,
        clock_ms: Callable[[], int] | None,
    ) -> None:
        only = origin(config.base_url) if config.base_url is not None else None
        self.session = WireSession(connections, only=only)
        self._clock_ms = clock_ms
        #: signed instead of the present time, in milliseconds
        self.timestamp_ms: int | None = None
        self.exchange: Exchange = make_exchange(config, self.session, self._nonce if clock_ms is not None else None)
        #: of the shared markets, what this instance has
        self.markets_version = 0

    def use(self, key: ApiKey) -> None:
        """Sign with ``key`` from now on. Nothing that a class keeps of one key is another's: the account is the same."""
        exchange = self.exchange
        exchange.apiKey, exchange.secret = key.api_key.reveal(), key.secret.reveal()
        exchange.password = key.password.reveal() if key.password else None

    def rest(self) -> None:
        """Let go of the last reply: a description of thousands of markets would stay for as long as nobody asks again."""
        self.timestamp_ms = None
        self.session.begin()
        self.exchange.last_http_response = self.exchange.last_json_response = None

    def _nonce(self) -> int:
        assert self._clock_ms is not None
        return self.timestamp_ms if self.timestamp_ms is not None else self._clock_ms()


class InstancePool:
    """Thread-safe, bounded; the last used is the first taken."""

    def __init__(
        self,
        config: VenueConfig,
        clock_ms: Callable[[], int] | None,
        *,
        max_instances: int = MAX_INSTANCES,
        max_waiting: int = MAX_WAITING,
        traffic: Traffic | None = None,
    ) -> None:
        self._config = config
        self._clock_ms = clock_ms
        self._traffic = traffic or Traffic()
        self._connections = ConnectionPool(max_idle=max_instances, traffic=self._traffic)
        self._queue = RequestQueue(at_once=max_instances, most_waiting=max_waiting)
        self._traffic.watch(self._present)
        self._lock = threading.Lock()
        self._idle: list[Instance] = []
        self._markets: SimpleNamespace | None = None
        self._markets_version = 0
        self._closed = False

    @contextmanager
    def instance(self) -> Iterator[Instance]:
        """One for the caller alone.

        Raises VenueError(NOT_SENT) when none becomes free within the venue's timeout, or too many wait for that.
        """
        with self._place():
            taken = self._take()
            try:
                yield taken
            finally:
                taken.rest()
                with self._lock:
                    if not self._closed:
                        self._idle.append(taken)

    @property
    def has_markets(self) -> bool:
        return self._markets is not None

    @property
    def markets(self) -> dict[str, dict[str, Any]]:
        """By symbol, as ccxt has them; empty before any were shared."""
        return {} if self._markets is None else self._markets.markets

    def share_markets(self, source: Instance) -> None:
        """What ``source`` has just loaded, for every other instance."""
        source.rest()
        keep_compact(source.exchange, self._markets, _SHARED)
        snapshot = SimpleNamespace(
            options=_market_options(source.exchange), **{name: getattr(source.exchange, name) for name in _SHARED}
        )
        with self._lock:
            self._markets = snapshot
            self._markets_version += 1
            source.markets_version = self._markets_version
            for resting in self._idle:  # else each would hold on to the markets before until it is used again
                _give_markets(resting, snapshot, self._markets_version)

    def close(self) -> None:
        with self._lock:
            self._closed = True
            self._idle.clear()
        self._connections.close()

    @contextmanager
    def _place(self) -> Iterator[None]:
        with ExitStack() as leaving:
            try:
                leaving.enter_context(self._queue.place(self._config.timeout_ms / 1000))
            except LineFull:
                raise self._no_place(f"as many requests to {self._config.name} as may wait are waiting") from None
            except WaitedTooLong:
                raise self._no_place(
                    f"all requests that may run at once at {self._config.name} are under way"
                ) from None
            yield

    def _no_place(self, why: str) -> VenueError:
        self._traffic.failed(Evidence.NOT_SENT.value)
        return VenueError(Evidence.NOT_SENT, f"{why}: nothing was sent; try again")

    def _present(self) -> Connections:
        return Connections(open=self._connections.open, busy=self._queue.busy, waiting=self._queue.waiting)

    def _take(self) -> Instance:
        with self._lock:
            taken = self._idle.pop() if self._idle else None
            markets, version = self._markets, self._markets_version
            if self._closed:
                raise VenueError(Evidence.NOT_SENT, f"the gateway to {self._config.name} is closed: nothing was sent")
        if taken is None:
            taken = Instance(self._config, self._connections, self._clock_ms)
        if markets is not None and taken.markets_version != version:
            _give_markets(taken, markets, version)
        return taken


def _give_markets(instance: Instance, markets: SimpleNamespace, version: int) -> None:
    instance.exchange.set_markets_from_exchange(markets)
    instance.markets_version = version


def _market_options(exchange: Exchange) -> dict[str, object]:
    """What the class keeps of its markets among its options: kraken's second names, without which an order has no symbol."""
    names = exchange.options.get("marketHelperProps") or ()
    return {"marketHelperProps": names, **{name: exchange.options.get(name) for name in names}}
