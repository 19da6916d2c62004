"""Three Binance clients that nobody here wrote talk to the venue unchanged."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import ccxt
import pytest
from binance.client import Client as PythonBinance
from binance.error import ClientError
from binance.exceptions import BinanceAPIException
from binance.spot import Spot as Connector

from tests.support.paper import KEY, SECRET, PaperProcess


@pytest.fixture
def python_binance(venue: PaperProcess) -> Iterator[PythonBinance]:
    client = PythonBinance(KEY, SECRET, ping=False)
    client.API_URL = f"{venue.url}/api"
    client.ping()
    yield client
    client.close_connection()


@pytest.fixture
def connector(venue: PaperProcess) -> Iterator[Connector]:
    client = Connector(KEY, SECRET, base_url=venue.url)
    yield client
    client.session.close()


# --------------------------------------------------------------------------------------------------------------- ccxt


def test_ccxt_loads_the_markets_with_their_filters(binance: ccxt.binance) -> None:
    market = binance.market("BTC/USDT")

    assert set(binance.markets) == {"BTC/USDT", "ETH/USDT", "SOL/USDT"}
    assert (market["precision"]["amount"], market["precision"]["price"]) == (0.00001, 0.01)
    assert market["limits"]["cost"]["min"] == 5
    assert market["spot"]
    assert market["active"]


def test_ccxt_market_order_comes_back_filled_with_its_trades(binance: ccxt.binance) -> None:
    order = binance.create_order("BTC/USDT", "market", "buy", 0.01)

    assert order["status"] == "closed"
    assert order["filled"] == 0.01
    assert order["trades"][0]["price"] == 62000
    assert binance.fetch_my_trades("BTC/USDT")[0]["order"] == order["id"]
    assert binance.fetch_balance()["BTC"]["free"] == 100.00999


def test_ccxt_limit_order_is_placed_found_listed_and_cancelled(binance: ccxt.binance) -> None:
    order = binance.create_order("BTC/USDT", "limit", "buy", 0.01, 50_000, {"clientOrderId": "mine-1"})

    assert order["status"] == "open"
    assert binance.fetch_order("", "BTC/USDT", {"clientOrderId": "mine-1"})["id"] == order["id"]
    assert [row["id"] for row in binance.fetch_open_orders("BTC/USDT")] == [order["id"]]
    assert binance.fetch_balance()["USDT"]["used"] == 500
    assert binance.cancel_order(order["id"], "BTC/USDT")["status"] == "canceled"
    assert binance.fetch_open_orders("BTC/USDT") == []
    assert binance.fetch_orders("BTC/USDT")[0]["status"] == "canceled"


def test_ccxt_edits_by_cancel_replace(binance: ccxt.binance) -> None:
    first = binance.create_order("BTC/USDT", "limit", "buy", 0.01, 50_000)

    second = binance.edit_order(first["id"], "BTC/USDT", "limit", "buy", 0.02, 49_000)

    assert second["id"] != first["id"]
    assert [row["amount"] for row in binance.fetch_open_orders("BTC/USDT")] == [0.02]


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        pytest.param(("limit", "sell", 120, 65_000), ccxt.InsufficientFunds, id="more than it has"),
        pytest.param(("limit", "buy", 0.0001, 100), ccxt.BadRequest, id="under the minimum notional"),
        pytest.param(
            ("limit", "buy", 0.001, 70_000, {"postOnly": True}), ccxt.InvalidOrder, id="post-only that crosses"
        ),
    ],
)
def test_ccxt_raises_its_own_class_for_a_refusal(
    binance: ccxt.binance, arguments: tuple[object, ...], error: type[Exception]
) -> None:
    with pytest.raises(error):
        binance.create_order("BTC/USDT", *arguments)


def test_ccxt_reads_prices_depth_candles_trades_and_time(binance: ccxt.binance) -> None:
    binance.create_order("BTC/USDT", "market", "buy", 0.01)

    ticker = binance.fetch_ticker("BTC/USDT")
    book = binance.fetch_order_book("BTC/USDT", 5)
    candles = binance.fetch_ohlcv("BTC/USDT", "1h", limit=48)

    assert ticker["last"] == 62000
    assert ticker["bid"] < ticker["ask"]
    assert book["bids"][0][0] < book["asks"][0][0]
    assert len(book["bids"]) == 5
    assert len(candles) == 48
    assert all(low <= min(open_, close) <= max(open_, close) <= high for _, open_, high, low, close, _ in candles)
    assert binance.fetch_trades("BTC/USDT")[-1]["amount"] == 0.01
    assert abs(binance.fetch_time() - binance.milliseconds()) < 300_000
    assert binance.fetch_trading_fee("BTC/USDT")["maker"] == 0.001
    assert binance.fetch_status()["status"] == "ok"
    assert set(binance.fetch_tickers()) == {"BTC/USDT", "ETH/USDT", "SOL/USDT"}


# ----------------------------------------------------------------------------------------------------- python-binance


def test_python_binance_trades_and_reads(python_binance: PythonBinance) -> None:
    bought = python_binance.order_market_buy(symbol="ETHUSDT", quoteOrderQty="1000")
    resting = python_binance.order_limit_sell(symbol="ETHUSDT", quantity="0.5", price="4000")

    assert bought["status"] == "FILLED"
    assert Decimal(bought["cummulativeQuoteQty"]) <= 1000
    assert python_binance.get_order(symbol="ETHUSDT", orderId=resting["orderId"])["status"] == "NEW"
    assert [row["orderId"] for row in python_binance.get_open_orders(symbol="ETHUSDT")] == [resting["orderId"]]
    assert python_binance.cancel_order(symbol="ETHUSDT", orderId=resting["orderId"])["status"] == "CANCELED"
    assert [row["orderId"] for row in python_binance.get_all_orders(symbol="ETHUSDT")] == [1, 2]
    assert python_binance.get_my_trades(symbol="ETHUSDT")[0]["orderId"] == bought["orderId"]
    assert python_binance.get_asset_balance("ETH")["locked"] == "0.00000000"
    assert python_binance.get_symbol_info("ETHUSDT")["baseAsset"] == "ETH"
    assert len(python_binance.get_klines(symbol="ETHUSDT", interval="1m", limit=10)) == 10
    assert python_binance.get_order_book(symbol="ETHUSDT")["bids"]


def test_python_binance_sees_the_venues_code(python_binance: PythonBinance) -> None:
    with pytest.raises(BinanceAPIException) as refused:
        python_binance.order_limit_buy(symbol="ETHUSDT", quantity="0.00001", price="2000")

    assert (refused.value.code, refused.value.message) == (-1013, "Filter failure: LOT_SIZE")
    assert python_binance.create_test_order(symbol="ETHUSDT", side="BUY", type="MARKET", quantity="1") == {}


# -------------------------------------------------------------------------------------------------- binance-connector


def test_connector_trades_and_reads(connector: Connector) -> None:
    bought = connector.new_order(symbol="SOLUSDT", side="BUY", type="MARKET", quantity=2)
    resting = connector.new_order(
        symbol="SOLUSDT", side="SELL", type="LIMIT", timeInForce="GTC", quantity=1, price="200", newClientOrderId="c-1"
    )
    replaced = connector.cancel_and_replace(
        symbol="SOLUSDT",
        side="SELL",
        type="LIMIT_MAKER",
        cancelReplaceMode="STOP_ON_FAILURE",
        cancelOrderId=resting["orderId"],
        quantity=1,
        price="210",
    )

    assert bought["status"] == "FILLED"
    assert bought["fills"][0]["commissionAsset"] == "SOL"
    assert replaced["cancelResult"] == replaced["newOrderResult"] == "SUCCESS"
    assert connector.get_order("SOLUSDT", origClientOrderId="c-1")["status"] == "CANCELED"
    assert [row["price"] for row in connector.get_open_orders("SOLUSDT")] == ["210.00000000"]
    assert len(connector.cancel_open_orders("SOLUSDT")) == 1
    assert connector.my_trades("SOLUSDT")[0]["orderId"] == bought["orderId"]
    assert connector.account()["accountType"] == "SPOT"
    assert connector.query_commission_rates("SOLUSDT")["standardCommission"]["taker"] == "0.00100000"
    assert connector.depth("SOLUSDT", limit=3)["asks"]
    assert len(connector.klines("SOLUSDT", "1d", limit=7)) == 7
    assert connector.ticker_price("SOLUSDT")["symbol"] == "SOLUSDT"
    assert connector.time()["serverTime"] > 0


def test_connector_sees_the_venues_code(connector: Connector) -> None:
    with pytest.raises(ClientError) as refused:
        connector.cancel_order("SOLUSDT", orderId=77)

    assert (refused.value.error_code, refused.value.error_message) == (-2011, "Unknown order sent.")
