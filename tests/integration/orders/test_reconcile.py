"""Reconciliation over the real paper venue: forced differences, two looks, corrections, freezes, decisions."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import func, select

from exchanges.evidence import Evidence, VenueError
from models.reconciliation import AccountStage, BreakStatus, RunStatus
from models.reports import NewOrder, VenueBalance
from models.vocabulary import OrderType, Side, TimeInForce
from storage.breaks import Break, corrections_of, found_in, get_break
from storage.engine import read, write
from storage.freezes import standing_freezes
from storage.hot_values import all_values
from storage.ledger import balances, invariants
from storage.movements import opened_at
from storage.order_tables import fills
from storage.reconciliation_tables import corrections
from storage.reconciliations import get_run, run_account
from storage.service_tables import deployment
from tasks import reconcile as reconcile_step
from tasks.books import ensure_books_open
from tasks.hot_books import copy_everything, hot_balances, hot_positions
from tasks.movements import book_movements
from tasks.reconcile import reconcile_account
from tasks.reconcile_orders import compare_orders
from tests.support.runtime import Desk
from tests.support.waiting import eventually
from workflows import breaks as decisions
from workflows import nightly


@pytest.fixture(autouse=True)
def _no_publisher(monkeypatch: pytest.MonkeyPatch) -> None:
    class NoPublisher:
        def hand_over(self, posting: object) -> None:
            pass

    monkeypatch.setattr(nightly, "publisher_of", lambda _: NoPublisher())


@pytest.fixture
def booked(desk: Desk) -> Desk:
    """A desk whose books are open and have a fill, and on whose account nothing rests.

    They were opened before the venue's present moment, whatever time was leapt over since: what it is told of now is new.
    """
    ensure_books_open(desk.runtime, "paper", "main")
    with read(desk.engine) as conn:
        at = opened_at(conn, "paper", "main")
    assert at is not None
    gateway = desk.runtime.gateways.get("paper", "main")
    eventually(lambda: gateway.time() > at, within_s=60, describe="the venue's clock is past the opening")
    assert desk.work(desk.place())["status"] == "FILLED"
    settled(desk)
    return desk


def settled(desk: Desk) -> None:
    """So much later that what was booked before blurs nothing."""
    desk.runtime.advance(30)


def begin(desk: Desk) -> str:
    run_id = nightly.request_reconciliation(desk.runtime, "paper", "main", by="test")
    desk.forget_outbox()  # the steps are called one by one
    return run_id


def step(desk: Desk, run_id: str) -> str:
    return reconcile_account(desk.runtime, run_id=run_id, venue="paper", account="main")


def reconcile(desk: Desk) -> str:
    """A whole run: its id."""
    run_id = begin(desk)
    step(desk, run_id)
    desk.runtime.advance(15)
    step(desk, run_id)
    desk.forget_outbox()
    with read(desk.engine) as conn:
        seen = run_account(conn, run_id, "paper", "main")
        run = get_run(conn, run_id)
    assert seen is not None
    assert run is not None
    assert (seen.stage, run.status) == (AccountStage.DONE, RunStatus.DONE), seen
    return run_id


def test_a_night_of_many_accounts_leaves_orders_their_threads(booked: Desk) -> None:
    run_id = begin(booked)
    with ExitStack() as others:
        for _ in range(reconcile_step.AT_ONCE):
            others.enter_context(reconcile_step._places)
        said = step(booked, run_id)
        with read(booked.engine) as conn:
            waits = run_account(conn, run_id, "paper", "main")
    booked.runtime.advance(5)
    step(booked, run_id)
    with read(booked.engine) as conn:
        looked = run_account(conn, run_id, "paper", "main")

    assert said.startswith("again in 5.0 s: 4 other accounts")
    assert waits is not None
    assert (waits.stage, waits.attempts) == (AccountStage.PENDING, 0)
    assert booked.waiting() == ["accounts.reconcile"] * 2, "one for when it waited, one for the second look"
    assert looked is not None
    assert looked.stage is AccountStage.LOOKED


def found(desk: Desk, run_id: str) -> dict[str, Break]:
    with read(desk.engine) as conn:
        return {one.key: one for one, _ in found_in(conn, run_id)}


def total(desk: Desk, asset: str) -> Decimal:
    with read(desk.engine) as conn:
        return next(held.total for held in balances(conn, "paper", "main") if held.asset == asset)


def available(desk: Desk, asset: str) -> Decimal:
    with read(desk.engine) as conn:
        return next(held.available for held in balances(conn, "paper", "main") if held.asset == asset)


def credit(desk: Desk, asset: str, amount: str) -> None:
    """Money that comes in without any order or message."""
    desk.venue.deposit("main", asset, amount)


def strangers_order(desk: Desk, client_order_id: str = "by-hand-1", **changes: Any) -> str:
    """An order on our account that somebody else sends; returns its id at the venue."""
    gateway = desk.runtime.gateways.get("paper", "main")
    given: Mapping[str, Any] = {
        "symbol": "BTC/USDT",
        "side": Side.SELL,
        "type": OrderType.MARKET,
        "quantity": Decimal("0.5"),
        "price": None,
        "time_in_force": TimeInForce.GTC,
        "post_only": False,
        "client_order_id": client_order_id,
        "timestamp": gateway.time(),
        "window_ms": 30_000,
    }
    return gateway.create_order(NewOrder(**{**given, **changes})).venue_order_id


def test_books_that_agree_have_no_break_and_nothing_is_posted(booked: Desk) -> None:
    run_id = reconcile(booked)

    assert found(booked, run_id) == {}
    booked.assert_books_match()
    with read(booked.engine) as conn:
        assert conn.execute(select(func.count()).select_from(corrections)).scalar_one() == 0


def test_a_difference_within_tolerance_is_corrected_into_suspense_once(booked: Desk) -> None:
    before = available(booked, "USDT")
    credit(booked, "USDT", "0.5")

    first = found(booked, reconcile(booked))
    second = found(booked, reconcile(booked))

    assert {key: (one.status, one.severity, one.difference) for key, one in first.items()} == {
        "USDT": (BreakStatus.CORRECTED, "tolerance", Decimal("0.5"))
    }
    assert second == {}, "after one pass a second finds nothing"
    assert available(booked, "USDT") == before, "what nobody has explained is not spent"
    booked.assert_books_match()


def test_what_stands_in_one_look_only_is_no_break(booked: Desk) -> None:
    run_id = begin(booked)
    step(booked, run_id)
    credit(booked, "ETH", "3")
    booked.runtime.advance(15)
    step(booked, run_id)

    assert found(booked, run_id) == {}
    assert [freeze.asset for freeze in frozen(booked)] == []
    again = found(booked, reconcile(booked))
    assert {one.key for one in again.values()} == {"ETH"}


def frozen(desk: Desk) -> list[Any]:
    with read(desk.engine) as conn:
        return standing_freezes(conn)


def test_a_large_difference_freezes_its_asset_until_a_person_accepts_it(booked: Desk) -> None:
    credit(booked, "BTC", "7")

    run_id = reconcile(booked)

    (one,) = found(booked, run_id).values()
    assert (one.kind, one.severity, one.action, one.status) == ("balance", "critical", "freeze", "open")
    assert [(freeze.asset, freeze.break_id) for freeze in frozen(booked)] == [("BTC", one.id)]
    assert "RECONCILIATION_BREAK" in booked.alerts()
    denied = booked.place()
    booked.work(denied)
    assert booked.end(denied) == ("DENIED", "ACCOUNT_FROZEN", "0")
    settled(booked)

    closed, new = decisions.accept(booked.runtime, one.id, by="ana", note="moved from cold storage")
    again, renewed = decisions.accept(booked.runtime, one.id, by="ana", note="moved from cold storage")

    assert (closed.status, closed.decided_by, new) == ("accepted", "ana", True)
    assert (again.status, renewed) == ("accepted", False)
    assert frozen(booked) == []
    booked.assert_books_match()
    assert found(booked, reconcile(booked)) == {}
    assert booked.work(booked.place())["status"] == "FILLED"


def test_a_stranger_on_the_account_is_told_and_what_they_traded_explains_the_break(booked: Desk) -> None:
    strangers_order(booked)
    resting = strangers_order(
        booked, "by-hand-2", type=OrderType.LIMIT, price=booked.bid() - 1000, side=Side.BUY, quantity=Decimal("0.1")
    )

    breaks = found(booked, reconcile(booked))

    foreign = breaks.pop(f"order:foreign:BTC/USDT:{resting}")
    assert (foreign.severity, foreign.action, foreign.order_id) == ("tolerance", "report", None)
    assert set(breaks) == {"BTC", "USDT"}
    assert breaks["BTC"].difference == Decimal("-0.5")
    assert "orders that are not ours moved -0.5 BTC" in breaks["BTC"].message
    booked.withdraw_everything()
    gone = get(booked, foreign.id)
    reconcile(booked)
    assert (gone.status, get(booked, foreign.id).status) == ("open", "gone")


def test_an_order_in_a_symbol_that_we_never_traded_is_found(booked: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stranger's is told and ends with it; one with the mark of this deployment stops its assets."""
    with read(booked.engine) as conn:
        mark = conn.execute(select(deployment.c.prefix)).scalar_one()
    resting: dict[str, Any] = {"type": OrderType.LIMIT, "side": Side.BUY, "quantity": Decimal(1)}
    ether = strangers_order(booked, "by-hand-4", symbol="ETH/USDT", price=Decimal(1000), **resting)
    ours = strangers_order(booked, f"{mark}{'0' * 15}", symbol="SOL/USDT", price=Decimal(50), **resting)

    breaks = found(booked, reconcile(booked))

    foreign, unknown = breaks[f"order:foreign:ETH/USDT:{ether}"], breaks[f"order:not_on_record:SOL/USDT:{ours}"]
    assert len(breaks) == 2
    assert (foreign.asset, foreign.severity, foreign.action) == ("ETH", "tolerance", "report")
    assert (unknown.asset, unknown.severity, unknown.action) == ("SOL", "critical", "freeze")
    assert {freeze.asset for freeze in frozen(booked)} == {"SOL", "USDT"}

    booked.withdraw_everything()
    with monkeypatch.context() as patch:
        gateway: Any = booked.runtime.gateways.get("paper", "main")
        patch.setattr(gateway, "all_open_orders", _unreadable)
        reconcile(booked)
    assert get(booked, foreign.id).status == "open", "a list that can't be read ends nothing, and fails no run"
    reconcile(booked)
    assert (get(booked, foreign.id).status, get(booked, unknown.id).status) == ("gone", "open")


