"""What orders cost, from real orders at the paper venue: the market of their time is captured once, and reports need it not."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from celery import Celery
from sqlalchemy import select, update

from exchanges.evidence import Evidence, VenueError
from models.market_data import Candle
from models.money import plain_or_none
from models.vocabulary import OrderStatus
from storage.cost_markets import OVERLAP
from storage.cost_tables import cost_cursor, order_markets
from storage.costs import CostedOrder, CostFilter, cost_of, costs
from storage.engine import read, write
from storage.order_tables import orders
from storage.orders import lock_order, move_order
from tasks import costs as task
from tasks.costs import MOST_ATTEMPTS, measure, measure_venue
from tests.integration.orders.conftest import ON_SQLITE
from tests.support.order_ids import newest_first
from tests.support.runtime import Desk

#: longer than a candle and the time that a venue has to show it
LATER_S = 3_600.0
AN_HOUR = timedelta(hours=1)


class Shows:
    """Stands in for the venue's candles: one a minute, of 10 at a price of 100; or what a test says."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, timedelta, datetime, datetime]] = []
        self.error: VenueError | None = None
        self.empty = False

    def __call__(self, symbol: str, interval: timedelta, since: datetime, until: datetime) -> Sequence[Candle]:
        self.asked.append((symbol, interval, since, until))
        if self.error is not None:
            raise self.error
        count = 0 if self.empty else (until - since) // interval
        return [_candle(since + number * interval) for number in range(count)]


def _candle(open_at: datetime) -> Candle:
    price = Decimal(100)
    return Candle(open_at=open_at, open=price, high=price, low=price, close=price, volume=Decimal(10))


@pytest.fixture
def shows(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Shows:
    made = Shows()
    monkeypatch.setattr(desk.runtime.gateways.get("paper", "main"), "candles", made)
    return made


@pytest.fixture(autouse=True)
def hints(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Any]]:
    """What was sent to workers: there is no broker here."""
    sent: list[tuple[str, Any]] = []
    monkeypatch.setattr(Celery, "send_task", lambda _, name, kwargs=None, **__: sent.append((name, kwargs)))
    return sent


def _measured(desk: Desk) -> str:
    """Once the candles of the orders' time are over: note, ask, keep; returns what the second step said."""
    desk.runtime.advance(LATER_S)
    measure(desk.runtime)
    return measure_venue(desk.runtime, venue="paper")


def _row(desk: Desk, order_id: str) -> Any:
    with read(desk.engine) as conn:
        found = conn.execute(select(order_markets).where(order_markets.c.order_id == order_id))
        return found.mappings().one_or_none()


def _cost(desk: Desk, order_id: str) -> CostedOrder:
    with read(desk.engine) as conn:
        found = cost_of(conn, order_id)
    assert found is not None
    return found


# ---------------------------------------------------------------------------------------------- the cost of one order


def test_a_filled_order_has_its_costs_without_any_market(desk: Desk) -> None:
    order_id = desk.place(decision_price="61000", tags={"desk": "one"})
    document = desk.work(order_id)

    found = _cost(desk, order_id)

    cost, facts = found.cost, found.cost.facts
    paid = sum(Decimal(fill["quantity"]) * Decimal(fill["price"]) for fill in document["fills"])
    assert (found.status, found.algorithm, found.tags) == ("FILLED", "single", {"desk": "one"})
    assert plain_or_none(cost.slippage_bps) == document["slippage_bps"]
    assert cost.shortfall.execution == paid - Decimal("0.01") * 61000
    assert cost.shortfall.delay == Decimal("0.01") * (Decimal(document["arrival_price"]) - 61000)
    assert cost.shortfall.opportunity == 0
    assert cost.shortfall.total == cost.shortfall.execution + cost.fees
    assert (cost.fill_rate, cost.maker_share) == (1, 0)
    assert facts.first_sent_at is not None
    assert None not in (cost.time_to_send, cost.time_to_first_fill, cost.time_to_fill)
    assert (facts.market, cost.vs_vwap_bps, cost.participation, found.path) == (None, None, None, ())
    assert [one.quantity for one in found.slices] == [Decimal("0.01")]


