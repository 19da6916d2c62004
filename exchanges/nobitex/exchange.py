"""The class ``nobitex``, as ccxt would have it. Made by ``exchanges.ccxt_import``, which prepares ccxt first."""

from typing import Any

from ccxt.base.errors import ArgumentsRequired, BadResponse, ExchangeError, NotSupported

from exchanges.nobitex import structures
from exchanges.nobitex.description import PAGE_SIZE
from exchanges.nobitex.public import Public
from exchanges.nobitex.wire import NONE, Dict, Params


class nobitex(Public):  # noqa: N801 - the name that ccxt_id has, as in ccxt
    """One account's balances, orders and trades, besides the market."""

    def fetch_balance(self, params: Params = NONE) -> Dict:
        reply = self._get("v2/wallets", params, "wallets", dict, api="private")
        found: Dict = {"info": reply}
        for currency, wallet in reply["wallets"].items():
            total, used = structures.text(wallet, "balance"), structures.text(wallet, "blocked")
            if total is None or used is None:
                raise BadResponse(f"{self.id} shows a wallet of {currency} without its balance")
            found[self.safe_currency_code(currency)] = {"total": total, "used": used}
        balance: Dict = self.safe_balance(found)
        return balance

    def create_order(
        self,
        symbol: str,
        type: str,  # noqa: A002 - ccxt's own name
        side: str,
        amount: Any,
        price: Any = None,
        params: Params = NONE,
    ) -> Dict:
        """``price`` of a market order is a guard: it fills no further than 1 % beyond. Without one the venue takes the
        world's price of that moment.
        """
        if type not in ("limit", "market"):
            raise NotSupported(f"{self.id} orders are limit or market here, not {type}")
        if params.get("postOnly") or params.get("timeInForce", "GTC") != "GTC":
            raise NotSupported(f"{self.id} has orders that rest until they are cancelled, and no others")
        if type == "limit" and price is None:
            raise ArgumentsRequired(f"{self.id} limit orders need a price")
        market = self.market(symbol)
        request: Dict = {
            "type": side,
            "execution": type,
            "srcCurrency": market["baseId"],
            "dstCurrency": market["quoteId"],
            "amount": self.amount_to_precision(symbol, amount),
            # Else the venue refuses an order that equals one of the last ten seconds: the next slice, or somebody else's.
            # What keeps a copy of ours from being a second order is its client id.
            "pro": "yes",
            **self.omit(params, ["postOnly", "timeInForce"]),
        }
        if price is not None:
            request["price"] = self.price_to_precision(symbol, price)
        reply = self.request("market/orders/add", "private", "POST", request)
        return self.parse_order(self.safe_dict(reply, "order", {}), market)

    def cancel_order(self, id: str, symbol: str | None = None, params: Params = NONE) -> Dict:  # noqa: A002
        request = {"order": int(id), "status": "canceled", **params} if id else {"status": "canceled", **params}
        reply = self.request("market/orders/update-status", "private", "POST", request)
        said = self.safe_string(reply, "updatedStatus")
        if said != "Canceled":
            raise ExchangeError(f"{self.id} was told to cancel an order and calls it {said}")
        known = self.safe_dict(reply, "order", {"id": id, "status": said})
        return self.parse_order(known, None if symbol is None else self.market(symbol))

    def fetch_order(self, id: str, symbol: str | None = None, params: Params = NONE) -> Dict:  # noqa: A002
        """``params`` may hold ``clientOrderId`` in place of the id; by that the venue finds open orders only."""
        request = {"id": int(id), **params} if id else dict(params)
        reply = self.request("market/orders/status", "private", "POST", request)
        if not isinstance(self.safe_value(reply, "order"), dict):
            raise BadResponse(f"{self.id} was asked for an order and shows none")
        return self.parse_order(reply["order"], None if symbol is None else self.market(symbol))

    def fetch_open_orders(
        self,
        symbol: str | None = None,
        since: int | None = None,
        limit: int | None = None,
        params: Params = NONE,
    ) -> list[Dict]:
        """All of them. Read on from the last id and not by page number: what ends between two pages would move the
        others up by one, and one of them out of sight.
        """
        market = self._needed(symbol)
        request = {**self._of(market), "status": "open", "details": 2, "order": "id", "pageSize": PAGE_SIZE, **params}
        found: dict[int, Dict] = {}
        while True:
            request["fromId"] = max(found, default=1)
            page = self._get("market/orders/list", request, "orders", list, api="private")["orders"]
            fresh = {int(entry["id"]): entry for entry in page if int(entry["id"]) not in found}
            found |= fresh
            if len(page) < PAGE_SIZE:
                break
            if not fresh:
                raise BadResponse(f"{self.id} shows the same open orders again and not the next")
        return self._since([self.parse_order(entry, market) for entry in found.values()], since, limit)

    def fetch_orders(
        self,
        symbol: str | None = None,
        since: int | None = None,
        limit: int | None = None,
        params: Params = NONE,
    ) -> list[Dict]:
        """Those of every status (a rejected one is in no other list) that were made since, newest first, all pages."""
        market = self._needed(symbol)
        request = {"status": "all", "details": 2, "order": "-created_at", **self._of(market), **params}
        found: dict[str, Dict] = {}
        for page in self._pages("market/orders/list", request, "orders"):
            parsed = [self.parse_order(entry, market) for entry in page]
            found |= {order["id"]: order for order in parsed}
            times = [self._time_of(order) for order in parsed]
            if since is not None and times and min(times) < since:
                break
        return self._since(list(found.values()), since, limit)

    def fetch_closed_orders(
        self,
        symbol: str | None = None,
        since: int | None = None,
        limit: int | None = None,
        params: Params = NONE,
    ) -> list[Dict]:
        return self.fetch_orders(symbol, since, limit, {"status": "close", **params})

    def fetch_my_trades(
        self,
        symbol: str | None = None,
        since: int | None = None,
        limit: int | None = None,
        params: Params = NONE,
    ) -> list[Dict]:
        """Of the last three days, which is all that the venue shows; every page, since their order is nowhere told."""
        market = self._needed(symbol)
        found: dict[str, Dict] = {}
        for page in self._pages("market/trades/list", {**self._of(market), **params}, "trades"):
            found |= {str(entry["id"]): self.parse_trade(entry, market) for entry in page}
        return self._since(list(found.values()), since, limit)

    def parse_order(self, order: Params, market: Params | None = None) -> Dict:
        told = self._market_of(order, market)
        symbol = None if told is None else told["symbol"]
        known = structures.order(order, symbol, self.parse8601(structures.text(order, "created_at")))
        parsed: Dict = self.safe_order(dict(known), told)
        # What ccxt would work out from a rounded average, or from the limit, is not what was paid.
        parsed["cost"] = known["cost"]
        return parsed

    def parse_trade(self, trade: Params, market: Params | None = None) -> Dict:
        told = self._market_of(trade, market)
        if told is None:
            raise BadResponse(f"{self.id} tells a trade without its market")
        at_ms = self.parse8601(structures.text(trade, "timestamp"))
        parsed: Dict = self.safe_trade(
            structures.own_trade(trade, told["base"], told["quote"], told["symbol"], at_ms), told
        )
        return parsed

    def _market_of(self, entry: Params, asked: Params | None) -> Params | None:
        """The one that the entry names; where it names none, the one that was asked for."""
        market_id = structures.market_id_in(entry)
        if market_id is None:
            return asked
        if market_id not in (self.markets_by_id or {}):
            raise BadResponse(f"{self.id} speaks of the market {market_id}, which it does not describe")
        found: Params = self.markets_by_id[market_id][0]
        return found

    def _needed(self, symbol: str | None) -> Params:
        if symbol is None:
            raise ArgumentsRequired(f"{self.id} lists are read for one symbol at a time")
        market: Params = self.market(symbol)
        return market

    def _of(self, market: Params) -> Dict:
        return {"srcCurrency": market["baseId"], "dstCurrency": market["quoteId"]}
