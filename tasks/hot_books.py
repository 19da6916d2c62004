"""The hot copy of the books, kept by the processes that write them: after each commit what it moved, each minute all of it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from itertools import islice

import structlog
from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError

from storage import touched
from storage.engine import read
from storage.hot_copies import BALANCES, POSITIONS, HotCopy, HotValue
from storage.hot_values import HotValues, all_values, balance_of, held_of, values_of
from storage.ledger_reads import Balance
from storage.position_reads import HeldPosition
from storage.touched import Touched
from tasks.runtime import Runtime

log = structlog.get_logger()

#: Seconds between two copies of everything, by one of all processes: what a killed process had committed and not
#: copied is missing for no longer.
WHOLE_EVERY_S = 60.0
#: seconds that what moved is collected before it is copied together: a busy process looks ten times a second, not at
#: each commit
GATHER_S = 0.1
#: seconds after which a copy that failed is tried again
AGAIN_AFTER_S = 5.0
#: keys that may wait; beyond it all is copied instead
MOST_WAITING = 10_000
#: values of one request to Redis, which serves nobody else meanwhile
AT_ONCE = 500


class HotBooksThread(threading.Thread):
    """As long as the process lives. What it can't copy now it copies later; nothing waits for it."""

    def __init__(self, runtime: Runtime) -> None:
        super().__init__(name="hot-books", daemon=True)
        self._runtime = runtime
        self._lock = threading.Lock()
        self._waiting: set[Touched] = set()
        self._all = False
        self._news = threading.Event()
        self._stopping = threading.Event()

    def start(self) -> None:
        touched.listen(self._runtime.engine, self.hear)
        super().start()

    def stop(self) -> None:
        """It copies a last time what has moved, and ends."""
        self._stopping.set()
        self._news.set()

    def hear(self, moved: frozenset[Touched]) -> None:
        """Called after a commit, by the thread that made it."""
        with self._lock:
            self._waiting |= moved
            if len(self._waiting) > MOST_WAITING:
                self._waiting.clear()
                self._all = True
        self._news.set()

    def run(self) -> None:
        good = self.copy()
        while not self._stopping.is_set():
            if good:
                self._news.wait(WHOLE_EVERY_S)
            self._stopping.wait(GATHER_S if good else AGAIN_AFTER_S)
            self._news.clear()
            good = self._stopping.is_set() or self.copy()
        touched.stop_listening(self._runtime.engine)
        self.copy()

    def copy(self) -> bool:
        """Copy what waits, and everything where that is due; False where it has to be tried again. Never raises."""
        with self._lock:
            waiting, everything = frozenset(self._waiting), self._all
            self._waiting.clear()
            self._all = False
        try:
            if everything or self._runtime.hot_copies.take_turn(WHOLE_EVERY_S):
                everything = True
                copy_everything(self._runtime)
            elif waiting:
                with read(self._runtime.engine, snapshot=True) as conn:
                    found = values_of(conn, waiting)
                _save(self._runtime, found, whole=False)
        except (RedisError, SQLAlchemyError, OSError) as error:
            log.warning("the hot copy of the books could not be brought up to date", error=type(error).__name__)
        except Exception:
            log.exception("the hot copy of the books could not be brought up to date")
        else:
            return True
        with self._lock:
            self._waiting |= waiting
            self._all = self._all or everything
        return False


def copy_everything(runtime: Runtime) -> None:
    """Bring the whole copy in line with the database. Raises RedisError."""
    with read(runtime.engine, snapshot=True) as conn:
        found = all_values(conn)
    _save(runtime, found, whole=True)


def hot_positions(runtime: Runtime, venue: str, account: str) -> tuple[list[HeldPosition], float] | None:
    """The copy's positions of a venue account and its age in seconds; None where there is no whole copy. Never the truth."""
    copy = _read(runtime, POSITIONS, venue, account)
    return None if copy is None else ([held_of(document) for document in copy.documents], copy.age_s)


def hot_balances(runtime: Runtime, venue: str, account: str) -> tuple[list[Balance], float] | None:
    """The same of balances."""
    copy = _read(runtime, BALANCES, venue, account)
    return None if copy is None else ([balance_of(document) for document in copy.documents], copy.age_s)


def _read(runtime: Runtime, kind: str, venue: str, account: str) -> HotCopy | None:
    try:
        return runtime.hot_copies.read(kind, venue, account)
    except RedisError:
        return None


def _save(runtime: Runtime, found: HotValues, *, whole: bool) -> None:
    for (kind, venue, account), values in found.items():
        parts = list(_parts(values))
        for number, part in enumerate(parts, start=1):
            runtime.hot_copies.save(kind, venue, account, part, whole=whole and number == len(parts))


def _parts(values: list[HotValue]) -> Iterator[list[HotValue]]:
    """At least one, so that an empty venue account is known to be empty."""
    left = iter(values)
    yield list(islice(left, AT_ONCE))
    while part := list(islice(left, AT_ONCE)):
        yield part