def test_a_fee_in_base_is_part_of_the_cost(desk: Desk) -> None:
    order_id = desk.place(decision_price="61000")
    document = desk.work(order_id)
    fees = {fill["fee_asset"] for fill in document["fills"]}

    cost = _cost(desk, order_id).cost

    assert fees == {"BTC"}  # Binance takes it from what was bought
    paid = sum(Decimal(fill["quantity"]) * Decimal(fill["price"]) for fill in document["fills"])
    assert cost.fees == (Decimal(document["fees"]["BTC"]) * paid / Decimal("0.01")).quantize(Decimal("1E-18"))
    assert cost.unvalued_fees == {}


def test_the_venues_own_candles_are_the_market(desk: Desk) -> None:
    order_id = desk.place()
    desk.work(order_id)
    measure(desk.runtime)
    # The candle that it filled in is not over: as if it had worked an hour ago.
    before = _row(desk, order_id)
    with write(desk.engine) as conn:
        conn.execute(
            update(order_markets).values(
                start_at=before["start_at"] - AN_HOUR,
                end_at=before["end_at"] - AN_HOUR,
                due_at=before["due_at"] - AN_HOUR,
            )
        )

    said = measure_venue(desk.runtime, venue="paper")

    found, row = _cost(desk, order_id), _row(desk, order_id)
    market = found.cost.facts.market
    assert said == "1 of 1 intervals"
    assert market is not None
    assert None not in (market.volume, market.twap, market.first_price, market.last_price)
    assert (row["problem"], row["due_at"]) == (None, None)
    assert found.cost.vs_twap_bps is not None
    assert [point.length for point in found.path] == [timedelta(minutes=1)] * len(found.path)
    assert found.path[-1].close == market.last_price


def test_what_was_not_filled_costs_what_the_market_ran_away(desk: Desk, shows: Shows) -> None:
    order_id = desk.limit("-1000", quantity="0.02", decision_price="60")
    desk.work(order_id)
    desk.cancel(order_id)
    desk.pump(lambda: desk.order(order_id).status is OrderStatus.CANCELED)

    _measured(desk)

    cost = _cost(desk, order_id).cost
    assert (cost.fill_rate, cost.slippage_bps, cost.shortfall.execution) == (0, None, 0)
    assert (cost.final_price, cost.shortfall.opportunity, cost.shortfall.total) == (100, Decimal("0.8"), Decimal("0.8"))


def test_an_order_that_works_shows_what_it_cost_so_far(desk: Desk) -> None:
    order_id = desk.limit("-1000", decision_price="60000")
    desk.work(order_id)

    found = _cost(desk, order_id)

    assert (found.status, found.cost.fill_rate) == ("WORKING", 0)
    assert (found.cost.facts.ended_at, found.cost.shortfall.opportunity) == (None, None)


# ------------------------------------------------------------------------------------------------------ the background


def test_each_order_that_ended_is_measured_once(desk: Desk, shows: Shows) -> None:
    ended, working = desk.place(), desk.limit("-1000")
    for order_id in (ended, working):
        desk.work(order_id)

    first, second = _measured(desk), _measured(desk)

    row = _row(desk, ended)
    assert (first, second, len(shows.asked)) == ("1 of 1 intervals", "nothing is due", 1)
    # One candle, or two if a minute ended while it worked.
    assert row["volume"] == 10 * len(row["path"])
    assert (row["vwap"], row["candle_s"]) == (100, 60)
    assert row["captured_at"] is not None
    assert _row(desk, working) is None


def test_a_candle_that_is_not_over_is_waited_for(desk: Desk, shows: Shows, hints: list[tuple[str, Any]]) -> None:
    order_id = desk.place()
    desk.work(order_id)
    desk.runtime.ahead -= AN_HOUR  # so that its candle is surely not over, however slow this machine is

    measure(desk.runtime)
    row = _row(desk, order_id)

    assert (row["captured_at"], hints, shows.asked) == (None, [], [])
    assert _cost(desk, order_id).cost.facts.market is None
    assert row["due_at"] > row["end_at"] >= row["start_at"] + timedelta(minutes=1)
    desk.runtime.advance_to(row["due_at"])
    measure(desk.runtime)
    assert hints == [("venues.measure", {"venue": "paper"})]
    measure(desk.runtime)
    assert len(hints) == 1, "the venue was hinted at already"