def test_three_ways_the_hot_copy_is_shown_beside_both_and_made_anew_where_it_is_wrong(booked: Desk) -> None:
    """Wrong it is no break: nothing is posted, nothing stops, and the books are not what is changed."""

    def said(run_id: str) -> str:
        with read(booked.engine) as conn:
            seen = run_account(conn, run_id, "paper", "main")
        assert seen is not None
        return seen.message

    def copied() -> dict[str, Decimal]:
        found = hot_balances(booked.runtime, "paper", "main")
        return {} if found is None else {one.asset: one.total for one in found[0]}

    credit(booked, "SOL", "7")
    (missing,) = found(booked, reconcile(booked)).values()
    copy_everything(booked.runtime)
    hot = booked.runtime.hot_copies
    with read(booked.engine, snapshot=True) as conn:
        values = all_values(conn)
    (sol,) = [one for one in values["balances", "paper", "main"] if one.name == "SOL"]
    (btc,) = values["positions", "paper", "main"]
    hot.save("balances", "paper", "main", [replace(sol, document={**sol.document, "total": "1"})])
    hot.save("positions", "paper", "main", [replace(btc, document={**btc.document, "strategy": "nobody's"})])

    run_id = reconcile(booked)

    (one,) = found(booked, run_id).values()
    assert (missing.cached, one.cached) == (None, Decimal(1))
    assert (one.key, one.ours, one.theirs) == ("SOL", total(booked, "SOL"), total(booked, "SOL") + 7)
    assert said(run_id).endswith(
        "the hot copy differed from the books and was made anew: BTC/USDT, BTC/USDT nobody's, SOL"
    )
    assert copied() == {asset: total(booked, asset) for asset in copied()} != {}
    positions = hot_positions(booked.runtime, "paper", "main")
    assert positions is not None
    assert [held.key.strategy for held in positions[0]] == [""]
    again = reconcile(booked)
    assert "hot copy" not in said(again)
    assert [one.cached for one in found(booked, again).values()] == [total(booked, "SOL")]


