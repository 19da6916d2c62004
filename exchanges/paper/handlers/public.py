"""What anyone may ask: time, rules, prices, depth, trades and candles."""

import json
from typing import Any

from exchanges.paper.amounts import E8, product_e8, text_e8
from exchanges.paper.calls import Call
from exchanges.paper.errors import Refused
from exchanges.paper.filters import instrument_of
from exchanges.paper.handlers.orders import DEFAULT_ROWS, MAX_ROWS
from exchanges.paper.history import DAY_MS, INTERVALS_MS
from exchanges.paper.instruments import Instrument
from exchanges.paper.prints import MINUTE_MS, Candle
from exchanges.paper.venue import Venue
from exchanges.paper.views import Json, symbol_view

MAX_DEPTH = 5000


def ping(venue: Venue, call: Call) -> Json:  # noqa: ARG001
    return {}


def time(venue: Venue, call: Call) -> Json:  # noqa: ARG001
    return {"serverTime": call.now_ms}


def exchange_info(venue: Venue, call: Call) -> Json:
    return {
        "timezone": "UTC",
        "serverTime": call.now_ms,
        "rateLimits": [
            {
                "rateLimitType": "REQUEST_WEIGHT",
                "interval": "MINUTE",
                "intervalNum": 1,
                "limit": venue.limiter.limit or 1_000_000,
            },
        ],
        "exchangeFilters": [],
        "symbols": [
            symbol_view(one, venue.config.max_open_orders, amend=venue.config.amend)
            for one in _instruments(venue, call)
        ],
    }


def depth(venue: Venue, call: Call) -> Json:
    book = venue.engine.books[instrument_of(call, venue.engine.instruments).symbol]
    limit = call.integer("limit", 100, most=MAX_DEPTH) or 100
    return {
        "lastUpdateId": call.now_ms,
        "bids": [[text_e8(price), text_e8(size)] for price, size in book.bids.levels(limit)],
        "asks": [[text_e8(price), text_e8(size)] for price, size in book.asks.levels(limit)],
    }


def trades(venue: Venue, call: Call) -> list[Json]:
    instrument = instrument_of(call, venue.engine.instruments)
    limit = call.integer("limit", DEFAULT_ROWS, most=MAX_ROWS) or DEFAULT_ROWS
    from_id = call.integer("fromId")
    prints = venue.engine.prints[instrument.symbol].since(first_id=from_id or 0)
    return [
        {
            "id": p.id,
            "price": text_e8(p.price_e8),
            "qty": text_e8(p.quantity_e8),
            "quoteQty": text_e8(product_e8(p.price_e8, p.quantity_e8)),
            "time": p.at_ms,
            "isBuyerMaker": not p.taker_buys,
            "isBestMatch": True,
        }
        for p in (prints[-limit:] if from_id is None else prints[:limit])
    ]


def agg_trades(venue: Venue, call: Call) -> list[Json]:
    """One aggregate per trade."""
    instrument = instrument_of(call, venue.engine.instruments)
    limit = call.integer("limit", DEFAULT_ROWS, most=MAX_ROWS) or DEFAULT_ROWS
    from_id, start, end = call.integer("fromId"), call.integer("startTime"), call.integer("endTime")
    prints = venue.engine.prints[instrument.symbol].since(first_id=from_id or 0, first_ms=start or 0)
    if end is not None:
        prints = [p for p in prints if p.at_ms <= end]
    page = prints[:limit] if from_id is not None or start is not None else prints[-limit:]
    return [
        {
            "a": p.id,
            "p": text_e8(p.price_e8),
            "q": text_e8(p.quantity_e8),
            "f": p.id,
            "l": p.id,
            "T": p.at_ms,
            "m": not p.taker_buys,
            "M": True,
        }
        for p in page
    ]


