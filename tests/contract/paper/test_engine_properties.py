"""Whatever customers and market do: money is conserved, nothing over-fills, priority holds, the journal tells it all."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exchanges.paper.amounts import E8, decimal_e8, parse_e8, product_e8, text_e8
from exchanges.paper.engine import Engine, Fees, NewOrder
from exchanges.paper.errors import Refused
from exchanges.paper.events import Accepted, Amended, Ended, Event, Traded
from exchanges.paper.instruments import KNOWN
from exchanges.paper.journal_file import Journal, read_events
from exchanges.paper.state import Order, State

BTC, ETH = KNOWN["BTCUSDT"], KNOWN["ETHUSDT"]
ACCOUNTS = ("a", "b")
OPENING = {account: {"BTC": 5 * E8, "ETH": 50 * E8, "USDT": 300_000 * E8} for account in ACCOUNTS}

# Few prices and mostly one symbol, so that orders meet and queue behind each other.
levels = st.integers(-1, 1)
symbols = st.sampled_from(["BTCUSDT", "BTCUSDT", "BTCUSDT", "ETHUSDT"])
sizes = st.integers(1, 300)
orders = st.fixed_dictionaries(
    {
        "what": st.just("order"),
        "account": st.sampled_from(ACCOUNTS),
        "symbol": symbols,
        "side": st.sampled_from(["BUY", "SELL"]),
        "kind": st.sampled_from(["GTC", "GTC", "GTC", "IOC", "FOK", "LIMIT_MAKER", "MARKET", "QUOTE"]),
        "level": levels,
        "size": sizes,
        "client": st.sampled_from(["x", "y", "", "", ""]),
        #: of an iceberg, as a part of its size; 0: no iceberg
        "hides": st.sampled_from([0, 0, 0, 2, 7]),
    }
)
amends = st.fixed_dictionaries(
    {"what": st.just("amend"), "pick": st.integers(0, 1000), "level": levels, "size": sizes, "moves": st.booleans()}
)
cancels = st.fixed_dictionaries({"what": st.just("cancel"), "pick": st.integers(0, 1000)})
moves = st.fixed_dictionaries({"what": st.just("move"), "symbol": symbols, "level": levels, "size": sizes})
sweeps = st.fixed_dictionaries({"what": st.just("sweep"), "symbol": symbols, "buys": st.booleans(), "size": sizes})
days = st.lists(st.one_of(orders, orders, orders, orders, cancels, amends, moves, sweeps), min_size=40, max_size=80)


def new_engine() -> Engine:
    engine = Engine([BTC, ETH], fees=Fees(maker_e8=E8 // 1000, taker_e8=E8 // 700))
    engine.open(OPENING, 0)
    return engine


def act(engine: Engine, step: dict[str, Any], number: int) -> None:
    instrument = engine.instruments.get(step.get("symbol", ""), BTC)
    price = instrument.price_e8 + step.get("level", 0) * 100 * instrument.tick_e8
    size = step.get("size", 0) * 100 * instrument.lot_e8
    if step["what"] == "move":
        bids = {price - n * instrument.tick_e8 * 100: size for n in range(1, 4)}
        asks = {price + n * instrument.tick_e8 * 100: size for n in range(1, 4)}
        engine.requote(instrument.symbol, bids, asks, number, appetite_e8=size)
    elif step["what"] == "sweep":
        engine.sweep(instrument.symbol, buys=step["buys"], limit_e8=None, quantity_e8=size, now_ms=number)
    elif step["what"] in {"cancel", "amend"}:
        resting = [order for group in engine.state.open_orders.values() for order in group.values()]
        if resting and step["what"] == "cancel":
            engine.cancel(resting[step["pick"] % len(resting)], number)
        elif resting:
            amend(engine, resting[step["pick"] % len(resting)], step, number)
    else:
        place(engine, step, price, size, number)


def amend(engine: Engine, order: Order, step: dict[str, Any], number: int) -> None:
    instrument = engine.instruments[order.accepted.symbol]
    moved = instrument.price_e8 + step["level"] * 100 * instrument.tick_e8
    quantity, price = step["size"] * 100 * instrument.lot_e8, moved if step["moves"] else order.accepted.price_e8
    before = len(engine.pending), snapshot(engine.state)
    try:
        engine.amend(order, quantity_e8=quantity, price_e8=price, now_ms=number)
    except Refused:
        assert (len(engine.pending), snapshot(engine.state)) == before
    else:
        assert (order.accepted.quantity_e8, order.accepted.price_e8) == (quantity, price)


def place(engine: Engine, step: dict[str, Any], price: int, size: int, number: int) -> None:
    kind = step["kind"]
    market = kind in {"MARKET", "QUOTE"}
    new = NewOrder(
        account=step["account"],
        symbol=step["symbol"],
        client_order_id=step["client"] or f"n{number}",
        side=step["side"],
        type="MARKET" if market else "LIMIT_MAKER" if kind == "LIMIT_MAKER" else "LIMIT",
        time_in_force=kind if kind in {"IOC", "FOK"} else "GTC",
        quantity_e8=0 if kind == "QUOTE" else size,
        price_e8=0 if market else price,
        quote_quantity_e8=product_e8(price, size) if kind == "QUOTE" else 0,
        iceberg_e8=size // step["hides"] if step["hides"] and kind in {"GTC", "LIMIT_MAKER"} else 0,
    )
    before = len(engine.pending), snapshot(engine.state)
    try:
        engine.submit(new, number)
    except Refused:
        assert (len(engine.pending), snapshot(engine.state)) == before


def snapshot(state: State) -> Any:
    return (
        {key: (held.free_e8, held.locked_e8) for key, held in state.balances.items() if held.free_e8 or held.locked_e8},
        {
            symbol: [
                (
                    o.accepted,
                    o.place,
                    o.part_e8,
                    o.updated_ms,
                    o.status,
                    o.executed_e8,
                    o.executed_quote_e8,
                    len(o.fills),
                )
                for o in group
            ]
            for symbol, group in state.orders.items()
        },
        dict(state.trade_count),
        {key: sorted(group) for key, group in state.open_orders.items() if group},
    )


def check_holds(engine: Engine) -> None:
    """What is locked is exactly what the open orders may still cost."""
    holds: dict[tuple[str, str], int] = defaultdict(int)
    for group in engine.state.open_orders.values():
        for order in group.values():
            asset, amount = engine.state.hold_of(order.accepted, order.rest_e8)
            holds[order.accepted.account, asset] += amount
    locked = {key: held.locked_e8 for key, held in engine.state.balances.items() if held.locked_e8}
    assert locked == {key: amount for key, amount in holds.items() if amount}


def check_books(engine: Engine) -> None:
    for symbol, book in engine.books.items():
        bid, ask = book.bids.best_e8(), book.asks.best_e8()
        assert bid is None or ask is None or bid < ask
        resting = [e.order.id for side in (book.bids, book.asks) for _, e in side.entries() if e.order is not None]
        still_open = [id_ for (_, s), group in engine.state.open_orders.items() if s == symbol for id_ in group]
        assert sorted(resting) == sorted(still_open)
        for side in (book.bids, book.asks):
            for _, entry in side.entries():
                if entry.order is not None:
                    assert 0 < entry.left_e8 <= entry.order.rest_e8
                    assert entry.left_e8 <= (entry.order.accepted.iceberg_e8 or entry.order.rest_e8)


def check_conservation(engine: Engine, events: list[Event]) -> None:
    """What customers hold together changes only by fees and by trades with the background market."""
    expected: dict[str, int] = defaultdict(int)
    for account in ACCOUNTS:
        for asset, amount in OPENING[account].items():
            expected[asset] += amount
    for trade in (event for event in events if isinstance(event, Traded)):
        listed = engine.state.listed[trade.symbol]
        value = product_e8(trade.price_e8, trade.quantity_e8)
        assert value * E8 == trade.price_e8 * trade.quantity_e8
        sides = [(trade.taker_order_id, trade.taker_buys, trade.taker_fee_e8)]
        sides.append((trade.maker_order_id, not trade.taker_buys, trade.maker_fee_e8))
        for order_id, buys, fee in sides:
            if order_id:
                expected[listed.base] += trade.quantity_e8 - fee if buys else -trade.quantity_e8
                expected[listed.quote] += -value if buys else value - fee
    held: dict[str, int] = defaultdict(int)
    for (_, asset), balance in engine.state.balances.items():
        held[asset] += balance.free_e8 + balance.locked_e8
    assert held == expected


def check_orders(engine: Engine, events: list[Event]) -> None:
    amended: dict[str, set[int]] = defaultdict(set)
    for event in events:
        if isinstance(event, Amended):
            amended[event.symbol].add(event.order_id)
    for group in engine.state.orders.values():
        for order in group:
            accepted = order.accepted
            assert order.executed_e8 == sum(fill.trade.quantity_e8 for fill in order.fills) <= accepted.quantity_e8
            assert (order.status == "FILLED") == (order.rest_e8 == 0 and accepted.quantity_e8 > 0)
            for fill in order.fills:
                if accepted.price_e8 and order.id not in amended[order.accepted.symbol]:
                    better = accepted.price_e8 - fill.trade.price_e8
                    assert better >= 0 if order.buys else better <= 0
            if accepted.quote_quantity_e8 and order.buys:
                assert order.executed_quote_e8 <= accepted.quote_quantity_e8
            if accepted.time_in_force == "FOK":
                assert order.executed_e8 in {0, accepted.quantity_e8}
            if accepted.type == "LIMIT_MAKER":
                assert all(fill.is_maker for fill in order.fills)


@dataclass
class Queued:
    """A resting order, as the events tell of it."""

    terms: Accepted
    #: fills included
    quantity_e8: int
    price_e8: int
    place: int
    filled_e8: int = 0
    #: of an iceberg, what its part has left
    part_e8: int = 0


def check_priority(events: list[Event]) -> None:
    """No customer trades as maker while another one of the same side and symbol stands better and open; trades count up."""
    resting: dict[tuple[str, int], Queued] = {}
    numbers: dict[str, int] = defaultdict(int)
    places = count(1)
    for event in events:
        if isinstance(event, Accepted) and event.type != "MARKET":
            resting[event.symbol, event.order_id] = Queued(
                event, event.quantity_e8, event.price_e8, next(places), part_e8=event.iceberg_e8
            )
        elif isinstance(event, Ended):
            resting.pop((event.symbol, event.order_id), None)
        elif isinstance(event, Amended):
            amended = resting[event.symbol, event.order_id]
            if event.price_e8 != amended.price_e8 or event.quantity_e8 > amended.quantity_e8:
                amended.place, amended.part_e8 = next(places), amended.terms.iceberg_e8
            amended.quantity_e8, amended.price_e8 = event.quantity_e8, event.price_e8
        elif isinstance(event, Traded):
            numbers[event.symbol] += 1
            assert event.trade_id == numbers[event.symbol]
            check_maker_was_first(event, list(resting.values()))
            count_fill(resting, event, places)


def count_fill(resting: dict[tuple[str, int], Queued], trade: Traded, places: Iterator[int]) -> None:
    for order_id in (trade.maker_order_id, trade.taker_order_id):
        queued = resting.get((trade.symbol, order_id))
        if queued is None:
            continue
        queued.filled_e8 += trade.quantity_e8
        if queued.filled_e8 == queued.quantity_e8:
            del resting[trade.symbol, order_id]
        elif queued.terms.iceberg_e8 and order_id == trade.maker_order_id:
            queued.part_e8 -= trade.quantity_e8
            if queued.part_e8 <= 0:
                queued.part_e8, queued.place = queued.terms.iceberg_e8, next(places)


def check_maker_was_first(trade: Traded, resting: list[Queued]) -> None:
    def rank(queued: Queued) -> tuple[int, int]:
        return (-queued.price_e8 if queued.terms.side == "BUY" else queued.price_e8, queued.place)

    queue = [
        queued
        for queued in resting
        if queued.terms.symbol == trade.symbol
        and (queued.terms.side == "SELL") == trade.taker_buys
        and queued.terms.order_id != trade.taker_order_id
    ]
    if trade.maker_order_id:
        first = min(queue, key=rank)
        assert first.terms.order_id == trade.maker_order_id
        if first.terms.iceberg_e8:
            assert trade.quantity_e8 <= first.part_e8, "no more trades at a time than the book shows"


@settings(max_examples=150, deadline=None)
@given(days)
def test_any_day_of_trading_keeps_the_books_right(day: list[dict[str, Any]]) -> None:
    engine = new_engine()
    for number, step in enumerate(day, start=1):
        act(engine, step, number)
        check_holds(engine)
        check_books(engine)

    events = [event for _, event in engine.pending]
    check_conservation(engine, events)
    check_orders(engine, events)
    check_priority(events)


@settings(max_examples=60, deadline=None)
@given(days, days)
def test_replayed_journal_is_the_same_venue(day: list[dict[str, Any]], next_day: list[dict[str, Any]]) -> None:
    live = new_engine()
    with TemporaryDirectory() as folder:
        journal = Journal(Path(folder))
        journal.append(live.pending)
        for number, step in enumerate(day, start=1):
            live.pending = []
            act(live, step, number)
            journal.append(live.pending)
        journal.close()
        again = Engine([BTC, ETH], fees=live.fees)
        again.restore(read_events(Path(folder)))

    assert snapshot(again.state) == snapshot(live.state)
    # The market's own depth is not journaled; without it both go on in the same way.
    for engine in (live, again):
        for symbol in engine.books:
            engine.requote(symbol, {}, {}, len(day))
    for number, step in enumerate(next_day, start=len(day) + 1):
        act(live, step, number)
        act(again, step, number)
    assert snapshot(again.state) == snapshot(live.state)


@given(st.integers(0, 10**28 - 1))
def test_amount_survives_its_text(amount: int) -> None:
    assert parse_e8(text_e8(amount)) == amount
    assert decimal_e8(amount).scaleb(8) == amount


@pytest.mark.parametrize("text", ["", "-1", "1e5", "NaN", "1.", ".5", "0.000000001", " 1", "１", "1" * 21, "1,5"])
def test_text_that_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no plain decimal|more than 8 digits"):
        parse_e8(text)
