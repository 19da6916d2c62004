"""Lists of a venue: trades, open and ended orders, and whether an order of ours is anywhere among them."""

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from typing import Any, TypeVar

from exchanges.aliases import speaks_as
from exchanges.ccxt_call import Caller, Unreadable
from exchanges.ccxt_open_orders import OpenPage, every_open_order
from exchanges.ccxt_pages import Entry, Fetch, pages
from exchanges.ccxt_parse import order_report, trades
from exchanges.ccxt_session import Exchange
from exchanges.evidence import Evidence, VenueError
from failpoints import failpoint
from models.clock import format_time, from_milliseconds, milliseconds
from models.reports import OrderReport, Trade

T = TypeVar("T")
#: entries a page where the class does not say
DEFAULT_LIMIT = 100
DAY_MS = 86_400_000
#: orders known only by their trades that one look fetches each: with more the look is not complete
MAX_ORDERS_BY_TRADE = 100


class Lookup:
    def __init__(self, caller: Caller) -> None:
        self._caller = caller
        self._can = caller.can

    def order(self, symbol: str, venue_order_id: str) -> OrderReport:
        params = dict(self._can.fetch_params)
        try:
            return self._caller.call(
                lambda exchange: self._report(exchange.fetch_order(venue_order_id, symbol, params), symbol)
            )
        except VenueError as error:
            if error.evidence is not Evidence.NOT_FOUND or self._can.ended_order_by is None:
                raise
            ended = self._ended_order(symbol, venue_order_id, *self._can.ended_order_by)
            if ended is None:
                raise
            return ended

    def find(self, symbol: str, client_id: str, since: datetime) -> OrderReport | None:
        found = self._by_client_id(symbol, client_id)
        if found is not None:
            return found
        failpoint("lookup.asked.id")
        listed = self.open_orders(symbol, client_id)
        failpoint("lookup.asked.open")
        listed += self._ended_orders(symbol, client_id, since)
        failpoint("lookup.asked.closed")
        for report in listed:
            if report.client_order_id == client_id:
                return report
        return self._by_trades(symbol, client_id, since, {report.venue_order_id for report in listed})

    def open_orders(self, symbol: str, client_id: str | None = None) -> list[OrderReport]:
        params = self._filter(client_id)

        def read(exchange: Exchange) -> list[OrderReport]:
            of, wanted = self._of(exchange, symbol)
            found = self._open_of(exchange, of, {**params, **wanted})
            return [self._report(entry, symbol) for entry in found if entry.get("symbol") == symbol]

        return self._caller.call(read, lists=True)

    def all_open_orders(self) -> list[OrderReport]:
        def read(exchange: Exchange) -> list[OrderReport]:
            found = [(str(entry.get("symbol")), entry) for entry in self._open_of(exchange, None, {})]
            return [self._report(entry, symbol) for symbol, entry in found if ":" not in symbol]  # that is no spot

        return self._caller.call(read, lists=True)

    def _open_of(self, exchange: Exchange, symbol: str | None, params: Mapping[str, object]) -> list[Entry]:
        limit = self._can.open_orders_a_page or _limit(exchange, "fetchOpenOrders", default=None)

        def page(further: Mapping[str, object]) -> OpenPage:
            entries = exchange.fetch_open_orders(symbol, None, limit, {**params, **further})
            full = self._has_more(exchange) or (limit is not None and len(entries) >= limit)
            return OpenPage(entries, full=full, reply=exchange.session.wire.json)

        return every_open_order(page, self._can)

    def trades_since(self, symbol: str, since: datetime) -> list[Trade]:
        kept_from = self._kept_from()
        if kept_from is not None and since < kept_from:
            kept = self._can.trades_kept
            raise VenueError(
                Evidence.REJECTED,
                f"{self._caller.config.name} shows no trades older than {kept}, and those since {format_time(since)} were "
                "asked for: what is missing could not be told; ask for a shorter time. Nothing was sent",
                code="TRADES_NOT_KEPT",
            )
        return self._shown_since(symbol, since)

    def _shown_since(self, symbol: str, since: datetime) -> list[Trade]:
        """Those since then that the venue still shows: for who can tell by other means whether some are missing."""
        since_ms = milliseconds(since)
        return [entry for entry in self._trades(symbol, since_ms, {}) if milliseconds(entry.traded_at) >= since_ms]

    def order_trades(self, symbol: str, venue_order_id: str, since: datetime) -> list[Trade]:
        if speaks_as(self._caller.config.ccxt_id) == "binance":
            found = self._trades(symbol, None, {"orderId": venue_order_id})
        else:
            found = self._shown_since(symbol, since)  # the order's filled quantity says whether these are all
        return [entry for entry in found if entry.venue_order_id == venue_order_id]

    def _kept_from(self) -> datetime | None:
        if self._can.trades_kept is None:
            return None
        return from_milliseconds(self._caller.time_ms()) - self._can.trades_kept

    def _trades(self, symbol: str, since_ms: int | None, params: dict[str, object]) -> list[Trade]:
        found = self._whole_list("fetch_my_trades", symbol, since_ms, params, lambda entries: trades(entries, symbol))
        return list({(entry.venue_order_id, entry.venue_trade_id): entry for entry in found}.values())

    def _by_client_id(self, symbol: str, client_id: str) -> OrderReport | None:
        if self._can.finds_by is None:
            return None
        params = {**self._can.fetch_params, self._can.finds_by: client_id}
        try:
            # An empty id, for some classes would send the word None.
            report = self._caller.call(lambda exchange: self._report(exchange.fetch_order("", symbol, params), symbol))
        except VenueError as error:
            if error.evidence is not Evidence.NOT_FOUND:
                raise
            return None
        if report.client_order_id not in {None, client_id}:
            raise VenueError(
                Evidence.AMBIGUOUS, f"{self._caller.config.name} was asked for one order and told of another"
            )
        return report

    def _ended_order(self, symbol: str, venue_order_id: str, method: str, id_param: str) -> OrderReport | None:
        def read(exchange: Exchange) -> list[OrderReport]:
            found = getattr(exchange, method)(symbol, None, None, {id_param: venue_order_id})
            return [self._report(entry, symbol) for entry in found]

        listed = self._caller.call(read, lists=True)
        return next((report for report in listed if report.venue_order_id == venue_order_id), None)

    def _ended_orders(self, symbol: str, client_id: str, since: datetime) -> list[OrderReport]:
        methods = self._can.closed_orders_by or self._caller.call(_what_it_has, signed=False)
        asked = {**self._can.ended_orders_params, **self._filter(client_id)}

        def reports(entries: list[Entry]) -> list[OrderReport]:
            return [self._report(entry, symbol) for entry in entries if entry.get("symbol") == symbol]

        found: list[OrderReport] = []
        for method in methods:
            found += self._whole_list(method, symbol, milliseconds(since), asked, reports)
        return found

    def _by_trades(self, symbol: str, client_id: str, since: datetime, known: set[str]) -> OrderReport | None:
        """Through the orders that traded but showed up in no list."""
        order_ids = dict.fromkeys(entry.venue_order_id for entry in self._shown_since(symbol, since))
        failpoint("lookup.asked.trades")
        unknown = [order_id for order_id in order_ids if order_id not in known]
        if len(unknown) > MAX_ORDERS_BY_TRADE:
            raise VenueError(
                Evidence.AMBIGUOUS,
                f"{len(unknown)} orders at {self._caller.config.name} traded that no list shows: too many to look at each",
            )
        reports = (self.order(symbol, order_id) for order_id in reversed(unknown))
        return next((report for report in reports if report.client_order_id == client_id), None)

    def _whole_list(
        self,
        method: str,
        symbol: str,
        since_ms: int | None,
        params: Mapping[str, object],
        parse: Callable[[list[Entry]], list[T]],
    ) -> list[T]:
        """All pages of trades or ended orders; each look is a call of its own, so that each is seen to be answered."""
        trading = method == "fetch_my_trades"
        known = self._can.trades_a_page if trading else self._can.ended_orders_a_page
        id_param = "fromId" if trading else "orderId"

        def look(exchange: Exchange, from_ms: int | None, until: Mapping[str, object]) -> list[T]:
            limit = known or _limit(exchange, _FEATURE.get(method, "fetchClosedOrders"), default=DEFAULT_LIMIT)
            of, wanted = self._of(exchange, symbol)
            page = _page(getattr(exchange, method), of, limit, {**params, **wanted, **until}, self._can.since_param)

            def whole_page(begin_ms: int | None, further: dict[str, object]) -> list[Entry]:
                entries = page(begin_ms, further)
                if len(entries) < limit and self._has_more(exchange):
                    raise Unreadable("it gave fewer than were asked for, and has more")
                return entries

            return parse(pages(whole_page, from_ms, limit, self._can.paging, id_param))

        found: list[T] = []
        for from_ms, until in self._spans(since_ms):
            found += self._caller.call(partial(look, from_ms=from_ms, until=until), lists=True)
        return found

    def _spans(self, since_ms: int | None) -> list[tuple[int | None, dict[str, object]]]:
        """From when to look, and until when: more than the venue shows at once in several looks."""
        if since_ms is not None and self._can.since_is_exclusive:
            since_ms -= 1
        if since_ms is None or self._can.look_days is None:
            return [(since_ms, {})]
        span_ms, now_ms = self._can.look_days * DAY_MS, self._caller.time_ms()
        begins = range(since_ms, max(now_ms, since_ms + 1), span_ms)
        return [(begin, {"until": begin + span_ms} if begin + span_ms < now_ms else {}) for begin in begins]

    def _of(self, exchange: Exchange, symbol: str) -> tuple[str | None, dict[str, object]]:
        """Symbol and ``params`` by which ccxt asks for a list of one symbol."""
        if not self._can.lists_all_symbols:
            return symbol, {}
        name = self._can.symbols_param
        return None, {name: [exchange.market(symbol)["id"]]} if name else {}

    def _has_more(self, exchange: Exchange) -> bool:
        """The reply itself says that it is a part."""
        body = exchange.session.wire.json
        return bool(self._can.more_at) and isinstance(body, dict) and body.get(self._can.more_at) is True

    def _report(self, entry: Entry, symbol: str) -> OrderReport:
        return order_report(entry, symbol, tells_cost=self._can.tells_cost)

    def _filter(self, client_id: str | None) -> dict[str, object]:
        key = self._can.lists_filter
        return {} if key is None or client_id is None else {key: client_id}


def _page(
    method: Callable[..., list[Entry]], symbol: str | None, limit: int, params: dict[str, object], since_param: str
) -> Fetch:
    def fetch(since_ms: int | None, further: dict[str, object]) -> list[Entry]:
        if since_param and since_ms is not None:
            return method(symbol, None, limit, {**params, since_param: since_ms // 1000, **further})
        return method(symbol, since_ms, limit, {**params, **further})

    return fetch


_FEATURE = {"fetch_orders": "fetchOrders", "fetch_my_trades": "fetchMyTrades"}


def _what_it_has(exchange: Exchange) -> tuple[str, ...]:
    """The looks at ended orders that the class has of its own; emulated ones leave orders out."""
    if exchange.has.get("fetchOrders") is True:
        return ("fetch_orders",)
    names = {"fetchClosedOrders": "fetch_closed_orders", "fetchCanceledOrders": "fetch_canceled_orders"}
    return tuple(method for name, method in names.items() if exchange.has.get(name) is True)


def _limit(exchange: Exchange, method: str, *, default: Any) -> Any:
    features = ((exchange.features or {}).get("spot") or {}).get(method) or {}
    return features.get("limit") or default
