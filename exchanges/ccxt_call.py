"""One call of ccxt: an instance of one's own, the venue's time, an untouched decimal context, and evidence on failure."""

import decimal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from itertools import chain
from typing import Any, TypeVar

from exchanges.capabilities import Capabilities, capabilities
from exchanges.ccxt_pool import MAX_INSTANCES, MAX_WAITING, Instance, InstancePool
from exchanges.ccxt_session import Exchange
from exchanges.config import ApiKey, VenueConfig
from exchanges.errors import classify, unreadable
from exchanges.evidence import Evidence, VenueError
from exchanges.gateway import NotRounded
from exchanges.http_session import Wire
from exchanges.key_ring import Aside, HeldKey, KeyRing, KeySetAside
from exchanges.market_weight import lighten
from exchanges.single_flight import SingleFlight
from exchanges.traffic import Traffic
from exchanges.venue_clock import VenueClock

T = TypeVar("T")
#: by symbol, as ccxt has them
Markets = dict[str, dict[str, Any]]


class Unreadable(Exception):
    """What ccxt made of a reply lacks what the reply must have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """The time that a create is signed with instead of now."""

    #: venue time, milliseconds since the epoch
    timestamp_ms: int
    window_ms: int


class Caller:
    """Thread-safe; raises only VenueError, redacted and without the chain that holds addresses and signatures."""

    def __init__(
        self,
        config: VenueConfig,
        *,
        max_instances: int = MAX_INSTANCES,
        max_waiting: int = MAX_WAITING,
        traffic: Traffic | None = None,
        on_key_set_aside: Callable[[KeySetAside], None] | None = None,
    ) -> None:
        self.config = config
        self._traffic = traffic or Traffic()
        self._keys = KeyRing(config.keys())
        self._on_key_set_aside = on_key_set_aside
        self.can: Capabilities = capabilities(config.ccxt_id, paper_amends=config.paper_amends)
        self.clock = VenueClock()
        self._pool = InstancePool(
            config, self._signing_clock(), max_instances=max_instances, max_waiting=max_waiting, traffic=self._traffic
        )
        self._loading: SingleFlight[None] = SingleFlight()
        self._measuring: SingleFlight[int] = SingleFlight()

    def call(
        self,
        operation: Callable[[Exchange], T],
        *,
        signed: bool = True,
        lists: bool | Sequence[str] = False,
        changes: bool = False,
        stamp: Stamp | None = None,
    ) -> T:
        """``operation`` on an instance that knows the markets; ``lists``: the reply must hold a list where lists stand,
        or at one of these dotted places; ``changes``: it is to change something at the venue.

        ``operation`` may raise Unreadable for what it can't make sense of.
        """
        with self._seat():  # who waits for another thread's markets or clock waits on the venue as well
            if not self._pool.has_markets:
                self.load_markets()
            if signed and self.can.signs_milliseconds and stamp is None:
                self.time_ms()
            if not signed:
                return self._run(operation, lists=lists, changes=changes, stamp=stamp)
            return self._signed(
                lambda held: self._run(operation, lists=lists, changes=changes, stamp=stamp, key=held.key),
                changes=changes,
            )

    def load_markets(self) -> Markets:
        """Ask for the venue's markets and hand them to every instance; threads that want them at once ask once."""

        def load(exchange: Exchange) -> None:
            found: Markets = exchange.load_markets(True)
            if not found:
                raise Unreadable("it names no market")
            lighten([*found.values(), *chain.from_iterable(exchange.markets_by_id.values())])

        def run(held: HeldKey | None = None) -> None:
            self._run(load, after=self._pool.share_markets, key=held.key if held else None)

        with self._seat():
            if self.can.signs_markets:
                self.time_ms()
                self._loading.run(lambda: self._signed(run, changes=False))
            else:
                self._loading.run(run)
        return self._pool.markets

    def time_ms(self) -> int:
        """The venue's clock by estimate; asks when the offset is old, and keeps the old one when the venue is silent."""
        if self.clock.fresh() or (self.clock.known() and self._measuring.under_way):
            return self.clock.now_ms()
        try:
            with self._seat():
                self._measuring.run(self.read_time_ms)
        except VenueError:
            if not self.clock.known():
                raise
            self.clock.keep()
        return self.clock.now_ms()

    def read_time_ms(self) -> int:
        """What the venue's clock said just now; our own where it shows none."""

        def read(exchange: Exchange) -> int:
            if exchange.has.get("fetchTime") is not True:
                return time.time_ns() // 1_000_000
            said = exchange.fetch_time()
            if not isinstance(said, int) or said <= 0:
                raise Unreadable("it does not tell its time")
            return said

        return self.clock.measure(lambda: self._run(read))

    def close(self) -> None:
        self._pool.close()

    def _signed(self, request: Callable[[HeldKey], T], *, changes: bool) -> T:
        """``request`` with a key of the account; a read goes on with another where the venue refuses the first."""
        while True:
            with self._keys.one() as held, self._in_turn(held):
                try:
                    return request(held)
                except VenueError as error:
                    refused = error
            self._go_on_without(held, refused, changes=changes)

    def _go_on_without(self, held: HeldKey, refused: VenueError, *, changes: bool) -> None:
        """Returns where the same may be asked again with another key; else raises."""
        if refused.evidence is not Evidence.CREDENTIALS:
            raise refused
        aside = self._keys.set_aside(held)
        if aside is Aside.ALONE:
            raise refused
        if aside is Aside.NEWS and self._on_key_set_aside is not None:
            self._on_key_set_aside(
                KeySetAside(
                    venue=self.config.name,
                    account=self.config.account,
                    number=held.number,
                    of=len(self._keys),
                    message=refused.message,
                )
            )
        if changes:
            # Refused before it was looked at. Who keeps the record of sends decides on the next one, with another key.
            raise VenueError(
                Evidence.NOT_SENT,
                f"{self.config.name} refused key {held.number} of {len(self._keys)} and so did not take the request; "
                "that key is set aside: try again, the others go on",
                code=refused.code,
                status=refused.status,
            ) from None

    @contextmanager
    def _in_turn(self, held: HeldKey) -> Iterator[None]:
        """Where nonces must rise, alone: of two requests of a key at once the later signed may come first, and the
        other is refused.
        """
        if not self.can.increasing_nonce:
            yield
            return
        if not held.turn.acquire(timeout=self.config.timeout_ms / 1000):
            self._traffic.failed(Evidence.NOT_SENT.value)
            raise VenueError(
                Evidence.NOT_SENT,
                f"{self.config.name} takes one signed request of a key at a time, and those before have not ended: "
                "nothing was sent; try again",
            )
        try:
            yield
        finally:
            held.turn.release()

    def _run(
        self,
        operation: Callable[[Exchange], T],
        *,
        lists: bool | Sequence[str] = False,
        changes: bool = False,
        stamp: Stamp | None = None,
        after: Callable[[Instance], None] | None = None,
        key: ApiKey | None = None,
    ) -> T:
        """``key``: what it is signed with; None where nothing is signed."""
        failure: VenueError | None = None
        # ccxt leaves the thread's decimal context rounding half up and trapping underflow.
        with self._seat(), self._pool.instance() as instance, decimal.localcontext():
            if key is not None:
                instance.use(key)
            self._begin(instance, stamp, changes=changes, keeps_json=after is None)
            try:
                result = operation(instance.exchange)
                self._check(instance.session.wire, lists=lists)
                if after is not None:
                    after(instance)
                return result
            except VenueError as error:
                failure = error
            except NotRounded:
                raise
            except Exception as error:  # noqa: BLE001 - anything that is not ccxt's proves nothing, and is said so
                failure = self._judge(error, instance.session.wire, changes=changes)
        self._traffic.failed(failure.evidence.value)
        if failure.evidence is Evidence.CLOCK:
            self.clock.forget()
        if self.config.turnstile is not None:
            self.config.turnstile.failed(failure)
        raise failure from None

    def _seat(self) -> AbstractContextManager[None]:
        return nullcontext() if self.config.turnstile is None else self.config.turnstile.seat()

    def _begin(self, instance: Instance, stamp: Stamp | None, *, changes: bool, keeps_json: bool) -> None:
        instance.session.begin(gets_may_change=changes and not self.can.gets_only_read, keeps_json=keeps_json)
        instance.exchange.last_response_headers = None
        instance.timestamp_ms = None if stamp is None or self.can.increasing_nonce else stamp.timestamp_ms
        if self.can.deadline_header:
            until = {} if stamp is None else {self.can.deadline_header: str(stamp.timestamp_ms + stamp.window_ms)}
            instance.exchange.headers = until
        instance.exchange.options["recvWindow"] = self.config.recv_window_ms if stamp is None else stamp.window_ms

    def _check(self, wire: Wire, *, lists: bool | Sequence[str]) -> None:
        if wire.unreadable:
            raise Unreadable("its answer is no JSON")
        if lists and not self._holds_list(wire.json, None if isinstance(lists, bool) else lists):
            raise Unreadable("its answer holds no list")

    def _holds_list(self, body: object, places: Sequence[str] | None) -> bool:
        """``places``: dotted; None: where this venue's lists are."""
        places = self.can.lists_at if places is None else places
        if places is None:
            return isinstance(body, list) or (isinstance(body, dict) and any(_holds(value) for value in body.values()))
        return any(_stands_at(body, at) for at in places)

    def _judge(self, error: Exception, wire: Wire, *, changes: bool) -> VenueError:
        if isinstance(error, Unreadable) or (wire.unreadable and wire.status is not None):
            return unreadable(self.config.name, wire, str(error) if isinstance(error, Unreadable) else "")
        failure = classify(
            error,
            self.config.ccxt_id,
            wire,
            changes=changes,
            venue=self.config.name,
            secrets=self.config.secrets(),
            now_s=time.time(),
        )
        said_so = changes or failure.code or wire.status is None or wire.status >= 400
        if failure.evidence is Evidence.NOT_FOUND and not said_so and not self._holds_list(wire.json, None):
            # ccxt read "not found" from a reply that says nothing of the kind: it looked for a list in it and saw none.
            return unreadable(self.config.name, wire, "its answer holds no list")
        return failure

    def _signing_clock(self) -> Callable[[], int] | None:
        if not self.can.signs_milliseconds:
            return None
        return self.clock.nonce_us if self.can.increasing_nonce else self.clock.now_ms


def _holds(value: object) -> bool:
    return isinstance(value, (list, dict))


def _stands_at(body: object, path: str) -> bool:
    for key in path.split(".") if path else ():
        body = body.get(key) if isinstance(body, dict) else None
    return isinstance(body, (list, dict)) if path else isinstance(body, list)
