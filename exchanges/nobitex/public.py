"""What Nobitex shows everybody: its markets, books, candles and trades."""

from typing import Any

from ccxt.base.errors import BadResponse

from exchanges.nobitex import structures
from exchanges.nobitex.description import PAGE_SIZE, TIMEFRAMES
from exchanges.nobitex.wire import NONE, Dict, Params, Wire


class Public(Wire):
    def fetch_markets(self, params: Params = NONE) -> list[Dict]:
        reply = self._get("v2/options", params, "nobitex", dict)
        options = reply["nobitex"]
        for name in ("amountPrecisions", "pricePrecisions"):
            if not isinstance(options.get(name), dict):
                raise BadResponse(f"{self.id} describes its markets without {name}")
        found = (structures.market(key, options, self.safe_currency_code) for key in options["amountPrecisions"])
        return [self.safe_market_structure(entry) for entry in found if entry is not None]

    def fetch_order_book(self, symbol: str, limit: int | None = None, params: Params = NONE) -> Dict:
        market = self.market(symbol)
        reply = self._get(f"v3/orderbook/{market['id']}", params, "bids", list)
        if not isinstance(reply.get("asks"), list):
            raise BadResponse(f"{self.id} shows a book without asks")
        book: Dict = self.parse_order_book(reply, market["symbol"], self.safe_integer(reply, "lastUpdate"))
        book["info"] = reply
        if limit is not None:
            book["bids"], book["asks"] = book["bids"][:limit], book["asks"][:limit]
        return book

    def fetch_ticker(self, symbol: str, params: Params = NONE) -> Dict:
        """From the book, which may be asked 300 times a minute; the venue's statistics may be 20 times."""
        book = self.fetch_order_book(symbol, None, params)
        bid, ask = (side[0] if side else (None, None) for side in (book["bids"], book["asks"]))
        ticker: Dict = self.safe_ticker(
            {
                "symbol": book["symbol"],
                "timestamp": book["timestamp"],
                "datetime": book["datetime"],
                "bid": bid[0],
                "bidVolume": bid[1],
                "ask": ask[0],
                "askVolume": ask[1],
                "last": self.safe_string(book["info"], "lastTradePrice"),
                "info": book["info"],
            }
        )
        return ticker

    def fetch_ohlcv(
        self,
        symbol: str,
        timeframe: str = "1m",
        since: int | None = None,
        limit: int | None = None,
        params: Params = NONE,
    ) -> list[list[Any]]:
        """At most 500; ``until`` in milliseconds."""
        span_s = self.parse_timeframe(timeframe)
        until_ms = params.get("until") or (None if since is None or limit is None else since + limit * span_s * 1000)
        request: Dict = {
            "symbol": self.market(symbol)["id"],
            "resolution": TIMEFRAMES[timeframe],
            "to": (until_ms or self.milliseconds()) // 1000,
        }
        if since is None:
            request["countback"] = limit or PAGE_SIZE
        else:
            request["from"] = since // 1000
        reply = self.request("market/udf/history", "public", "GET", {**request, **self.omit(params, "until")})
        if isinstance(reply, dict) and reply.get("s") == "no_data":
            return []
        columns = [reply.get(name) if isinstance(reply, dict) else None for name in "tohlcv"]
        if not all(isinstance(column, list) and len(column) == len(columns[0] or ()) for column in columns):
            raise BadResponse(f"{self.id} shows candles that are none")
        rows = zip(*columns, strict=True)
        return [[int(row[0]) * 1000, *(self.parse_number(value) for value in row[1:])] for row in rows]

    def fetch_trades(
        self, symbol: str, since: int | None = None, limit: int | None = None, params: Params = NONE
    ) -> list[Dict]:
        """The last few of everybody's; the venue tells neither their ids nor whose side took."""
        market = self.market(symbol)
        reply = self._get(f"v2/trades/{market['id']}", params, "trades", list)
        found = [self.safe_trade(entry, market) for entry in structures.public_trades(reply["trades"], symbol)]
        return self._since(found, since, limit)
