"""Orders whose venue may not be asked now: they wait in their rows, say what for, and end in time; cancels go on."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from exchanges.evidence import Evidence, VenueError
from exchanges.protection.lanes import current_lane
from exchanges.protection.turnstile import VenueTurnstile
from models.clock import format_time, parse_time
from models.reconciliation import RunScope
from risk.breaker import BreakerStatus
from risk.lane import Lane
from risk.reservation import rate_plan
from storage.engine import read, write
from storage.outbox import next_due
from storage.venue_states import list_venue_states, note_trouble
from tasks import look
from tasks.commit import commit
from tasks.movements import book_movements
from tasks.prepare import prepare, prepare_task
from tasks.probe import probe
from tasks.reconcile_look import look_at
from tasks.track import watch
from tasks.validate import validate
from tests.integration.orders.conftest import ON_SQLITE, OpenDesk
from tests.integration.orders.in_doubt import REPLY_LOST
from tests.support.runtime import Desk
from workflows.breakers import reset_breaker

pytestmark = [pytest.mark.integration]

PLACE = ("paper", "main")
#: Eighty plain requests a second for what is ordinary, and twenty for what is urgent: so many that what the venue itself
#: has counted, of other tests as well, is never near it.
RATE = "6000/minute"
#: of the ordinary lane's 4800 in a minute: what is ordinary waits for some forty seconds after that
SPENT = 4_000.0
HOUR = timedelta(hours=1)
#: what an order leaves in the outbox that is to begin again at its time
START = "orders.start"


def open_the_breaker(desk: Desk) -> None:
    breaker = desk.runtime.protection.breakers.get(*PLACE)
    for _ in range(breaker.policy.failure_threshold):
        breaker.note(VenueError(Evidence.AMBIGUOUS, "HTTP 502", status=502, outage=True))
    assert status(desk) is BreakerStatus.OPEN


def hold_back(desk: Desk, by: str) -> None:
    if by == "breaker":
        open_the_breaker(desk)
    else:
        spend(desk)


def status(desk: Desk) -> BreakerStatus:
    return desk.runtime.protection.breakers.get(*PLACE).state().status


def spend(desk: Desk) -> None:
    desk.runtime.protection.limiter.book(*PLACE, weight=SPENT, within_s=60.0)


def let_the_probe_come(desk: Desk) -> str:
    due_at = desk.runtime.protection.breakers.get(*PLACE).state().next_look_at
    assert due_at is not None
    desk.runtime.advance_to(due_at + timedelta(milliseconds=1))
    return probe(desk.runtime, venue="paper", account="main")


def last_error(desk: Desk) -> str:
    with read(desk.engine) as conn:
        (state,) = list_venue_states(conn)
    return str(state["last_error"])


def reason(desk: Desk, order_id: str) -> dict[str, Any]:
    found: dict[str, Any] = desk.document(order_id)["reason"]
    return found


def until_validated(desk: Desk, **changes: Any) -> str:
    order_id = desk.place(**changes)
    prepare(desk.runtime, order_id=order_id)
    validate(desk.runtime, order_id=order_id)
    return order_id


# ------------------------------------------------------------------------------------------------------- the breaker


def test_an_order_waits_for_an_open_breaker_and_is_sent_once_a_probe_was_answered(open_a_desk: OpenDesk) -> None:
    desk = open_a_desk(failure_threshold=5, max_age_s=3_600)
    waits_sent, waits_new = until_validated(desk), desk.place()
    open_the_breaker(desk)
    opened_at = desk.runtime.protection.breakers.get(*PLACE).state().opened_at
    assert opened_at is not None

    commit(desk.runtime, order_id=waits_sent)
    prepare(desk.runtime, order_id=waits_new)
    waiting = [reason(desk, order_id) for order_id in (waits_sent, waits_new)]
    closed = let_the_probe_come(desk)
    desk.pump(lambda: all(desk.order(order_id).is_final for order_id in (waits_sent, waits_new)))

    assert [told["code"] for told in waiting] == ["BREAKER_OPEN"] * 2
    assert format_time(opened_at) in waiting[0]["message"]
    assert closed == "answered: closed"
    for order_id in (waits_sent, waits_new):
        assert desk.end(order_id) == ("FILLED", None, "0.01")
        assert len(desk.sends(order_id)) == 1, "the order itself was no probe"
    assert {"BREAKER_OPEN", "BREAKER_CLOSED"} <= set(desk.alerts())


@ON_SQLITE
@pytest.mark.parametrize("by", ["age", "expires_at"])
def test_an_order_that_waited_too_long_for_a_breaker_ends_and_names_it(open_a_desk: OpenDesk, by: str) -> None:
    desk = open_a_desk(failure_threshold=5, max_age_s=30)
    over_at = desk.runtime.now() + timedelta(seconds=30)
    changes = {"type": "limit", "price": "60000", "expires_at": format_time(over_at)} if by == "expires_at" else {}
    order_id = until_validated(desk, **changes)
    open_the_breaker(desk)
    commit(desk.runtime, order_id=order_id)

    desk.pump(lambda: desk.order(order_id).is_final)

    assert desk.end(order_id) == ("EXPIRED", "TOO_OLD" if by == "age" else "EXPIRED", "0")
    assert "the breaker of paper (account main) is open since" in reason(desk, order_id)["message"]
    assert desk.sends(order_id) == []
    assert desk.held(order_id) == {}
    ended_at = parse_time(desk.document(order_id)["updated_at"])
    assert ended_at - over_at < timedelta(seconds=60), "its row came back when it was over, and not much later"


@ON_SQLITE
def test_the_chain_of_an_order_that_is_put_off_ends_there(open_a_desk: OpenDesk) -> None:
    desk = open_a_desk(failure_threshold=5)
    goes_on, waits = desk.place(), desk.place()

    left = [chain_behind(goes_on)]
    open_the_breaker(desk)
    left.append(chain_behind(waits))

    assert left == [["orders.validate"], None]


def chain_behind(order_id: str) -> Any:
    """What a worker would publish next, once it has prepared the order."""
    prepare_task.push_request(chain=["orders.validate"])
    try:
        prepare_task.run(order_id=order_id)
        return prepare_task.request.chain
    finally:
        prepare_task.pop_request()


@ON_SQLITE
def test_while_a_probe_is_overdue_orders_do_not_knock_all_the_time(open_a_desk: OpenDesk) -> None:
    desk = open_a_desk(failure_threshold=5, max_age_s=3_600)
    order_id = desk.place()
    open_the_breaker(desk)
    due_at = desk.runtime.protection.breakers.get(*PLACE).state().next_look_at
    assert due_at is not None
    desk.runtime.advance_to(due_at + timedelta(seconds=1))

    desk.forget_outbox()
    begun = desk.runtime.now()
    prepare(desk.runtime, order_id=order_id)

    with read(desk.engine) as conn:
        again_at = next_due(conn)
    assert again_at is not None
    assert again_at - begun >= timedelta(seconds=1)


@ON_SQLITE
@pytest.mark.parametrize(
    ("at", "held_back_by"),
    [("prepare", "breaker"), ("prepare", "rate"), ("commit", "breaker"), ("commit", "rate")],
)
def test_an_order_that_waits_for_long_is_one_row_all_the_time(
    open_a_desk: OpenDesk, at: str, held_back_by: str
) -> None:
    desk = open_a_desk(failure_threshold=5, rate_limit=RATE)
    order_id = desk.limit("-1000") if at == "prepare" else until_validated(desk, type="limit", price="30000")
    hold_back(desk, held_back_by)
    until = desk.runtime.now() + timedelta(seconds=30)

    desk.pump(lambda: desk.runtime.now() > until or desk.waiting() != [START])

    assert desk.waiting() == [START]
    assert desk.sends(order_id) == []


@ON_SQLITE
def test_while_a_breaker_is_open_cancels_and_lookups_get_through(open_a_desk: OpenDesk) -> None:
    desk = open_a_desk(failure_threshold=5, rate_limit=RATE)
    resting = desk.limit("-1000")
    desk.work(resting)
    desk.venue.arm(REPLY_LOST)
    unknown = desk.place()
    desk.until_sent(unknown)
    assert desk.child(unknown).status == "UNKNOWN"
    open_the_breaker(desk)
    spend(desk)

    desk.cancel(resting)
    desk.pump(lambda: desk.order(resting).is_final and desk.order(unknown).is_final)

    assert desk.end(resting)[0] == "CANCELED"
    assert any("orders.lookup: found as" in said for said in desk.log)
    assert desk.end(unknown) == ("FILLED", None, "0.01")
    assert status(desk) is BreakerStatus.OPEN


@ON_SQLITE
def test_what_a_working_venue_refuses_is_no_failure_and_what_breaks_is(open_a_desk: OpenDesk) -> None:
    desk = open_a_desk(failure_threshold=2)
    for _ in range(3):
        desk.work(desk.limit("200", post_only=True))
    after_refusals = status(desk)
    desk.venue.arm({"kind": "error", "status": 502, "when": "before", "count": 2})
    for _ in range(2):
        prepare(desk.runtime, order_id=desk.place())

    assert after_refusals is BreakerStatus.CLOSED
    assert status(desk) is BreakerStatus.OPEN


@ON_SQLITE
def test_a_probe_in_vain_leaves_it_open_and_a_person_may_close_it(open_a_desk: OpenDesk) -> None:
    desk = open_a_desk(failure_threshold=5, max_age_s=3_600)
    order_id = until_validated(desk)
    open_the_breaker(desk)
    early = probe(desk.runtime, venue="paper", account="main")
    commit(desk.runtime, order_id=order_id)
    desk.venue.arm({"kind": "error", "status": 503, "when": "before"})
    in_vain = let_the_probe_come(desk)
    after = status(desk)
    desk.venue.disarm()

    reset_breaker(desk.runtime, venue="paper", account="main", by="ann")
    desk.pump(lambda: desk.order(order_id).is_final)

    assert early == "no probe is due"
    assert in_vain.startswith("still away")
    assert after is BreakerStatus.OPEN
    assert desk.end(order_id) == ("FILLED", None, "0.01")


@ON_SQLITE
def test_a_probe_that_our_own_rate_holds_back_is_no_answer(open_a_desk: OpenDesk) -> None:
    desk = open_a_desk(failure_threshold=5)
    open_the_breaker(desk)
    desk.runtime.protection.limiter.close(*PLACE, for_s=HOUR.total_seconds())

    said = let_the_probe_come(desk)

    assert said.startswith("still away: paper (account main) wants to be left alone"), said
    assert status(desk) is BreakerStatus.OPEN


@ON_SQLITE
def test_what_opened_a_breaker_is_the_last_error_of_its_venue(open_a_desk: OpenDesk) -> None:
    desk = open_a_desk(failure_threshold=2)
    desk.venue.arm({"kind": "error", "status": 502, "when": "before"})

    for _ in range(2):
        prepare(desk.runtime, order_id=desk.place())
    opened_by = last_error(desk)
    desk.venue.disarm()
    desk.venue.arm({"kind": "error", "status": 503, "when": "before"})
    let_the_probe_come(desk)

    assert "HTTP 502" in opened_by
    assert "HTTP 503" in last_error(desk)


# ---------------------------------------------------------------------------------------------------------- the rate


def test_a_send_waits_for_its_slot_before_its_intent_is_written(open_a_desk: OpenDesk) -> None:
    desk = open_a_desk(rate_limit=RATE, max_age_s=3_600)
    order_id = until_validated(desk)
    begun = desk.runtime.now()
    spend(desk)

    said = commit(desk.runtime, order_id=order_id)

    assert desk.sends(order_id) == []
    assert desk.order(order_id).status == "VALIDATED", said
    assert reason(desk, order_id)["code"] == "RATE_SPENT"
    desk.pump(lambda: desk.order(order_id).is_final)
    assert desk.end(order_id) == ("FILLED", None, "0.01")
    (send,) = desk.sends(order_id)
    assert send["intended_at"] - begun > timedelta(seconds=30)


@ON_SQLITE
def test_an_order_that_waited_too_long_for_the_rate_ends_and_names_it(open_a_desk: OpenDesk) -> None:
    desk = open_a_desk(rate_limit=RATE, max_age_s=20)
    order_id = until_validated(desk)
    spend(desk)
    commit(desk.runtime, order_id=order_id)

    desk.pump(lambda: desk.order(order_id).is_final)

    assert desk.end(order_id) == ("EXPIRED", "TOO_OLD", "0")
    assert "has had all the requests that its rate limit allows" in reason(desk, order_id)["message"]
    assert desk.sends(order_id) == []


@ON_SQLITE
def test_a_closed_gate_keeps_no_order_longer_than_its_age_and_is_named(open_a_desk: OpenDesk) -> None:
    desk = open_a_desk(max_age_s=20)
    order_id = until_validated(desk)
    closed = desk.runtime.now() + HOUR
    with write(desk.engine) as conn:
        note_trouble(conn, *PLACE, message="HTTP 418", now=desk.runtime.now(), closed=closed)
    commit(desk.runtime, order_id=order_id)
    waiting = reason(desk, order_id)

    desk.pump(lambda: desk.order(order_id).is_final)

    assert waiting["code"] == "GATE_CLOSED"
    assert desk.end(order_id) == ("EXPIRED", "TOO_OLD", "0")
    assert f"left alone until {format_time(closed)}" in reason(desk, order_id)["message"]
    assert desk.runtime.now() < closed


# ------------------------------------------------------------------------------------------- looks at what rests


@ON_SQLITE
def test_a_symbol_that_found_no_room_for_long_is_looked_at_in_the_urgent_lane(open_a_desk: OpenDesk) -> None:
    desk = open_a_desk(rate_limit=RATE)
    desk.work(desk.limit("-1000"))
    spend(desk)

    starved = desk.track()
    just_looked_at = desk.track()

    assert starved.startswith("1 orders, 1 open"), starved
    assert just_looked_at.startswith("the venue could not be asked"), just_looked_at


@ON_SQLITE
@pytest.mark.parametrize(("a_minute", "looks"), [(1_200, 2), (60, 1)], ids=["usual", "small"])
def test_looks_leave_orders_their_part_of_a_small_rate(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, a_minute: int, looks: int
) -> None:
    desk.work(desk.limit("-1000"))
    desk.runtime.protection.plans = {PLACE: rate_plan(a_minute, 60)}
    sent: list[str] = []
    monkeypatch.setattr(look.app, "send_task", lambda task, **_: sent.append(task))

    for _ in range(2):
        watch(desk.runtime)
        desk.track()

    assert sent == ["orders.track"] * looks


@ON_SQLITE
def test_what_reads_whole_accounts_leaves_the_lane_of_cancels_alone(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.venue.pause_market()
    half_filled = desk.limit("-1000")
    desk.venue.set_price("BTCUSDT", desk.work(half_filled)["price"], quantity="0.004")
    lanes: list[Lane] = []
    admit = VenueTurnstile.admit
    monkeypatch.setattr(
        VenueTurnstile, "admit", lambda self, weight: lanes.append(current_lane()) or admit(self, weight)
    )
    gateway = desk.runtime.gateways.get(*PLACE)

    for scope in (RunScope.ORDERS, RunScope.FULL):
        look_at(desk.runtime, gateway, scope)
    book_movements(desk.runtime, *PLACE)

    assert desk.document(half_filled)["filled_quantity"] == "0.004"
    assert set(lanes) == {Lane.ORDINARY}
