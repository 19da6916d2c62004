"""Messages in the shapes of the venues' public documentation, through the real streaming classes, without a network."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from decimal import Decimal
from typing import Any

from exchanges.config import Secret, VenueConfig
from exchanges.streams.ccxt_source import CcxtSource, Markets
from exchanges.streams.notes import stream_notes
from models.reports import Trade, VenueStatus
from models.vocabulary import Liquidity, Side
from tests.contract.streams.listening import Listening, listening
from tests.contract.streams.recorded import Recorded, Script, spot_market

KEY, SECRET = "recorded-key", "cmVjb3JkZWQtc2VjcmV0"

BINANCE_REPORT: dict[str, Any] = {
    "e": "executionReport", "E": 1499405658658, "s": "ETHBTC", "c": "mUvoqJxFIILMdfAW5iGSOW", "S": "BUY", "o": "LIMIT",
    "f": "GTC", "q": "1.00000000", "p": "0.10264410", "P": "0.00000000", "F": "0.00000000", "g": -1, "C": "",
    "x": "NEW", "X": "NEW", "r": "NONE", "i": 4293153, "l": "0.00000000", "z": "0.00000000", "L": "0.00000000",
    "n": "0", "N": None, "T": 1499405658657, "t": -1, "I": 8641984, "w": True, "m": False, "M": False,
    "O": 1499405658657, "Z": "0.00000000", "Y": "0.00000000", "Q": "0.00000000",
}  # fmt: skip
BINANCE_TRADES = [
    {"x": "TRADE", "X": "PARTIALLY_FILLED", "l": "0.33200000", "z": "0.33200000", "L": "0.10264410", "n": "0.00033200",
     "N": "BNB", "t": 109747654, "m": True, "Y": "0.03407784", "Z": "0.03407784"},
    {"x": "TRADE", "X": "FILLED", "l": "0.66800000", "z": "1.00000000", "L": "0.10264410", "n": "0.00066800",
     "N": "BNB", "t": 109747655, "m": True, "Y": "0.06856626", "Z": "0.10264410"},
]  # fmt: skip

BYBIT_EXECUTION: dict[str, Any] = {
    "category": "spot", "symbol": "ETHBTC", "execFee": "0.000332", "execId": "2100000000007764263",
    "execPrice": "0.1026441", "execQty": "0.332", "execType": "Trade", "execValue": "0.03407784", "feeRate": "0.001",
    "tradeIv": "", "markIv": "", "blockTradeId": "", "markPrice": "", "indexPrice": "", "underlyingPrice": "",
    "leavesQty": "0.668", "orderId": "1523347543495541248", "orderLinkId": "sf1", "orderPrice": "0.1026441",
    "orderQty": "1", "orderType": "Limit", "stopOrderType": "UNKNOWN", "side": "Buy", "execTime": "1672364174443",
    "isLeverage": "0", "isMaker": True, "seq": 4688002127, "marketUnit": "", "execPnl": "0", "feeCurrency": "ETH",
}  # fmt: skip
BYBIT_ORDER: dict[str, Any] = {
    "symbol": "ETHBTC", "orderId": "1523347543495541248", "side": "Buy", "orderType": "Limit", "cancelType": "UNKNOWN",
    "price": "0.1026441", "qty": "1", "timeInForce": "GTC", "orderStatus": "Filled", "orderLinkId": "sf1",
    "leavesQty": "0", "cumExecQty": "1", "cumExecValue": "0.1026441", "avgPrice": "0.1026441", "cumExecFee": "0.001",
    "category": "spot", "createdTime": "1672364262444", "updatedTime": "1672364262457", "rejectReason": "EC_NoError",
    "stopOrderType": "", "triggerPrice": "", "takeProfit": "", "stopLoss": "", "reduceOnly": False,
}  # fmt: skip

KRAKEN_TRADE: dict[str, Any] = {
    "order_id": "OK4GJX-KSTLS-7DZZO5", "order_userref": 3, "exec_id": "TPLJ3F-EWQRV-JZYTWJ", "exec_type": "trade",
    "trade_id": 365573, "symbol": "ETH/BTC", "side": "buy", "last_qty": 0.332, "last_price": 0.1026441,
    "liquidity_ind": "m", "cost": 0.03407784, "order_status": "partially_filled", "order_type": "limit",
    "order_qty": 1.0, "cum_qty": 0.332, "cum_cost": 0.03407784, "avg_price": 0.1026441,
    "timestamp": "2023-09-22T10:33:05.709950Z", "fees": [{"asset": "BTC", "qty": 0.0000545245440}],
}  # fmt: skip


def listen(ccxt_id: str, replies: dict[str, Any], script: Script, scenario: Any, **options: Any) -> Recorded:
    async def run() -> Recorded:
        async with Recorded(replies, script).serving() as server:
            config = VenueConfig(
                name=ccxt_id,
                ccxt_id=ccxt_id,
                base_url=server.url,
                ws_url=server.ws_url,
                api_key=Secret(KEY),
                secret=Secret(SECRET),
                options=options,
            )
            market = spot_market("ETHBTC", "ETH", "BTC")
            markets: Markets = {"markets": {"ETH/BTC": market}, "currencies": {}}
            async with listening(CcxtSource(config, markets=markets)) as stream:
                await scenario(server, stream)
            return server

    return asyncio.run(run())


def fill(**changes: Any) -> Trade:
    made = Trade(
        venue_trade_id="",
        venue_order_id="",
        symbol="ETH/BTC",
        side=Side.BUY,
        quantity=Decimal("0.332"),
        price=Decimal("0.1026441"),
        cost=Decimal("0.03407784"),
        fee=Decimal(0),
        fee_asset=None,
        liquidity=Liquidity.MAKER,
        traded_at=changes.pop("traded_at"),
    )
    return replace(made, **changes)


def test_binance_by_its_signed_subscription():
    def script(path: str, asked: dict[str, Any]) -> list[dict[str, Any]]:
        assert path == "/ws-api/v3"
        assert asked["method"] == "userDataStream.subscribe.signature"
        return [{"id": asked["id"], "status": 200, "result": {"subscriptionId": 0}}]

    async def scenario(server: Recorded, stream: Listening) -> None:
        for change in ({}, *BINANCE_TRADES):
            server.push({"subscriptionId": 0, "event": {**BINANCE_REPORT, **change}})
        await stream.until(lambda: len(stream.ear.told) == 2 and len(stream.ear.news) >= 1)
        first, second = stream.ear.told
        assert (first.fee, first.fee_asset) == (Decimal("0.000332"), "BNB")
        assert first == fill(
            venue_trade_id="109747654",
            venue_order_id="4293153",
            fee=Decimal("0.000332"),
            fee_asset="BNB",
            traded_at=first.traded_at,
        )
        # Every digit as it was sent, also of the second fill, where the class adds fees up in floats.
        assert (str(second.quantity), str(second.price), str(second.fee)) == ("0.66800000", "0.10264410", "0.00066800")
        await stream.until(lambda: stream.ear.news[-1].report.status is VenueStatus.FILLED)

    now = {"serverTime": round(time.time() * 1000)}
    server = listen("binance", {"/api/v3/time": now}, script, scenario)
    assert SECRET not in str(server.asked)


def test_bybit_by_its_topics():
    def script(path: str, asked: dict[str, Any]) -> list[dict[str, Any]]:
        assert path == "/v5/private"
        if asked["op"] == "auth":
            return [{"success": True, "ret_msg": "", "op": "auth", "conn_id": "cejreaspqfh3sjdnldmg-p"}]
        return [{"success": True, "ret_msg": "", "op": "subscribe", "req_id": asked.get("req_id"), "conn_id": "c"}]

    async def scenario(server: Recorded, stream: Listening) -> None:
        server.push({"id": "1", "topic": "execution", "creationTime": 1672364174455, "data": [BYBIT_EXECUTION]})
        server.push({"id": "2", "topic": "order", "creationTime": 1672364262474, "data": [BYBIT_ORDER]})
        await stream.until(lambda: stream.ear.told and stream.ear.news)
        (told,) = stream.ear.told
        assert told == fill(
            venue_trade_id="2100000000007764263",
            venue_order_id="1523347543495541248",
            fee=Decimal("0.000332"),
            fee_asset="ETH",
            traded_at=told.traded_at,
        )
        (news,) = stream.ear.news
        assert news.venue_order_id == "1523347543495541248"
        assert news.report is not None
        assert (news.report.status, news.report.filled_quantity) == (VenueStatus.FILLED, Decimal(1))

    milliseconds = round(time.time() * 1000)
    clock = {
        "retCode": 0, "retMsg": "OK", "time": milliseconds,
        "result": {"timeSecond": str(milliseconds // 1000), "timeNano": str(milliseconds * 1_000_000)},
    }  # fmt: skip
    server = listen(
        "bybit", {"/v5/market/time": clock}, script, scenario, enableUnifiedAccount=True, enableUnifiedMargin=False
    )
    assert [asked["args"] for asked in server.asked if asked["op"] == "subscribe"] == [["execution"], ["order"]]


def test_kraken_by_its_token_and_its_fills_are_news_only():
    token = "1Dwc4lzSwNWOAwkMdqhssNNFhs1ed606d1WcF3XfEMw"

    def script(path: str, asked: dict[str, Any]) -> list[dict[str, Any]]:
        if asked.get("method") != "subscribe":
            return [{"method": "pong", "req_id": asked.get("req_id")}]
        assert path == "/v2"
        assert asked["params"]["token"] == token
        answer = {
            "method": "subscribe",
            "result": {"channel": "executions"},
            "success": True,
            "req_id": asked["req_id"],
        }
        return [answer, {"channel": "heartbeat"}]

    async def scenario(server: Recorded, stream: Listening) -> None:
        server.push({"channel": "executions", "type": "update", "data": [KRAKEN_TRADE], "sequence": 3})
        await stream.until(lambda: stream.ear.told or stream.ear.news)
        orders = {trade.venue_order_id for trade in stream.ear.told} | {news.venue_order_id for news in stream.ear.news}
        assert orders == {"OK4GJX-KSTLS-7DZZO5"}
        for told in stream.ear.told:  # by the digits that were sent, none of them a float's
            assert (told.quantity, told.price, told.fee) == (
                Decimal("0.332"),
                Decimal("0.1026441"),
                Decimal("0.0000545245440"),
            )

    replies = {"/0/private/GetWebSocketsToken": {"error": [], "result": {"token": token, "expires": 900}}}
    listen("kraken", replies, script, scenario)
    assert not stream_notes("kraken").same_trades