def klines(venue: Venue, call: Call) -> list[list[Any]]:
    instrument = instrument_of(call, venue.engine.instruments)
    interval_ms = INTERVALS_MS.get(call.text("interval"))
    if interval_ms is None:
        raise Refused(-1120, "Invalid interval.")
    limit = call.integer("limit", DEFAULT_ROWS, most=MAX_ROWS) or DEFAULT_ROWS
    end = min(call.integer("endTime", call.now_ms) or 0, call.now_ms)
    last = end - end % interval_ms
    start = call.integer("startTime")
    first = last - (limit - 1) * interval_ms
    if start is not None:
        first = -(-start // interval_ms) * interval_ms
        last = min(last, first + (limit - 1) * interval_ms)
    opens = list(range(max(first, 0), last + 1, interval_ms))
    prints = venue.engine.prints[instrument.symbol]
    recorded = prints.seconds if interval_ms < MINUTE_MS else prints.minutes
    candles = venue.history.candles(instrument, recorded, interval_ms, opens)
    return [_candle_row(candle, interval_ms) for candle in candles]


def ticker_price(venue: Venue, call: Call) -> Any:
    return _one_or_all(venue, call, lambda one: {"symbol": one.symbol, "price": text_e8(_last_e8(venue, one))})


def ticker_book(venue: Venue, call: Call) -> Any:
    def view(one: Instrument) -> Json:
        (bid, bid_size), (ask, ask_size) = _touch(venue, one)
        return {
            "symbol": one.symbol,
            "bidPrice": text_e8(bid),
            "bidQty": text_e8(bid_size),
            "askPrice": text_e8(ask),
            "askQty": text_e8(ask_size),
        }

    return _one_or_all(venue, call, view)


def ticker_day(venue: Venue, call: Call) -> Any:
    return _one_or_all(venue, call, lambda one: _day_view(venue, one, call.now_ms))


def avg_price(venue: Venue, call: Call) -> Json:
    instrument = instrument_of(call, venue.engine.instruments)
    return {"mins": 5, "price": text_e8(_last_e8(venue, instrument)), "closeTime": call.now_ms}


def _instruments(venue: Venue, call: Call) -> list[Instrument]:
    """The symbols asked for: one, a JSON list of them, or all."""
    if "symbol" in call.params:
        return [instrument_of(call, venue.engine.instruments)]
    if "symbols" not in call.params:
        return list(venue.engine.instruments.values())
    try:
        names = json.loads(call.params["symbols"])
    except ValueError as error:
        raise Refused(-1100, "Illegal characters found in parameter 'symbols'.") from error
    if not isinstance(names, list) or any(name not in venue.engine.instruments for name in names):
        raise Refused(-1121, "Invalid symbol.")
    return [venue.engine.instruments[name] for name in names]


def _one_or_all(venue: Venue, call: Call, view: Any) -> Any:
    views = [view(instrument) for instrument in _instruments(venue, call)]
    return views[0] if "symbol" in call.params else views


def _last_e8(venue: Venue, instrument: Instrument) -> int:
    return venue.engine.prints[instrument.symbol].last_e8 or venue.market.price_e8(instrument.symbol)


def _touch(venue: Venue, instrument: Instrument) -> tuple[tuple[int, int], tuple[int, int]]:
    book = venue.engine.books[instrument.symbol]
    return next(iter(book.bids.levels(1)), (0, 0)), next(iter(book.asks.levels(1)), (0, 0))


def _day_view(venue: Venue, instrument: Instrument, now_ms: int) -> Json:
    # A quarter of an hour is fine enough for a day, and a hundred candles are quickly made.
    interval_ms = 15 * MINUTE_MS
    last = now_ms - now_ms % interval_ms
    opens = list(range(last - DAY_MS + interval_ms, last + 1, interval_ms))
    recorded = venue.engine.prints[instrument.symbol].minutes
    day, *later = venue.history.candles(instrument, recorded, interval_ms, opens)
    for candle in later:
        day.join(candle)
    last_e8 = _last_e8(venue, instrument)
    change_e8 = last_e8 - day.open_e8
    (bid, bid_size), (ask, ask_size) = _touch(venue, instrument)
    return {
        "symbol": instrument.symbol,
        "priceChange": text_e8(change_e8),
        "priceChangePercent": f"{100 * change_e8 / day.open_e8:.3f}",
        "weightedAvgPrice": text_e8(day.quote_e8 * E8 // day.volume_e8 if day.volume_e8 else last_e8),
        "prevClosePrice": text_e8(day.open_e8),
        "lastPrice": text_e8(last_e8),
        "lastQty": text_e8(instrument.lot_e8),
        "bidPrice": text_e8(bid),
        "bidQty": text_e8(bid_size),
        "askPrice": text_e8(ask),
        "askQty": text_e8(ask_size),
        "openPrice": text_e8(day.open_e8),
        "highPrice": text_e8(max(day.high_e8, last_e8)),
        "lowPrice": text_e8(min(day.low_e8, last_e8)),
        "volume": text_e8(day.volume_e8),
        "quoteVolume": text_e8(day.quote_e8),
        "openTime": now_ms - DAY_MS,
        "closeTime": now_ms,
        "firstId": 1,
        "lastId": day.trades,
        "count": day.trades,
    }


def _candle_row(candle: Candle, interval_ms: int) -> list[Any]:
    return [
        candle.opens_ms,
        text_e8(candle.open_e8),
        text_e8(candle.high_e8),
        text_e8(candle.low_e8),
        text_e8(candle.close_e8),
        text_e8(candle.volume_e8),
        candle.opens_ms + interval_ms - 1,
        text_e8(candle.quote_e8),
        candle.trades,
        text_e8(candle.bought_e8),
        text_e8(candle.bought_quote_e8),
        "0",
    ]