def test_a_hot_copy_that_is_only_late_is_not_made_anew(booked: Desk) -> None:
    copy_everything(booked.runtime)
    run_id = begin(booked)
    assert booked.work(booked.place())["status"] == "FILLED"
    step(booked, run_id)  # the copy lacks the fill
    copy_everything(booked.runtime)
    booked.work(booked.place())
    booked.runtime.advance(15)

    assert "hot copy" not in step(booked, run_id), "it lacks another one now"


def _unreadable() -> Any:
    raise VenueError(Evidence.AMBIGUOUS, "it names no order id")


def get(desk: Desk, break_id: str) -> Break:
    with read(desk.engine) as conn:
        one = get_break(conn, break_id)
    assert one is not None
    return one


def test_a_fill_that_nobody_told_of_is_booked_and_no_break(booked: Desk) -> None:
    """The order rests when our rows see it last, and has filled and ended when the run looks."""
    order_id = booked.limit("-50")
    booked.work(order_id)
    child = booked.child(order_id)
    assert child.price is not None
    booked.venue.set_price("BTC/USDT", str(child.price - 100))

    run_id = begin(booked)
    step(booked, run_id)
    settled(booked)
    step(booked, run_id)

    assert booked.order(order_id).status == "FILLED"
    assert found(booked, run_id) == {}
    booked.assert_books_match()


