"""The tracker of a process: it never waits, never fails, and says what it could not put on record."""

from __future__ import annotations

import os
import threading
from datetime import UTC, datetime

import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import OperationalError

from storage.engine import read
from storage.message_tables import message_events
from storage.messages import Happened, What
from tasks import tracking
from tasks.tracking import Tracker, collecting, published, record_published
from tests.support.runtime import Desk
from tests.support.waiting import eventually


def _item(number: int) -> Happened:
    return Happened(message_id=f"m{number}", what=What.RECEIVED, at=datetime.now(UTC), task="t", queue="q")


def _on_record(desk: Desk) -> int:
    with read(desk.engine) as conn:
        return int(conn.execute(select(func.count()).select_from(message_events)).scalar_one())


def test_what_many_threads_saw_is_on_record_soon(desk: Desk):
    tracker = Tracker(desk.runtime, flush_s=0.01)
    threads = [
        threading.Thread(target=lambda base=base: [tracker.record(_item(base + index)) for index in range(250)])
        for base in range(0, 2000, 250)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    eventually(lambda: _on_record(desk) == 2000, within_s=60, describe="all of it is on record")
    tracker.stop(60)


def test_the_end_of_a_process_writes_what_is_left(desk: Desk):
    tracker = Tracker(desk.runtime, flush_s=3600)
    for number in range(700):
        tracker.record(_item(number))
    tracker.stop(60)
    assert _on_record(desk) == 700


def test_while_the_database_is_away_it_remembers_so_much_and_says_what_was_too_much(desk: Desk, monkeypatch):
    away = threading.Event()
    away.set()
    tried = threading.Event()
    real = tracking.record

    class Gone(Exception):
        pass

    def refuse(conn, batch):
        if away.is_set():
            tried.set()
            raise OperationalError("gone", None, Gone(), connection_invalidated=True)
        real(conn, batch)

    monkeypatch.setattr(tracking, "record", refuse)
    monkeypatch.setattr(tracking, "TROUBLED_S", 0.01)
    tracker = Tracker(desk.runtime, flush_s=0.001, most_waiting=100)
    for number in range(250):
        tracker.record(_item(number))
    assert tried.wait(60)
    assert _on_record(desk) == 0

    away.clear()

    eventually(lambda: _on_record(desk) == 100, within_s=60, describe="what it remembered is on record")
    eventually(lambda: "MESSAGES_UNTRACKED" in desk.alerts(), within_s=60, describe="the rest is told of")
    eventually(lambda: not tracker._waiting, within_s=60, describe="there is room again")
    tracker.record(_item(999))
    tracker.stop(60)
    assert _on_record(desk) == 101


def test_a_row_that_can_not_be_written_keeps_no_other_from_being_written(desk: Desk):
    tracker = Tracker(desk.runtime, flush_s=0.001)
    tracker.record(Happened(message_id="m", what=What.RECEIVED, at=datetime.now(), task="t", queue="q"))  # noqa: DTZ005
    eventually(lambda: not tracker._waiting, within_s=60, describe="it is given up")
    tracker.record(_item(1))
    eventually(lambda: _on_record(desk) == 1, within_s=60, describe="the next one is on record")
    tracker.stop(60)


def test_what_a_relay_publishes_is_written_by_its_own_transaction(desk: Desk):
    with collecting() as outer:
        published(_item(1))
        with collecting() as inner:
            published(_item(2))
        published(_item(3))
    assert [item.message_id for item in outer] == ["m1", "m3"]
    assert [item.message_id for item in inner] == ["m2"]
    with desk.engine.begin() as conn:
        record_published(conn, desk.runtime, outer)
    assert _on_record(desk) == 2


@pytest.mark.filterwarnings("ignore:This process.*:DeprecationWarning")  # Python 3.12 warns of what is tested
def test_a_fork_waits_until_no_thread_is_inside_the_database_and_the_child_begins_anew(desk: Desk):
    tracker = Tracker(desk.runtime, flush_s=0.0)
    stop = threading.Event()

    def keep_writing() -> None:
        number = 0
        while not stop.is_set():
            tracker.record(_item(number))
            number += 1
            stop.wait(0.001)

    writer = threading.Thread(target=keep_writing)
    writer.start()
    try:
        for _ in range(20):
            pid = os.fork()
            if pid == 0:  # in the child: the lock is free, nobody tracks here
                free = tracking._between_forks.acquire(blocking=False)
                os._exit(0 if free and tracking._tracker is None else 1)
            assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    finally:
        stop.set()
        writer.join(60)
        tracker.stop(60)
    assert _on_record(desk) > 0
