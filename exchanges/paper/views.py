"""The venue's values in the shapes that Binance answers with."""

from typing import Any

from exchanges.paper.amounts import E8, text_e8
from exchanges.paper.instruments import MAX_ICEBERG_PARTS, Instrument
from exchanges.paper.state import Fill, Order

Json = dict[str, Any]


def order_view(order: Order) -> Json:
    """As in GET order, openOrders and allOrders."""
    accepted = order.accepted
    view: Json = {
        "symbol": accepted.symbol,
        "orderId": accepted.order_id,
        "orderListId": -1,
        "clientOrderId": accepted.client_order_id,
        "price": text_e8(accepted.price_e8),
        "origQty": text_e8(accepted.quantity_e8),
        "executedQty": text_e8(order.executed_e8),
        "cummulativeQuoteQty": text_e8(order.executed_quote_e8),
        "status": order.status,
        "timeInForce": accepted.time_in_force,
        "type": accepted.type,
        "side": accepted.side,
        "stopPrice": text_e8(0),
        "icebergQty": text_e8(accepted.iceberg_e8),
        "time": order.created_ms,
        "updateTime": order.updated_ms,
        "isWorking": True,
        "workingTime": order.created_ms,
        "origQuoteOrderQty": text_e8(accepted.quote_quantity_e8),
        "selfTradePreventionMode": "NONE",
    }
    return view


def ack_view(order: Order) -> Json:
    accepted = order.accepted
    return {
        "symbol": accepted.symbol,
        "orderId": accepted.order_id,
        "orderListId": -1,
        "clientOrderId": accepted.client_order_id,
        "transactTime": order.created_ms,
    }


def result_view(order: Order) -> Json:
    accepted = order.accepted
    return {
        **ack_view(order),
        "price": text_e8(accepted.price_e8),
        "origQty": text_e8(accepted.quantity_e8),
        "executedQty": text_e8(order.executed_e8),
        "origQuoteOrderQty": text_e8(accepted.quote_quantity_e8),
        "cummulativeQuoteQty": text_e8(order.executed_quote_e8),
        "status": order.status,
        "timeInForce": accepted.time_in_force,
        "type": accepted.type,
        "side": accepted.side,
        "workingTime": order.created_ms,
        "selfTradePreventionMode": "NONE",
    }


def full_view(order: Order, instrument: Instrument) -> Json:
    asset = instrument.base if order.buys else instrument.quote
    fills = [
        {
            "price": text_e8(fill.trade.price_e8),
            "qty": text_e8(fill.trade.quantity_e8),
            "commission": text_e8(fill.fee_e8),
            "commissionAsset": asset,
            "tradeId": fill.trade.trade_id,
        }
        for fill in order.fills
    ]
    return {**result_view(order), "fills": fills}


def created_view(order: Order, instrument: Instrument, response_type: str) -> Json:
    if response_type == "ACK":
        return ack_view(order)
    return result_view(order) if response_type == "RESULT" else full_view(order, instrument)


def canceled_view(order: Order, cancel_client_id: str) -> Json:
    view = result_view(order)
    view["origClientOrderId"] = order.accepted.client_order_id
    view["clientOrderId"] = cancel_client_id
    view["transactTime"] = order.updated_ms
    return view


def amended_view(order: Order) -> Json:
    """As Binance answers an amendment; its own endpoint can only reduce."""
    accepted = order.accepted
    return {
        "transactTime": order.updated_ms,
        "executionId": 0,
        "amendedOrder": {
            "symbol": accepted.symbol,
            "orderId": accepted.order_id,
            "orderListId": -1,
            "origClientOrderId": accepted.client_order_id,
            "clientOrderId": accepted.client_order_id,
            "price": text_e8(accepted.price_e8),
            "qty": text_e8(accepted.quantity_e8),
            "executedQty": text_e8(order.executed_e8),
            "preventedQty": text_e8(0),
            "cumulativeQuoteQty": text_e8(order.executed_quote_e8),
            "status": order.status,
            "timeInForce": accepted.time_in_force,
            "type": accepted.type,
            "side": accepted.side,
            "workingTime": order.created_ms,
            "selfTradePreventionMode": "NONE",
        },
    }


def trade_view(fill: Fill, instrument: Instrument) -> Json:
    """As in myTrades."""
    return {
        "symbol": instrument.symbol,
        "id": fill.trade.trade_id,
        "orderId": fill.order.id,
        "orderListId": -1,
        "price": text_e8(fill.trade.price_e8),
        "qty": text_e8(fill.trade.quantity_e8),
        "quoteQty": text_e8(fill.quote_e8),
        "commission": text_e8(fill.fee_e8),
        "commissionAsset": instrument.base if fill.order.buys else instrument.quote,
        "time": fill.at_ms,
        "isBuyer": fill.order.buys,
        "isMaker": fill.is_maker,
        "isBestMatch": True,
    }


def symbol_view(instrument: Instrument, max_open_orders: int, *, amend: bool) -> Json:
    """As in exchangeInfo."""
    lot = text_e8(instrument.lot_e8)
    return {
        "symbol": instrument.symbol,
        "status": "TRADING",
        "baseAsset": instrument.base,
        "baseAssetPrecision": 8,
        "quoteAsset": instrument.quote,
        "quotePrecision": 8,
        "quoteAssetPrecision": 8,
        "baseCommissionPrecision": 8,
        "quoteCommissionPrecision": 8,
        "orderTypes": ["LIMIT", "LIMIT_MAKER", "MARKET"],
        "icebergAllowed": True,
        "ocoAllowed": False,
        "otoAllowed": False,
        "quoteOrderQtyMarketAllowed": True,
        "allowTrailingStop": False,
        "cancelReplaceAllowed": True,
        "amendAllowed": amend,
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "filters": [
            {
                "filterType": "PRICE_FILTER",
                "minPrice": text_e8(instrument.tick_e8),
                "maxPrice": text_e8(1_000_000 * E8),
                "tickSize": text_e8(instrument.tick_e8),
            },
            {"filterType": "LOT_SIZE", "minQty": lot, "maxQty": text_e8(instrument.max_quantity_e8), "stepSize": lot},
            {"filterType": "ICEBERG_PARTS", "limit": MAX_ICEBERG_PARTS},
            {
                "filterType": "MARKET_LOT_SIZE",
                "minQty": text_e8(0),
                "maxQty": text_e8(instrument.max_market_quantity_e8),
                "stepSize": text_e8(0),
            },
            {
                "filterType": "NOTIONAL",
                "minNotional": text_e8(instrument.min_notional_e8),
                "applyMinToMarket": True,
                "maxNotional": text_e8(instrument.max_notional_e8),
                "applyMaxToMarket": False,
                "avgPriceMins": 0,
            },
            {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": max_open_orders},
        ],
        "permissions": [],
        "permissionSets": [["SPOT"]],
        "defaultSelfTradePreventionMode": "NONE",
        "allowedSelfTradePreventionModes": ["NONE"],
    }