def test_a_decision_is_one_and_who_made_it_is_on_record(booked: Desk) -> None:
    credit(booked, "BTC", "7")
    (one,) = found(booked, reconcile(booked)).values()

    closed, _ = decisions.post(booked.runtime, one.id, Decimal(5), by="ana", reason="the desk's share")

    assert (closed.status, closed.note) == ("posted", "5: the desk's share")
    with pytest.raises(decisions.DecidedBefore, match="posted"):
        decisions.accept(booked.runtime, one.id, by="bob", note="")
    with read(booked.engine) as conn:
        (row,) = corrections_of(conn, one.id)
        assert (row["amount"], row["posted_by"], row["automatic"]) == (5, "ana", 0)
        assert invariants(conn) == []
    (rest,) = found(booked, reconcile(booked)).values()
    assert (rest.difference, rest.status) == (2, "open")


def test_an_entry_of_ones_own_is_posted_once_and_another_amount_is_no_repeat(booked: Desk) -> None:
    credit(booked, "BTC", "7")
    (one,) = found(booked, reconcile(booked)).values()

    decisions.post(booked.runtime, one.id, Decimal(5), by="ana", reason="the desk's share")
    _, new = decisions.post(booked.runtime, one.id, Decimal("5.0"), by="ana", reason="the desk's share")

    assert not new
    with pytest.raises(decisions.DecidedBefore, match="posted: with 5"):
        decisions.post(booked.runtime, one.id, Decimal(-2), by="bob", reason="another one")
    with read(booked.engine) as conn:
        assert [row["amount"] for row in corrections_of(conn, one.id)] == [5]


@pytest.mark.parametrize("reconciled", [False, True], ids=["since the run", "and a run saw it"])
def test_a_deposit_that_was_booked_before_a_person_accepts_is_not_posted_again(
    booked: Desk, *, reconciled: bool
) -> None:
    """The venue lists it only after the break was found; whoever accepts in the morning has seen the evening's figures."""
    credit(booked, "BTC", "7")
    (one,) = found(booked, reconcile(booked)).values()
    booked.venue.movement("main", "deposit", "BTC", "7", moves=False)
    assert book_movements(booked.runtime, "paper", "main").startswith("1 of ")
    settled(booked)
    if reconciled:
        assert found(booked, reconcile(booked)) == {}
        settled(booked)

    for decide in (
        lambda: decisions.accept(booked.runtime, one.id, by="ana", note=""),
        lambda: decisions.post(booked.runtime, one.id, Decimal(7), by="ana", reason="x"),
    ):
        with pytest.raises(decisions.NoLongerStands, match="Nothing was done"):
            decide()

    assert [freeze.asset for freeze in frozen(booked)] == ["BTC"]
    decisions.ignore(booked.runtime, one.id, by="ana", note="the deposit was told")
    assert frozen(booked) == []
    booked.assert_books_match()