def test_many_orders_of_one_symbol_take_one_request(desk: Desk, shows: Shows) -> None:
    for _ in range(4):
        desk.work(desk.place())

    assert _measured(desk) == "4 of 4 intervals"
    assert len(shows.asked) == 1


def test_what_was_denied_is_not_measured(desk: Desk, shows: Shows) -> None:
    order_id = desk.place(quantity="300")
    desk.work(order_id)
    assert desk.order(order_id).status is OrderStatus.DENIED

    assert _measured(desk) == "nothing is due"
    with read(desk.engine) as conn:
        assert list(costs(conn, CostFilter())) == []


def test_a_venue_that_does_not_answer_is_asked_again_later_and_at_last_given_up(desk: Desk, shows: Shows) -> None:
    order_id = desk.place()
    desk.work(order_id)
    shows.error = VenueError(Evidence.AMBIGUOUS, "the venue is away", outage=True)

    said = _measured(desk)
    first = _row(desk, order_id)
    for _ in range(MOST_ATTEMPTS + 5):
        desk.runtime.advance(86_400)
        measure_venue(desk.runtime, venue="paper")
    last = _row(desk, order_id)

    assert "the venue is away" in said
    assert (first["attempts"], first["problem"], first["captured_at"]) == (1, "the venue is away", None)
    assert first["due_at"] > desk.runtime.now() - timedelta(days=MOST_ATTEMPTS + 6)
    assert (last["due_at"], last["attempts"], len(shows.asked)) == (None, MOST_ATTEMPTS, MOST_ATTEMPTS)
    assert _cost(desk, order_id).market_problem == "the venue is away"


def test_a_venue_that_comes_back_fills_the_gap(desk: Desk, shows: Shows) -> None:
    order_id = desk.place()
    desk.work(order_id)
    shows.error = VenueError(Evidence.AMBIGUOUS, "the venue is away", outage=True)
    _measured(desk)
    shows.error = None

    said = _measured(desk)

    assert said == "1 of 1 intervals"
    assert (_row(desk, order_id)["vwap"], _row(desk, order_id)["problem"]) == (100, None)


@ON_SQLITE
def test_one_symbol_that_can_not_be_read_keeps_no_other_from_it(
    desk: Desk, shows: Shows, monkeypatch: pytest.MonkeyPatch
) -> None:
    bitcoin, ether = desk.place(), desk.place(symbol="ETH/USDT")
    for order_id in (bitcoin, ether):
        desk.work(order_id)

    def candles(symbol: str, *rest: Any) -> Sequence[Candle]:
        if symbol == "BTC/USDT":
            raise VenueError(Evidence.REJECTED, "no such symbol")
        return shows(symbol, *rest)

    monkeypatch.setattr(desk.runtime.gateways.get("paper", "main"), "candles", candles)

    assert _measured(desk) == "1 of 2 intervals"
    assert _row(desk, bitcoin)["problem"] == "no such symbol"
    assert _row(desk, ether)["vwap"] == 100


@ON_SQLITE
def test_a_venue_that_shows_nothing_leaves_the_figures_open(desk: Desk, shows: Shows) -> None:
    order_id = desk.place()
    desk.work(order_id)
    shows.empty = True

    _measured(desk)

    found = _cost(desk, order_id)
    assert found.market_problem == "the venue shows no candles of the interval"
    assert found.cost.facts.market is not None
    assert (found.cost.vs_vwap_bps, found.cost.participation, found.cost.final_price) == (None, None, None)


@ON_SQLITE
def test_a_venue_that_is_not_configured_any_more_is_not_asked(desk: Desk, shows: Shows) -> None:
    order_id = desk.place()
    desk.work(order_id)
    desk.runtime.advance(LATER_S)
    measure(desk.runtime)
    with write(desk.engine) as conn:
        conn.execute(update(order_markets).values(venue="closed"))

    assert measure_venue(desk.runtime, venue="closed") == "closed is not configured here"
    assert (_row(desk, order_id)["attempts"], shows.asked) == (1, [])


