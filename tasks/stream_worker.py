"""The thread that turns what streams push into effects: one at a time, in the order in which it was heard."""

import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import structlog

from exchanges.streams.keeper import Keeper
from exchanges.streams.source import OrderNews
from models.reports import Trade
from storage.attention import watched
from storage.engine import read, write
from tasks.looks import Looks
from tasks.pushed import Taken, take_news, take_trades
from tasks.runtime import Runtime
from tasks.stream_health import SETTLED_S, TELL_EVERY_S, end_stream, is_ours, tell

log = structlog.get_logger()

#: Events that wait to be worked on; more are dropped, which is a gap: polling finds what they told.
MOST_WAITING = 10_000
#: the longest wait for an event before looks and health have their turn
TURN_S = 0.1
#: An order that is not known yet may be one whose answer is on its way.
LOOK_LATER_S = 1.0

Place = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pushed:
    place: Place
    trades: Sequence[Trade] = ()
    news: Sequence[OrderNews] = ()


class StreamWorker(threading.Thread):
    """Waits on the database for as long as it takes; the event loop never does."""

    def __init__(
        self, runtime: Runtime, *, looks: Looks | None = None, ticks: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__(name="stream-worker", daemon=True)
        self._runtime = runtime
        self._looks = looks or Looks()
        self._ticks = ticks
        self._queue: queue.Queue[Pushed] = queue.Queue(MOST_WAITING)
        self._stopping = threading.Event()
        self._next_tell = 0.0
        #: accounts that are to be looked at as a whole
        self._unsure: set[Place] = set()
        #: fills booked first by this process, by account
        self.booked: dict[Place, int] = {}
        #: accounts that this process is to stream; read by the event loop
        self.ours: frozenset[Place] = frozenset()
        #: set by the event loop: whose state is to be told
        self.keepers: Mapping[Place, Keeper] = {}
        #: every account that may be streamed
        self.places: Sequence[Place] = ()

    def push(self, pushed: Pushed) -> bool:
        """From the event loop; waits for nothing. False where there was no room: what it told is lost."""
        try:
            self._queue.put_nowait(pushed)
        except queue.Full:
            return False
        return True

    def look_at_all(self, place: Place) -> None:
        """Events may be missing: everything of ours at the account is polled at once. From any thread."""
        self._unsure.add(place)
        self._next_tell = 0.0  # a break is told at once: until then polling is slow for no reason

    def stop(self) -> None:
        self._stopping.set()

    def run(self) -> None:
        while not self._stopping.is_set():
            self.turn()

    def turn(self) -> None:
        """One event, if one comes; then what is due. Whatever fails costs a look, and never the thread."""
        try:
            self._health()
        except Exception as error:  # noqa: BLE001 - told again soon; meanwhile nobody believes the old word for long
            log.warning("how the streams are could not be told", error=type(error).__name__)
        try:
            pushed = self._queue.get(timeout=TURN_S)
        except queue.Empty:
            pushed = None
        if pushed is not None:
            try:
                self.work(pushed)
            except Exception:
                log.exception("what a stream told could not be taken; the account is polled")
                self.look_at_all(pushed.place)
        try:
            self._look_at_all(frozenset(self._unsure))
            self._looks.run(self._runtime)
        except Exception as error:  # noqa: BLE001 - asked for again at the next turn; polling goes on by itself
            log.warning("a look could not be started", error=type(error).__name__)
            self._stopping.wait(TURN_S)

    def work(self, pushed: Pushed) -> None:
        """What one event leads to."""
        venue, account = pushed.place
        if pushed.trades:
            self._follow(pushed.place, take_trades(self._runtime, venue, account, pushed.trades))
        if pushed.news:
            self._follow(pushed.place, take_news(self._runtime, venue, account, pushed.news))

    def _follow(self, place: Place, taken: Taken) -> None:
        self.booked[place] = self.booked.get(place, 0) + taken.booked
        self._looks.ask(taken.look)
        self._looks.ask(taken.look_later, in_s=LOOK_LATER_S)

    def _look_at_all(self, places: frozenset[Place]) -> None:
        """Now, and again when a new subscription has surely taken effect."""
        if not places:
            return
        with read(self._runtime.engine) as conn:
            found = [entry for entry in watched(conn) if (entry.venue, entry.account) in places]
        self._looks.ask(found, again_in_s=SETTLED_S)
        self._unsure -= places

    def say_goodbye(self) -> None:
        """Another process may take over at once, and nobody believes this one any longer."""
        with write(self._runtime.engine) as conn:
            for place, keeper in sorted(self.keepers.items()):
                end_stream(conn, self._runtime, place, keeper.status(fills=self.booked.get(place, 0)))

    def _health(self) -> None:
        if self._ticks() < self._next_tell:
            return
        self._next_tell = self._ticks() + TELL_EVERY_S
        keepers = dict(self.keepers)
        ours = set()
        with write(self._runtime.engine) as conn:
            for place in sorted(self.places):
                if not is_ours(conn, self._runtime, place):
                    continue
                ours.add(place)
                if place in keepers:
                    tell(conn, self._runtime, place, keepers[place].status(fills=self.booked.get(place, 0)))
        self.ours = frozenset(ours)
