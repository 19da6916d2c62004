"""The public record of what traded at a venue, in the words of each: rows, answers, and what a request asks for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from exchanges.market_shown import Tape, market_shown
from models.clock import format_time, from_milliseconds

D = Decimal
FIVE, TWO = D(5), D(2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Print:
    """One trade of anybody's."""

    number: int
    at_ms: int
    price: Decimal = FIVE
    quantity: Decimal = TWO
    #: of who met the resting order
    side: str = "buy"


def row(name: str, one: Print) -> object:
    number, ms, price, size, side = str(one.number), one.at_ms, str(one.price), str(one.quantity), one.side
    buys = side == "buy"
    rows: dict[str, Any] = {
        "binance": {"a": one.number, "p": price, "q": size, "f": one.number, "l": one.number, "T": ms, "m": not buys, "M": True},
        "bybit": {"execId": number, "symbol": "BTCUSDT", "price": price, "size": size, "side": side.title(), "time": str(ms)},
        "okx": {"instId": "BTC-USDT", "side": side, "sz": size, "px": price, "tradeId": number, "ts": str(ms)},
        "kraken": [price, size, ms / 1000, side[0], "l", "", one.number],
        "coinbase": {"trade_id": number, "product_id": "BTC-USDT", "price": price, "size": size,
                     "time": format_time(from_milliseconds(ms)), "side": side.upper()},
        "kucoin": {"sequence": number, "price": price, "size": size, "side": side, "time": ms * 1_000_000},
        "gate": {"id": number, "create_time": str(ms // 1000), "create_time_ms": f"{ms}.0", "currency_pair": "BTC_USDT",
                 "side": side, "amount": size, "price": price},
        "bitget": {"tradeId": number, "symbol": "BTCUSDT", "side": side, "price": price, "size": size, "ts": str(ms)},
        "nobitex": {"time": ms, "price": price, "volume": size, "type": side},
        # Its aggregates carry no id.
        "mexc": {"a": None, "f": None, "l": None, "p": price, "q": size, "T": ms, "m": not buys, "M": True},
    }  # fmt: skip
    return rows[name]


def answer(name: str, rows: list[object]) -> object:
    answers: dict[str, object] = {
        "bybit": {"retCode": 0, "retMsg": "OK", "result": {"list": rows}},
        "okx": {"code": "0", "msg": "", "data": rows},
        "kraken": {"error": [], "result": {"XBTUSDT": rows, "last": "1"}},
        "coinbase": {"trades": rows, "best_bid": "1", "best_ask": "2"},
        "kucoin": {"code": "200000", "data": rows},
        "bitget": {"code": "00000", "msg": "success", "data": rows},
        "nobitex": {"status": "ok", "trades": rows},
    }
    return answers.get(name, rows)


def page(name: str, prints: Sequence[Print], query: Mapping[str, str], most: int) -> list[object]:
    """Rows of one answer: of ``prints`` (oldest first) those that are asked for, as many as the venue shows at once."""
    most = min(most, int(query.get("limit") or query.get("count") or most))
    found = [one for one in prints if _is_asked_for(name, one, query)]
    if market_shown(name).tape in (Tape.BY_ID, Tape.FORWARD):
        return [row(name, one) for one in found[:most]]
    return [row(name, one) for one in reversed(found[-most:])]


def _is_asked_for(name: str, one: Print, query: Mapping[str, str]) -> bool:
    bounds: dict[str, Callable[[], bool]] = {
        "binance": lambda: (
            one.number >= int(query.get("fromId", 0))
            and int(query.get("startTime", 0)) <= one.at_ms <= int(query.get("endTime", 10**15))
        ),
        "okx": lambda: one.number < int(query.get("after", 10**15)),
        "kraken": lambda: one.at_ms // 1000 >= float(query.get("since", 0)),
        "coinbase": lambda: one.at_ms // 1000 <= int(query.get("end", 10**15)),
        "gate": lambda: one.at_ms // 1000 <= int(query.get("to", 10**15)),
        "bitget": lambda: one.number < int(query.get("idLessThan", 10**15)),
    }
    return name not in bounds or bounds[name]()
