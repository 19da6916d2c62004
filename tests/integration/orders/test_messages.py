"""The record of messages on both databases: brought up to date from any side, never edited, forgotten in time."""

from __future__ import annotations

import itertools
import threading
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, func, select, text, update
from sqlalchemy.exc import DBAPIError

from models.errors import Refusal
from storage.dead_letters import Decision, LetterFilter, LetterStatus, decide, find_dead_letters, keep_dead_letter
from storage.engine import read, write
from storage.message_tables import dead_letters, message_events, messages
from storage.messages import Happened, MessageFilter, What, ended_before, events_of, forget, list_messages, record
from storage.messages_stats import figures

NOW = datetime(2030, 1, 1, tzinfo=UTC)


def _item(what: What, second: float, **more: object) -> Happened:
    values = {"message_id": "m1", "task": "orders.commit", "queue": "venue", "order_id": "o1", **more}
    return Happened(what=what, at=NOW + timedelta(seconds=second), **values)  # type: ignore[arg-type]


PUBLISHED = _item(What.PUBLISHED, 0)
RECEIVED = _item(What.RECEIVED, 1, worker="a@h")
KILLED = _item(What.KILLED, 2, worker="a@h", pid=7)
AGAIN = _item(What.REDELIVERED, 3, worker="b@h")
SUCCEEDED = _item(What.SUCCEEDED, 5, worker="b@h", started_at=NOW + timedelta(seconds=4), run_ms=1000)
WHOLE = (PUBLISHED, RECEIVED, KILLED, AGAIN, SUCCEEDED)


def _only(engine: Engine) -> dict[str, object]:
    with read(engine) as conn:
        (row,) = list_messages(conn, MessageFilter())
    return dict(row)


@pytest.mark.parametrize("order", list(itertools.permutations(range(5)))[::7])
def test_a_message_is_the_same_in_whatever_order_its_processes_write(engine: Engine, order):
    for index in order:
        with write(engine) as conn:
            record(conn, [WHOLE[index]])
    row = _only(engine)
    assert (row["status"], row["attempts"], row["run_ms"], row["worker"]) == ("succeeded", 2, 1000, row["worker"])
    assert row["published_at"] == NOW
    assert row["started_at"] == NOW + timedelta(seconds=4)
    assert row["ended_at"] == NOW + timedelta(seconds=5)
    with read(engine) as conn:
        assert [event["event"] for event in events_of(conn, "m1")] == [item.what.value for item in WHOLE]


def test_one_batch_is_as_many(engine: Engine):
    with write(engine) as conn:
        record(conn, WHOLE)
        record(conn, [])
    row = _only(engine)
    assert (row["status"], row["attempts"], row["received_at"]) == ("succeeded", 2, NOW + timedelta(seconds=1))


def test_dead_is_final_whatever_is_heard_later(engine: Engine):
    with write(engine) as conn:
        record(conn, [PUBLISHED, RECEIVED, _item(What.DEAD, 2, detail={"code": "POISON"})])
    with write(engine) as conn:
        record(conn, [SUCCEEDED])
    assert _only(engine)["status"] == "dead"
    with pytest.raises(DBAPIError, match="dead is final"), write(engine) as conn:
        conn.execute(update(messages).values(status="succeeded"))


def test_a_publisher_whose_clock_is_ahead_takes_no_end_back(engine: Engine):
    with write(engine) as conn:
        record(conn, [SUCCEEDED])
        record(conn, [_item(What.PUBLISHED, 3600)])
    assert _only(engine)["status"] == "succeeded"


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE message_events SET event = 'succeeded'", "message_events"),
        ("DELETE FROM message_events", "forgotten with it"),
        ("UPDATE messages SET id = 'other'", "identity"),
        ("UPDATE messages SET attempts = 0", "never become fewer"),
        ("DELETE FROM dead_letters", "dead_letters"),
        ("UPDATE dead_letters SET body = '{}'", "never edited"),
        ("UPDATE dead_letters SET code = 'FINE'", "never edited"),
    ],
)
def test_what_happened_is_never_edited(engine: Engine, statement, said):
    with write(engine) as conn:
        record(conn, WHOLE)
        _keep(conn)
    with pytest.raises(DBAPIError, match=said), write(engine) as conn:
        conn.execute(text(statement))


