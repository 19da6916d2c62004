"""An account's balances, fees and trades."""

from exchanges.paper.amounts import text_e8
from exchanges.paper.calls import Call
from exchanges.paper.filters import instrument_of
from exchanges.paper.handlers.orders import DEFAULT_ROWS, MAX_ROWS, select
from exchanges.paper.venue import Venue
from exchanges.paper.views import Json, trade_view


def account(venue: Venue, call: Call) -> Json:
    maker, taker = _rates(venue)
    omit_zero = call.params.get("omitZeroBalances") == "true"
    return {
        "makerCommission": venue.config.fee_maker_e8 // 10_000,
        "takerCommission": venue.config.fee_taker_e8 // 10_000,
        "buyerCommission": 0,
        "sellerCommission": 0,
        "commissionRates": {"maker": maker, "taker": taker, "buyer": text_e8(0), "seller": text_e8(0)},
        "canTrade": True,
        "canWithdraw": False,
        "canDeposit": False,
        "brokered": False,
        "requireSelfTradePrevention": False,
        "preventSor": False,
        "updateTime": call.now_ms,
        "accountType": "SPOT",
        "balances": [
            {"asset": asset, "free": text_e8(held.free_e8), "locked": text_e8(held.locked_e8)}
            for (owner, asset), held in sorted(venue.engine.state.balances.items())
            if owner == call.account and not (omit_zero and not held.free_e8 and not held.locked_e8)
        ],
        "permissions": ["SPOT"],
        "uid": 1 + sorted(venue.engine.state.accounts).index(call.account),
    }


def commission(venue: Venue, call: Call) -> Json:
    instrument = instrument_of(call, venue.engine.instruments)
    maker, taker = _rates(venue)
    nothing = {"maker": text_e8(0), "taker": text_e8(0), "buyer": text_e8(0), "seller": text_e8(0)}
    return {
        "symbol": instrument.symbol,
        "standardCommission": {**nothing, "maker": maker, "taker": taker},
        "specialCommission": nothing,
        "taxCommission": nothing,
        "discount": {
            "enabledForAccount": False,
            "enabledForSymbol": False,
            "discountAsset": "BNB",
            "discount": text_e8(0),
        },
    }


def trade_fees(venue: Venue, call: Call) -> list[Json]:
    maker, taker = _rates(venue)
    wanted = call.params.get("symbol")
    return [
        {"symbol": symbol, "makerCommission": maker, "takerCommission": taker}
        for symbol in venue.engine.instruments
        if wanted in {None, symbol}
    ]


def my_trades(venue: Venue, call: Call) -> list[Json]:
    """By order, from a trade id on, or of a time range; the newest when none is given."""
    instrument = instrument_of(call, venue.engine.instruments)
    limit = call.integer("limit", DEFAULT_ROWS, most=MAX_ROWS) or DEFAULT_ROWS
    order_id = call.integer("orderId")
    fills = venue.engine.state.fills.get((call.account, instrument.symbol), [])
    if order_id is not None:
        order = venue.engine.state.order(instrument.symbol, order_id)
        fills = order.fills if order is not None and order.accepted.account == call.account else []
    page = select(fills, call, "fromId", limit, number=lambda fill: fill.trade.trade_id, at_ms=lambda fill: fill.at_ms)
    return [trade_view(fill, instrument) for fill in page if fill.order.visible_ms <= call.now_ms]


def _rates(venue: Venue) -> tuple[str, str]:
    return text_e8(venue.config.fee_maker_e8), text_e8(venue.config.fee_taker_e8)
