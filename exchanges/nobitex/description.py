"""What ccxt's classes say of themselves in ``describe()``, for Nobitex. Data only."""

from typing import Any

from ccxt.base.errors import (
    AuthenticationError,
    BadRequest,
    BadSymbol,
    DuplicateOrderId,
    ExchangeError,
    InsufficientFunds,
    InvalidOrder,
    MarketClosed,
    OrderNotFound,
    PermissionDenied,
    RateLimitExceeded,
)

TICK_SIZE = 4

#: The venue's word for money in rial markets, in wallets and orders alike, and what one unit of it is: a rial. Its public
#: symbols say IRT, which elsewhere means toman (ten rials), while their prices are rials too: so no market of ours is
#: named by that word, and no number is ever multiplied.
RIAL_ID = "rls"
RIAL = "IRR"

#: how a public symbol ends -> the id of the currency that its prices are in
QUOTES = {"IRT": RIAL_ID, "USDT": "usdt"}

#: as published for the lowest level of volume (nobitex.ir/pricing): higher levels pay less. By the id of the quote
FEES = {RIAL_ID: {"maker": "0.002", "taker": "0.0025"}, "usdt": {"maker": "0.001", "taker": "0.0013"}}

#: entries of one page, the most that is allowed, and the last page that is
PAGE_SIZE = 100
LAST_PAGE = 100

#: how often each address may be asked, in a minute (new orders: 300 in ten)
PER_MINUTE = {
    "market/orders/add": 30,
    "market/orders/status": 300,
    "market/orders/update-status": 90,
    "market/orders/list": 30,
    "market/trades/list": 30,
    "v2/wallets": 15,
    "v2/trades": 60,
    "v3/orderbook": 300,
    # Nothing is said of these two.
    "v2/options": 60,
    "market/udf/history": 60,
}
#: what a minute may weigh in all, which is the default of ``rate_limit``: so each address keeps to its own bound
WEIGHT_PER_MINUTE = 1200

#: ccxt's words -> the venue's, in minutes
TIMEFRAMES = {
    "1m": "1",
    "5m": "5",
    "15m": "15",
    "30m": "30",
    "1h": "60",
    "3h": "180",
    "4h": "240",
    "6h": "360",
    "12h": "720",
    "1d": "D",
}

#: by ``code``; the venue says that none of these has placed an order. DuplicateOrder is no proof of that (venue_codes.py)
EXACT = {
    "InvalidOrderPrice": InvalidOrder,
    "BadPrice": InvalidOrder,
    "PriceConditionFailed": InvalidOrder,
    "InvalidExecutionType": BadRequest,
    "InvalidOrderType": BadRequest,
    "OverValueOrder": InsufficientFunds,
    "SmallOrder": InvalidOrder,
    "DuplicateOrder": ExchangeError,
    "DuplicateClientOrderId": DuplicateOrderId,
    "InvalidMarketPair": BadSymbol,
    "InvalidSymbol": BadSymbol,
    "MarketClosed": MarketClosed,
    "TradingUnavailable": PermissionDenied,
    "FeatureUnavailable": BadRequest,
    "NullIdAndClientOrderId": BadRequest,
    "ParseError": BadRequest,
    "TooManyRequests": RateLimitExceeded,
    "UnAuthenticated": AuthenticationError,
}

#: by HTTP status, for a refusal in JSON whose code is not known: what the venue documents these to mean
BY_STATUS = {
    400: BadRequest,
    401: AuthenticationError,
    403: PermissionDenied,
    404: OrderNotFound,
    422: InvalidOrder,
    429: RateLimitExceeded,
}

_LISTED = {"limit": PAGE_SIZE * LAST_PAGE}

DESCRIPTION: dict[str, Any] = {
    "id": "nobitex",
    "name": "Nobitex",
    "countries": ["IR"],
    "version": "v2",
    # 300 orders in ten minutes are the tightest that a trader meets.
    "rateLimit": 2000,
    # The venue asks bots to name themselves so.
    "userAgent": "TraderBot/Steadfill",
    "has": {
        "CORS": None,
        "spot": True,
        "margin": False,
        "swap": False,
        "future": False,
        "option": False,
        "cancelOrder": True,
        "createOrder": True,
        "editOrder": False,
        "fetchBalance": True,
        "fetchClosedOrders": True,
        "fetchCurrencies": False,
        "fetchMarkets": True,
        "fetchMyTrades": True,
        "fetchOHLCV": True,
        "fetchOpenOrders": True,
        "fetchOrder": True,
        "fetchOrderBook": True,
        "fetchOrders": True,
        "fetchTicker": True,
        "fetchTime": False,
        "fetchTrades": True,
    },
    "timeframes": TIMEFRAMES,
    "urls": {
        "api": {"rest": "https://apiv2.nobitex.ir"},
        "test": {"rest": "https://testnetapiv2.nobitex.ir"},
        "www": "https://nobitex.ir",
        "doc": ["https://apidocs.nobitex.ir"],
        "fees": "https://nobitex.ir/pricing/",
    },
    "requiredCredentials": {"apiKey": True, "secret": False},
    "precisionMode": TICK_SIZE,
    "commonCurrencies": {RIAL_ID.upper(): RIAL},
    "features": {
        "spot": {
            "fetchMyTrades": _LISTED,
            "fetchOrders": _LISTED,
            "fetchClosedOrders": _LISTED,
        }
    },
    "exceptions": {"exact": EXACT, "broad": {}},
}
