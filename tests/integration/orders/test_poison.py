"""A step that never comes to an end: counted on both databases, given up, parked, and taken up again by a person."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from celery.exceptions import Ignore, Reject, SoftTimeLimitExceeded
from sqlalchemy import select

from models.errors import Conflict, InvalidRequest, Refusal
from storage.dead_letters import LetterFilter, LetterStatus, find_dead_letters, keep_dead_letter
from storage.engine import read, write
from storage.message_tables import unfinished_deliveries
from storage.messages_unfinished import list_parked
from storage.order_tables import orders
from tasks import poison
from tasks.outcomes import MovedOn
from tasks.poison import PAUSE, Delivery, guarded
from tasks.rescue import rescue
from tests.support.runtime import Desk
from workflows.cancel import request_cancel
from workflows.replay import LetterDecided, NotReplayable, OnlyResolvable, discard, replay
from workflows.resolve import NotInDoubt, resolve_child

MOST = 5  # `[messages] max_deliveries`


def _deliver(desk: Desk, task: str, message_id: str = "m1", *, again: bool = True, ends: bool = False, **kwargs: Any):
    """One delivery of a message whose task ``ends``, or would have held its worker until somebody killed it."""

    def body() -> str:
        if not ends:
            raise SoftTimeLimitExceeded
        return "done"

    delivery = Delivery(message_id=message_id, task=task, queue="venue", kwargs=kwargs, redelivered=again)
    return guarded(desk.runtime, delivery, body)


def _begun(desk: Desk, task: str, **kwargs: Any) -> int:
    """Deliver until it is given up; how often it was begun."""
    for number in range(100):
        try:
            _deliver(desk, task, again=number > 0, **kwargs)
        except SoftTimeLimitExceeded:
            continue
        except Ignore:
            return number
    raise AssertionError("it is begun for ever")


def _letters(desk: Desk) -> list[dict[str, Any]]:
    with read(desk.engine) as conn:
        return list(find_dead_letters(conn, LetterFilter()))


def _counted(desk: Desk) -> list[tuple[str, str, int]]:
    with read(desk.engine) as conn:
        rows = conn.execute(select(unfinished_deliveries)).all()
    return [(row.task, row.subject, row.deliveries) for row in rows]


def test_a_first_delivery_writes_nothing(desk: Desk):
    order_id = desk.place()
    assert _deliver(desk, "orders.commit", again=False, ends=True, order_id=order_id) == "done"
    with pytest.raises(SoftTimeLimitExceeded):
        _deliver(desk, "orders.commit", again=False, order_id=order_id)
    assert _counted(desk) == []


def test_a_delivery_that_comes_to_an_end_is_forgotten(desk: Desk):
    order_id = desk.place()
    with pytest.raises(SoftTimeLimitExceeded):
        _deliver(desk, "orders.commit", order_id=order_id)
    assert _counted(desk) == [("orders.commit", order_id, 2)]
    assert _deliver(desk, "orders.commit", ends=True, order_id=order_id) == "done"
    assert _counted(desk) == []


def test_an_exception_is_an_end(desk: Desk):
    def body() -> str:
        raise ValueError("a bug")

    delivery = Delivery(message_id="m", task="orders.commit", queue="venue", kwargs={"order_id": "x"}, redelivered=True)
    with pytest.raises(ValueError, match="a bug"):
        guarded(desk.runtime, delivery, body)
    assert _counted(desk) == []


def test_a_step_is_begun_five_times_and_then_its_order_is_parked(desk: Desk):
    order_id = desk.place()
    assert _begun(desk, "orders.prepare", order_id=order_id) == MOST

    (letter,) = _letters(desk)
    assert (letter["code"], letter["order_id"], letter["deliveries"]) == ("POISON", order_id, MOST)
    document = desk.document(order_id)
    assert (document["status"], document["reason"]["code"]) == ("RECEIVED", "PARKED")
    assert "POISON_MESSAGE" in desk.alerts()
    with read(desk.engine) as conn:
        assert list_parked(conn) == [order_id]


def test_what_rescue_sends_for_the_same_order_is_counted_too_and_becomes_no_second_letter(desk: Desk):
    order_id = desk.place()
    for number in range(MOST):
        with pytest.raises(SoftTimeLimitExceeded):
            _deliver(desk, "orders.prepare", f"m{number}", again=False, order_id=order_id, rescued=True)
    for number in range(3):
        with pytest.raises(Ignore):
            _deliver(desk, "orders.prepare", f"n{number}", again=False, order_id=order_id, rescued=True)
    assert len(_letters(desk)) == 1


def test_rescue_leaves_a_parked_order_alone_and_takes_it_up_after_a_replay(desk: Desk):
    order_id = desk.limit("-5000")
    desk.forget_outbox()
    _begun(desk, "orders.prepare", order_id=order_id)
    desk.runtime.advance(3600)
    assert rescue(desk.runtime) == "nothing stands"
    assert desk.waiting() == []

    letter, new = replay(desk.runtime, _letters(desk)[0]["id"], by="me", note="fixed")

    assert (new, letter["status"], letter["decided_by"], letter["note"]) == (True, "replayed", "me", "fixed")
    assert desk.waiting() == ["orders.start"]
    assert desk.document(order_id)["reason"] is None
    desk.pump()
    assert desk.order(order_id).status == "WORKING"


def test_a_replay_is_done_once_however_many_ask_at_once(desk: Desk):
    order_id = desk.place()
    desk.forget_outbox()
    _begun(desk, "orders.prepare", order_id=order_id)
    letter_id = _letters(desk)[0]["id"]
    done: list[bool] = []
    errors: list[BaseException] = []

    def ask(number: int) -> None:
        try:
            done.append(replay(desk.runtime, letter_id, by=str(number))[1])
        except BaseException as error:  # noqa: BLE001 - the main thread looks at it
            errors.append(error)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(64)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert errors == []
    assert sorted(done) == [False] * 63 + [True]
    assert desk.waiting() == ["orders.start"]


def test_an_order_whose_send_is_unknown_is_resolved_and_never_replayed(desk: Desk):
    desk.venue.arm({"kind": "drop", "when": "after", "method": "POST", "endpoint": "order", "count": 1})
    order_id = desk.limit("-5000")
    desk.until_sent(order_id)
    child = desk.child(order_id)
    assert child.status == "UNKNOWN"
    desk.forget_outbox()
    _begun(desk, "orders.lookup", child_id=child.id)

    reason = desk.document(order_id)["reason"]
    assert reason["code"] == "SEND_UNKNOWN"
    assert f"steadfill order resolve {order_id} --child {child.id}" in reason["message"]
    letter_id = _letters(desk)[0]["id"]
    with pytest.raises(OnlyResolvable, match=f"order resolve {order_id} --child {child.id}"):
        replay(desk.runtime, letter_id, by="me")
    assert _letters(desk)[0]["status"] == LetterStatus.OPEN.value
    assert desk.waiting() == []
    with pytest.raises(NotInDoubt, match="may still arrive"):
        resolve_child(desk.runtime, order_id, child.id, "absent", by="me")

    (theirs,) = desk.at_venue(order_id)
    resolve_child(desk.runtime, order_id, child.id, "exists", venue_order_id=str(theirs["order_id"]), by="me")

    with read(desk.engine) as conn:
        assert list_parked(conn) == []
    assert replay(desk.runtime, letter_id, by="me")[1]


def test_a_cancel_takes_a_parked_order_to_its_end(desk: Desk):
    order_id = desk.limit("-5000")
    desk.work(order_id)
    desk.forget_outbox()
    _begun(desk, "orders.settle", order_id=order_id)
    request_cancel(desk.runtime, order_id, source="test")
    with read(desk.engine) as conn:
        assert list_parked(conn) == []
    desk.pump()
    assert desk.order(order_id).status == "CANCELED"


def test_a_message_of_an_order_that_has_ended_is_a_letter_and_parks_nothing(desk: Desk):
    order_id = desk.place()
    request_cancel(desk.runtime, order_id, source="test")
    _begun(desk, "orders.settle", order_id=order_id)
    with read(desk.engine) as conn:
        assert list_parked(conn) == []
    letter, _ = replay(desk.runtime, _letters(desk)[0]["id"], by="me")
    assert "has ended" in letter["outcome"]


def test_a_hint_of_beat_is_paused_and_tried_again_later(desk: Desk):
    assert _begun(desk, "orders.rescue") == MOST
    with pytest.raises(Ignore):
        _deliver(desk, "orders.rescue", "m2", again=False, ends=True)
    desk.runtime.advance(PAUSE.total_seconds() + 1)
    assert _deliver(desk, "orders.rescue", "m3", again=False, ends=True) == "done"
    assert _deliver(desk, "orders.rescue", "m4", again=False, ends=True) == "done"
    assert _counted(desk) == []


def test_messages_from_outside_are_counted_each_for_itself(desk: Desk):
    request = {"request": {"client_order_id": "x"}}
    for number in range(1, MOST):
        with pytest.raises(SoftTimeLimitExceeded):
            _deliver(desk, "orders.submit", "bad", again=number > 0, **request)
    assert _deliver(desk, "orders.submit", "good", ends=True, **request) == "done"
    with pytest.raises(Ignore):
        _deliver(desk, "orders.submit", "bad", **request)
    assert _letters(desk)[0]["message_id"] == "bad"


def test_while_the_database_is_away_nothing_is_begun_and_nothing_is_dropped(desk: Desk, monkeypatch):
    class Away(Exception):
        pass

    def refuse(*_: object, **__: object):
        raise Away

    monkeypatch.setattr(poison, "is_unavailable", lambda error: isinstance(error, Away))
    monkeypatch.setattr(poison, "AWAY_S", 0)
    monkeypatch.setattr(poison, "find_unfinished", refuse)
    with pytest.raises(Reject) as rejected:
        _deliver(desk, "orders.submit", ends=True, request={})
    assert rejected.value.requeue
    with pytest.raises(Away):
        _deliver(desk, "orders.commit", ends=True, order_id="o")


# --------------------------------------------------------------------------------------------------- refused requests


def _refused(desk: Desk, task: str, body: dict[str, Any], **more: Any) -> int:
    refusal = Refusal("no", code=more.pop("code", "INVALID_REQUEST"))
    with write(desk.engine) as conn:
        keep_dead_letter(
            conn, task=task, message_id=f"m{len(_letters(desk))}", body=body, refusal=refusal,
            now=desk.runtime.now(), **more,
        )  # fmt: skip
    return int(_letters(desk)[0]["id"])


def _request(**changes: Any) -> dict[str, Any]:
    return {
        "client_order_id": "again", "venue": "paper", "symbol": "BTC/USDT", "side": "buy", "type": "market",
        "quantity": "0.01", **changes,
    }  # fmt: skip


def test_a_refused_request_is_taken_once_its_reason_is_gone(desk: Desk):
    letter_id = _refused(desk, "orders.submit", {"request": _request()}, code="INSTRUMENTS_UNKNOWN")
    letter, new = replay(desk.runtime, letter_id, by="me")
    assert new
    assert letter["outcome"].startswith("created order")
    assert replay(desk.runtime, letter_id, by="me") == (letter, False)
    second = _refused(desk, "orders.submit", {"request": _request()})
    assert replay(desk.runtime, second, by="me")[0]["outcome"].startswith("is order")
    with read(desk.engine) as conn:
        assert len(conn.execute(select(orders.c.id)).all()) == 1


def test_a_request_that_is_refused_again_leaves_its_letter_open(desk: Desk):
    letter_id = _refused(desk, "orders.submit", {"request": _request(quantity="none")})
    with pytest.raises(InvalidRequest):
        replay(desk.runtime, letter_id, by="me")
    assert _letters(desk)[0]["status"] == "open"
    assert discard(desk.runtime, letter_id, by="me", note="never mind")[1]
    assert not discard(desk.runtime, letter_id, by="you", note="me too")[1]
    with pytest.raises(LetterDecided, match="discarded by me"):
        replay(desk.runtime, letter_id, by="you")


@pytest.mark.parametrize(
    ("task", "more"),
    [
        ("orders.sbumit", {"code": "UNKNOWN_TASK"}),
        ("", {"code": "UNDECODABLE", "kept": "unreadable"}),
        ("orders.submit", {"kept": "cut"}),
        ("orders.submit", {"kept": "redacted"}),
    ],
)
def test_what_was_not_kept_whole_or_is_no_task_of_ours_can_only_be_discarded(desk: Desk, task, more):
    from storage.dead_letters import Kept

    if "kept" in more:
        more = {**more, "kept": Kept(more["kept"])}
    letter_id = _refused(desk, task, {"request": _request()}, **more)
    with pytest.raises(NotReplayable, match=f"dead-letters discard {letter_id}"):
        replay(desk.runtime, letter_id, by="me")
    assert issubclass(NotReplayable, Conflict)
    assert discard(desk.runtime, letter_id, by="me")[1]


def test_a_request_that_killed_its_worker_goes_to_a_worker_and_not_into_this_process(desk: Desk):
    letter_id = _refused(desk, "orders.submit", {"request": _request()}, code="POISON")
    replay(desk.runtime, letter_id, by="me")
    assert desk.waiting() == ["orders.submit"]


def test_a_notice_that_no_queue_took_is_sent_again(desk: Desk):
    body = {"queue": "theirs", "document": {"id": "o"}, "version": 3}
    letter_id = _refused(desk, "their.task", body, code="NOT_PUBLISHABLE")
    replay(desk.runtime, letter_id, by="me")
    assert desk.waiting() == ["their.task"]


def test_a_delivery_that_leaves_the_work_to_a_dead_one_wipes_no_count(desk: Desk):
    """Its redelivery meets the lease of the one that died, says so and ends: that is no end of the step."""
    order_id = desk.place()
    for number in range(MOST):
        with pytest.raises(SoftTimeLimitExceeded):
            _deliver(desk, "orders.lookup", f"r{number}", again=False, order_id=order_id, rescued=True)
        redelivered = Delivery(
            message_id=f"r{number}",
            task="orders.lookup",
            queue="urgent",
            kwargs={"order_id": order_id},
            redelivered=True,
        )
        if number < MOST - 1:
            assert guarded(desk.runtime, redelivered, lambda: MovedOn("somebody else has it")) == "somebody else has it"
            assert _counted(desk) == [("orders.lookup", order_id, number + 1)]
    with pytest.raises(Ignore):
        _deliver(desk, "orders.lookup", "last", again=False, order_id=order_id, rescued=True)
    assert [letter["code"] for letter in _letters(desk)] == ["POISON"]


def test_a_parked_order_that_was_not_sent_still_ends_with_its_time(desk: Desk):
    order_id = desk.place()
    desk.forget_outbox()
    _begun(desk, "orders.prepare", order_id=order_id)
    desk.runtime.advance(3600)

    assert rescue(desk.runtime) == "1 parked"

    assert desk.end(order_id)[:2] == ("EXPIRED", "TOO_OLD")
