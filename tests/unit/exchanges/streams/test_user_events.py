"""What the paper venue pushes of an order: each event with the sums as they were then, however much came since."""

from __future__ import annotations

from dataclasses import replace

from exchanges.paper.amounts import E8
from exchanges.paper.events import Accepted, Deposited, Ended, Event, Listed, Traded
from exchanges.paper.state import State
from exchanges.paper.streams.user_events import execution_reports

AT_MS = 1_700_000_000_000
ACCEPTED = Accepted(
    symbol="BTCUSDT",
    order_id=1,
    account="main",
    client_order_id="mine",
    side="BUY",
    type="LIMIT",
    time_in_force="GTC",
    quantity_e8=3 * E8,
    price_e8=100 * E8,
)
FIRST = Traded(
    symbol="BTCUSDT",
    trade_id=1,
    price_e8=100 * E8,
    quantity_e8=E8,
    taker_order_id=0,
    maker_order_id=1,
    maker_fee_e8=E8 // 1000,
    taker_buys=False,
)
SECOND = replace(FIRST, trade_id=2, quantity_e8=E8 // 2)
ENDED = Ended(symbol="BTCUSDT", order_id=1, status="CANCELED")


def reports(*happened: Event) -> list[dict[str, object]]:
    """All of it has happened before anything of it is told."""
    state = State()
    opening = (
        Listed(symbol="BTCUSDT", base="BTC", quote="USDT"),
        Deposited(account="main", asset="USDT", amount_e8=1000 * E8),
    )
    for event in (*opening, *happened):
        state.apply(event, AT_MS)
    return [report for event in happened for _, report in execution_reports(state, event, AT_MS)]


def test_each_event_tells_the_sums_up_to_it():
    told = reports(ACCEPTED, FIRST, SECOND, ENDED)
    assert [(report["x"], report["X"], report["z"], report["Z"], report["l"], report["t"]) for report in told] == [
        ("NEW", "NEW", "0.00000000", "0.00000000", "0.00000000", -1),
        ("TRADE", "PARTIALLY_FILLED", "1.00000000", "100.00000000", "1.00000000", 1),
        ("TRADE", "PARTIALLY_FILLED", "1.50000000", "150.00000000", "0.50000000", 2),
        ("CANCELED", "CANCELED", "1.50000000", "150.00000000", "0.00000000", -1),
    ]
    assert [(report["n"], report["N"], report["m"]) for report in told[1:2]] == [("0.00100000", "BTC", True)]


def test_a_self_match_is_told_once_for_each_of_its_orders():
    sell = replace(ACCEPTED, order_id=2, side="SELL", client_order_id="mine-too", quantity_e8=E8)
    btc = Deposited(account="main", asset="BTC", amount_e8=E8)
    both = replace(FIRST, taker_order_id=2)
    told = [report for report in reports(ACCEPTED, btc, sell, both) if report["x"] == "TRADE"]
    assert [(report["i"], report["t"], report["N"]) for report in told] == [(2, 1, "USDT"), (1, 1, "BTC")]