def test_a_difference_that_a_later_run_did_not_see_is_not_accepted(
    booked: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For the time of a whole run the venue told of 7 SOL that it did not have."""
    gateway: Any = booked.runtime.gateways.get("paper", "main")
    told = gateway.balances

    def wrong() -> list[VenueBalance]:
        return [replace(one, free=one.free + 7) if one.asset == "SOL" else one for one in told()]

    with monkeypatch.context() as patch:
        patch.setattr(gateway, "balances", wrong)
        (one,) = found(booked, reconcile(booked)).values()
    reconcile(booked)

    with pytest.raises(decisions.NoLongerStands, match="saw 7 SOL no more"):
        decisions.accept(booked.runtime, one.id, by="ana", note="")

    credit(booked, "SOL", "7")
    reconcile(booked)
    closed, _ = decisions.accept(booked.runtime, one.id, by="ana", note="")
    assert closed.status == "accepted"
    booked.assert_books_match()


def test_what_a_person_ignores_is_not_told_again_until_it_changes(booked: Desk) -> None:
    credit(booked, "SOL", "7")
    (one,) = found(booked, reconcile(booked)).values()

    decisions.ignore(booked.runtime, one.id, by="ana", note="an airdrop")

    assert found(booked, reconcile(booked)) == {}
    assert frozen(booked) == []
    credit(booked, "SOL", "1")
    (other,) = found(booked, reconcile(booked)).values()
    assert (other.difference, other.status) == (8, "open")


def test_a_days_corrections_have_an_end(booked: Desk) -> None:
    """0.00005 of ten million USDT a day, each within the 0.00001 that may be corrected at once. A day is 24 hours: midnight ends none."""
    evening = booked.runtime.now().replace(hour=20, minute=0)
    booked.runtime.advance(((evening - booked.runtime.now()) % timedelta(days=1)).total_seconds())
    statuses = []
    for _ in range(6):
        credit(booked, "USDT", "95")
        (one,) = found(booked, reconcile(booked)).values()
        statuses.append((one.status, one.severity))

    assert statuses == [("corrected", "tolerance")] * 5 + [("open", "critical")]
    assert "were corrected within a day" in one.message
    decisions.accept(booked.runtime, one.id, by="ana", note="")
    booked.runtime.advance(timedelta(hours=5).total_seconds())
    credit(booked, "USDT", "95")
    (one,) = found(booked, reconcile(booked)).values()
    assert (one.status, one.severity) == ("open", "critical"), "the next morning it is the same 24 hours"
    decisions.accept(booked.runtime, one.id, by="ana", note="")
    booked.runtime.advance(timedelta(hours=20).total_seconds())
    credit(booked, "USDT", "95")
    (one,) = found(booked, reconcile(booked)).values()
    assert one.status == "corrected"


def test_nothing_is_judged_that_fills_have_moved_between_the_looks(booked: Desk) -> None:
    credit(booked, "USDT", "0.5")
    run_id = begin(booked)
    step(booked, run_id)
    booked.work(booked.place())
    booked.runtime.advance(15)
    said = step(booked, run_id)

    assert found(booked, run_id) == {}
    assert "could not be judged" in said
    settled(booked)
    assert found(booked, reconcile(booked))["USDT"].status == "corrected"
    with write(booked.engine) as conn:
        assert conn.execute(select(func.count()).select_from(fills)).scalar_one() == 2


def test_a_small_difference_waits_while_an_order_of_ours_rests_on_the_asset(booked: Desk) -> None:
    order_id = booked.limit("-1000")
    booked.work(order_id)
    settled(booked)
    credit(booked, "USDT", "0.5")

    (waiting,) = found(booked, reconcile(booked)).values()
    assert (waiting.status, waiting.action) == ("open", "wait")
    assert frozen(booked) == []
    booked.cancel(order_id)
    booked.pump()
    settled(booked)
    (one,) = found(booked, reconcile(booked)).values()

    assert (one.id, one.status) == (waiting.id, "corrected")
    booked.assert_books_match()


def test_open_orders_are_compared_each_minute_and_only_a_difference_begins_a_run(booked: Desk) -> None:
    order_id = booked.limit("-1000")
    booked.work(order_id)
    booked.forget_outbox()

    said = compare_orders(booked.runtime, venue="paper", account="main")
    assert said == "1 open orders, and nothing new differs"
    assert booked.waiting() == []
    foreign = strangers_order(
        booked, "by-hand-3", type=OrderType.LIMIT, price=booked.bid() - 1000, side=Side.BUY, quantity=Decimal("0.1")
    )
    said = compare_orders(booked.runtime, venue="paper", account="main")
    assert said.startswith("1 orders differ: run ")
    run_id = said.split()[4]
    booked.forget_outbox()
    for _ in range(2):
        step(booked, run_id)
        booked.runtime.advance(15)

    assert set(found(booked, run_id)) == {f"order:foreign:BTC/USDT:{foreign}"}
    said = compare_orders(booked.runtime, venue="paper", account="main")
    assert said == "2 open orders, and nothing new differs", "one that stands is not found anew each minute"


def test_a_venue_that_can_not_be_asked_concludes_nothing(booked: Desk) -> None:
    credit(booked, "ETH", "3")
    run_id = begin(booked)
    booked.venue.arm({"kind": "error", "when": "before", "status": 503, "endpoint": "account"})

    for _ in range(6):
        step(booked, run_id)
        booked.runtime.advance(400)

    with read(booked.engine) as conn:
        seen, run = run_account(conn, run_id, "paper", "main"), get_run(conn, run_id)
    assert seen is not None
    assert run is not None
    assert (seen.stage, run.status) == (AccountStage.FAILED, RunStatus.FAILED)
    assert found(booked, run_id) == {}
    assert "RECONCILIATION_FAILED" in booked.alerts()
    booked.venue.disarm()
    assert set(found(booked, reconcile(booked))) == {"ETH"}


def test_a_night_has_one_run_however_many_beats_there_are(booked: Desk) -> None:
    said = [nightly.nightly(booked.runtime) for _ in range(2)]

    assert said[0].startswith("run ")
    assert said[1].endswith("has its run already")


def test_a_trade_that_the_venue_takes_back_is_a_break_of_the_position(
    booked: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway: Any = booked.runtime.gateways.get("paper", "main")
    shown = gateway.trades_since

    with monkeypatch.context() as patch:
        patch.setattr(gateway, "trades_since", lambda *given: shown(*given)[:-1])
        breaks = found(booked, reconcile(booked))

    one = breaks["position:BTC/USDT"]
    assert (one.kind, one.severity, one.action, one.asset) == ("position", "critical", "freeze", "BTC")
    assert one.difference is not None
    assert one.difference < 0
    assert {freeze.asset for freeze in frozen(booked)} == {"BTC", "USDT"}
    closed, _ = decisions.accept(booked.runtime, one.id, by="ana", note="busted by the venue")
    assert (closed.status, frozen(booked)) == ("accepted", [])
    booked.assert_books_match()


def test_a_deposit_that_the_venue_lists_is_booked_and_no_break(booked: Desk) -> None:
    before = available(booked, "BTC")
    booked.venue.movement("main", "deposit", "BTC", "7")

    assert found(booked, reconcile(booked)) == {}
    assert available(booked, "BTC") == before + 7
    booked.assert_books_match()


def test_a_deposit_that_is_listed_after_it_was_accepted_is_not_booked_again(booked: Desk) -> None:
    pending = booked.venue.movement("main", "deposit", "BTC", "7", status="pending", moves=False)
    credit(booked, "BTC", "7")
    (one,) = found(booked, reconcile(booked)).values()
    decisions.accept(booked.runtime, one.id, by="ana", note="")
    before = available(booked, "BTC")

    booked.venue.end_movement(pending, "done")
    again = found(booked, reconcile(booked))

    assert (again, available(booked, "BTC")) == ({}, before)
    booked.assert_books_match()