def _keep(conn, message_id: str = "m1") -> bool:
    refusal = Refusal("no", code="POISON")
    return keep_dead_letter(conn, task="t", message_id=message_id, body={"a": 1}, refusal=refusal, now=NOW)


def test_a_letter_that_is_read_again_is_one_letter_and_counted(engine: Engine):
    with write(engine) as conn:
        assert [_keep(conn), _keep(conn), _keep(conn, "m2")] == [True, False, True]
        letters = find_dead_letters(conn, LetterFilter())
    assert [(letter["message_id"], letter["count"]) for letter in letters] == [("m2", 1), ("m1", 2)]


def test_of_many_who_decide_at_once_one_does(engine: Engine):
    with write(engine) as conn:
        _keep(conn)
        letter_id = conn.execute(select(dead_letters.c.id)).scalar_one()
    mine: list[bool] = []

    def take(number: int) -> None:
        decision = Decision(status=LetterStatus.DISCARDED, by=str(number), note="", outcome="", at=NOW)
        with write(engine) as conn:
            mine.append(decide(conn, letter_id, decision))

    threads = [threading.Thread(target=take, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(mine) == [False] * 7 + [True]
    with pytest.raises(DBAPIError, match="decided once"), write(engine) as conn:
        conn.execute(update(dead_letters).values(note="another"))


def test_old_messages_are_forgotten_with_their_events_and_dead_ones_stay(engine: Engine):
    with write(engine) as conn:
        record(conn, WHOLE)
        record(conn, [_item(What.DEAD, 1, message_id="dead"), _item(What.SUCCEEDED, 90, message_id="young")])
        record(conn, [_item(What.SUCCEEDED, 1, message_id="hint", task="orders.watch")])
    with write(engine) as conn:
        late = NOW + timedelta(seconds=50)
        assert ended_before(conn, late, tasks=("orders.watch",), since=late) == []
        assert [name for name, _ in ended_before(conn, late, tasks=("orders.watch",))] == ["hint"]
        forget(conn, ["hint"])
        forget(conn, [name for name, _ in ended_before(conn, late)])
        assert ended_before(conn, late) == []
        left = set(conn.execute(select(messages.c.id)).scalars())
        assert left == {"dead", "young"}
        assert set(conn.execute(select(message_events.c.message_id)).scalars()) == left


def test_figures_count_what_became_of_messages_and_how_long_they_took(engine: Engine):
    with write(engine) as conn:
        record(conn, WHOLE)
        for number in range(100):
            at = {"message_id": f"n{number}", "queue": "steps", "task": "orders.validate"}
            begun = NOW + timedelta(milliseconds=number)
            done = _item(What.SUCCEEDED, 1, started_at=begun, run_ms=number, **at)
            record(conn, [_item(What.PUBLISHED, 0, **at), _item(What.RECEIVED, 0, **at), done])
    with read(engine) as conn:
        found = figures(conn, NOW - timedelta(seconds=1))
        few = figures(conn, NOW - timedelta(seconds=1), most=10)
    commit, validate = found.items
    assert (commit.task, commit.redelivered, commit.succeeded, commit.wait.p50_ms) == ("orders.commit", 1, 1, 4000.0)
    assert (validate.published, validate.received, validate.run.p50_ms, validate.run.p99_ms) == (100, 100, 49.0, 98.0)
    assert (found.counted, found.complete) == (101, True)
    assert (few.counted, few.complete) == (10, False)


def test_processes_that_write_about_the_same_messages_do_not_stand_in_each_others_way(engine: Engine):
    errors: list[BaseException] = []

    def write_all(worker: int) -> None:
        try:
            for turn in range(10):
                items = [
                    _item(What.RECEIVED, turn, message_id=f"m{(number * 7 + worker) % 20}") for number in range(20)
                ]
                with write(engine) as conn:
                    record(conn, items)
        except BaseException as error:  # noqa: BLE001 - the main thread looks at it
            errors.append(error)

    threads = [threading.Thread(target=write_all, args=(worker,)) for worker in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert errors == []
    with read(engine) as conn:
        assert conn.execute(select(func.sum(messages.c.attempts))).scalar_one() == 4 * 10 * 20
