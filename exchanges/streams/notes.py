"""What is documented of each venue's streams, as data. Without an entry: an event is a reason to poll, no more."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamNotes:
    #: A pushed trade has the same id, quantity, price and fee, digit by digit, as the one that is read later. Only then
    #: is it booked: with other digits the second telling would be a contradiction, which alarms a person.
    same_trades: bool = False


NOTES: Mapping[str, StreamNotes] = {
    # executionReport and myTrades: t/id, l/qty, L/price, n/commission, N/commissionAsset, in the same strings
    "binance": StreamNotes(same_trades=True),
    # execution and execution/list have one shape, execId, execQty, execPrice, execFee; ccxt reads both alike
    "bybit": StreamNotes(same_trades=True),
    # Kraken's executions give numbers in full and fees by asset, its TradesHistory rounds: not the same digits.
    "kraken": StreamNotes(),
}


def stream_notes(ccxt_id: str) -> StreamNotes:
    return NOTES.get(ccxt_id, StreamNotes())