def test_a_late_fill_is_measured_anew(desk: Desk, shows: Shows) -> None:
    order_id = desk.limit("-1000", quantity="0.01")
    desk.work(order_id)
    desk.cancel(order_id)
    desk.pump(lambda: desk.order(order_id).status is OrderStatus.CANCELED)
    _measured(desk)
    before = _row(desk, order_id)
    desk.runtime.advance(LATER_S)

    with write(desk.engine) as conn:
        order = lock_order(conn, order_id)
        move_order(
            conn,
            order,
            OrderStatus.FILLED,
            cause="a fill turned up",
            now=desk.runtime.now(),
            filled_quantity=order.quantity,
            filled_cost=Decimal(610),
        )
    measure(desk.runtime)
    noted = _row(desk, order_id)
    measure_venue(desk.runtime, venue="paper")
    desk.runtime.advance(LATER_S)
    _measured(desk)

    after = _row(desk, order_id)
    assert before["captured_at"] is not None
    assert (noted["captured_at"], noted["vwap"], noted["path"]) == (None, None, None)
    assert noted["order_version"] == before["order_version"] + 1
    assert after["end_at"] > before["end_at"]
    assert after["captured_at"] is not None


def test_the_place_of_reading_moves_on_but_stays_behind_open_transactions(desk: Desk, shows: Shows) -> None:
    desk.work(desk.place())
    desk.runtime.advance(1)
    measure(desk.runtime)
    with read(desk.engine) as conn:
        early = conn.execute(select(cost_cursor)).all()

    desk.runtime.ahead += OVERLAP + AN_HOUR
    measure(desk.runtime)
    with read(desk.engine) as conn:
        late = conn.execute(select(cost_cursor)).all()

    assert early == [], "what is younger than any transaction may be is looked at again"
    assert [row.transition_id > 0 for row in late] == [True]
    desk.work(desk.place())
    assert _measured(desk) == "2 of 2 intervals"


@ON_SQLITE
def test_a_backlog_is_worked_off_in_batches(desk: Desk, shows: Shows, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(task, "BATCH", 2)
    ids = [desk.place() for _ in range(5)]
    for order_id in ids:
        desk.work(order_id)

    measure(desk.runtime)
    assert all(_row(desk, order_id) for order_id in ids), "those that are looked at again stand in nobody's way"
    assert _measured(desk) == "5 of 5 intervals"
    assert all(_row(desk, order_id)["captured_at"] for order_id in ids)


# ----------------------------------------------------------------------------------------------------------- the filter


@ON_SQLITE
def test_orders_are_found_by_what_they_are(desk: Desk) -> None:
    one = desk.place(tags={"desk": "one"})
    two = desk.place(symbol="ETH/USDT", tags={"desk": "two"})
    for order_id in (one, two):
        desk.work(order_id)
    desk.limit("-1000")
    created = desk.order(two).created_at

    def found(**wanted: Any) -> list[str]:
        with read(desk.engine) as conn:
            return [order.id for order in costs(conn, CostFilter(**wanted))]

    assert found() == newest_first([one, two])
    assert found(symbol="ETH/USDT") == [two]
    assert found(tags=[("desk", "one")]) == [one]
    assert found(venue="paper", account="main", algorithm="single") == newest_first([one, two])
    assert found(since=created) == [two]
    assert found(until=created) == [one]
    assert found(venue="other") == found(algorithm="twap") == found(account="second") == []
    with read(desk.engine) as conn:
        assert cost_of(conn, "no such order") is None


@ON_SQLITE
def test_more_orders_than_a_page_come_all_and_once(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = [desk.place() for _ in range(5)]
    for order_id in ids:
        desk.work(order_id)
    monkeypatch.setattr("storage.costs.PAGE", 2)

    with read(desk.engine) as conn:
        assert [order.id for order in costs(conn, CostFilter())] == newest_first(ids)
        assert len(conn.execute(select(orders.c.id)).all()) == 5
