"""The hot copy of the books, kept by the processes that write them: after each commit what it moved, each minute what it lacks."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeVar

import structlog
from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError

from storage import touched
from storage.engine import read
from storage.hot_copies import BALANCES, POSITIONS, HotCopy, Kept
from storage.hot_values import HotValues, Place, all_values, all_versions, balance_of, held_of, named, values_of
from storage.ledger_reads import Balance
from storage.position_reads import HeldPosition
from storage.touched import Touched
from tasks.runtime import Runtime

log = structlog.get_logger()

T = TypeVar("T")

#: Seconds between two comparisons of the whole copy with the database, by one of all processes: what a killed process
#: had committed and not copied is missing for no longer. Versions are compared, and what differs is sent.
WHOLE_EVERY_S = 60.0
#: seconds between two copies of everything, whatever its version: a value that is wrong under the right one ends with it
CONTENT_EVERY_S = 3_600.0
#: seconds that what moved is collected before it is copied together: a busy process looks ten times a second, not at
#: each commit
GATHER_S = 0.1
#: seconds after which a copy that failed is tried again
AGAIN_AFTER_S = 5.0
#: keys that may wait; beyond it all is copied instead
MOST_WAITING = 10_000
#: values of one request to Redis, which serves nobody else meanwhile
AT_ONCE = 500
#: of more than so many values all are read at once, which is quicker than one by one
FEW = 1_000


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
            if everything or self._runtime.hot_copies.take_turn("whole", WHOLE_EVERY_S):
                everything = True
                if self._runtime.hot_copies.take_turn("content", CONTENT_EVERY_S):
                    copy_everything(self._runtime)
                else:
                    copy_what_it_lacks(self._runtime)
            elif waiting:
                with read(self._runtime.engine, snapshot=True) as conn:
                    found = values_of(conn, waiting)
                _save(self._runtime, found)
        except (Forgotten, RedisError, SQLAlchemyError, OSError) as error:
            log.warning("the hot copy of the books could not be brought up to date", error=type(error).__name__)
        except Exception:
            log.exception("the hot copy of the books could not be brought up to date")
        else:
            return True
        with self._lock:
            self._waiting |= waiting
            self._all = self._all or everything
        return False


class Forgotten(Exception):
    """Redis let go of a part of the copy while it was written."""


def copy_everything(runtime: Runtime) -> None:
    """Bring the whole copy in line with the database, value by value. Raises RedisError or Forgotten."""
    with read(runtime.engine, snapshot=True) as conn:
        found = all_values(conn)
    _save(runtime, found)
    _call_whole(runtime, {place: len(values) for place, values in found.items()})


def copy_what_it_lacks(runtime: Runtime) -> None:
    """The same by versions: only what is older in the copy, or not in it, is read and sent. Raises as that does."""
    with read(runtime.engine, snapshot=True) as conn:
        there = all_versions(conn)
    kept = {place: _kept(runtime, place, versions) for place, versions in there.items()}
    if any(_is_ahead(kept[place], versions) for place, versions in there.items()):
        _forget_what_never_was(runtime, kept)
        kept = {place: _kept(runtime, place, versions) for place, versions in there.items()}
    lacking = frozenset(
        named(place, name)
        for place, versions in there.items()
        for name, version in versions.items()
        if kept[place].versions.get(name, -1) < version
    )
    if lacking:
        with read(runtime.engine, snapshot=True) as conn:
            found = values_of(conn, lacking) if len(lacking) <= FEW else all_values(conn)
        _save(runtime, found)
    _call_whole(runtime, {place: len(versions) for place, versions in there.items()})


def copy_anew(runtime: Runtime, venue: str, account: str) -> None:
    """Forget the copy of one venue account, and make it again from the database. Raises as ``copy_everything`` does."""
    for kind in (POSITIONS, BALANCES):
        runtime.hot_copies.forget(kind, venue, account)
    copy_what_it_lacks(runtime)


def _kept(runtime: Runtime, place: Place, versions: Mapping[str, int]) -> Kept:
    count, found = 0, dict[str, int]()
    for part in _parts(list(versions)):
        answer = runtime.hot_copies.kept(*place, part)
        count = max(count, answer.count)
        found |= answer.versions
    return Kept(versions=found, count=count)


def _is_ahead(kept: Kept, versions: Mapping[str, int]) -> bool:
    """It has what this look at the database did not have."""
    newer = any(version > versions[name] for name, version in kept.versions.items() if name in versions)
    return newer or kept.count > len(versions)


def _forget_what_never_was(runtime: Runtime, kept: Mapping[Place, Kept]) -> None:
    """What is newer in the copy was committed meanwhile; else the database is an older one, restored from a backup."""
    with read(runtime.engine, snapshot=True) as conn:
        later = all_versions(conn)
    for place, found in kept.items():
        if _is_ahead(found, later.get(place, {})):
            log.warning("the hot copy of the books is ahead of the database, and is made anew", place=place)
            runtime.hot_copies.forget(*place)


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


def _save(runtime: Runtime, found: HotValues) -> None:
    for place, values in found.items():
        for part in _parts(values):
            runtime.hot_copies.save(*place, part)


def _call_whole(runtime: Runtime, counts: Mapping[Place, int]) -> None:
    """Say of each venue account that all of it is there, be it nothing."""
    for place, count in counts.items():
        if not runtime.hot_copies.save(*place, [], whole=count):
            raise Forgotten(f"of {place}")


def _parts(values: Sequence[T]) -> Iterator[Sequence[T]]:
    """At least one, be it empty."""
    for start in range(0, max(1, len(values)), AT_ONCE):
        yield values[start : start + AT_ONCE]
