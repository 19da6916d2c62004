"""Any exchange that ccxt knows, as a gateway."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from exchanges import ccxt_create, ccxt_markets, ccxt_parse, client_ids
from exchanges.aliases import speaks_as
from exchanges.capabilities import Capabilities
from exchanges.ccxt_amend import Amendment, amend
from exchanges.ccxt_call import Caller
from exchanges.ccxt_lookup import Lookup
from exchanges.ccxt_market_data import MarketData
from exchanges.ccxt_movements import Movements
from exchanges.ccxt_pool import MAX_INSTANCES
from exchanges.ccxt_public_trades import TradeTape
from exchanges.ccxt_session import Exchange
from exchanges.config import DEFAULT_RECV_WINDOW_MS, VenueConfig
from exchanges.evidence import Evidence, VenueError
from exchanges.key_rights import KeyRights, read_rights, tells_rights
from exchanges.key_ring import KeySetAside
from exchanges.last_shown import LastShown
from exchanges.traffic import Traffic
from models.clock import from_milliseconds
from models.instrument import Instrument
from models.market_data import Candle, OrderBook, PublicTrades
from models.money import ZERO
from models.movement import Movement
from models.reports import NewOrder, OrderReport, Quote, Trade, VenueBalance
from models.vocabulary import OrderType, Side

#: levels of the book that a quote asks for: the fewest that venues take
QUOTE_DEPTH = 5


class CcxtGateway:
    """See ``exchanges.gateway.Gateway``. Makes nothing and asks nobody before it is first used."""

    def __init__(
        self,
        config: VenueConfig,
        *,
        max_instances: int = MAX_INSTANCES,
        traffic: Traffic | None = None,
        shown: LastShown | None = None,
        on_key_set_aside: Callable[[KeySetAside], None] | None = None,
    ) -> None:
        """``traffic`` counts the requests, ``shown`` is told what the venue shows; ``on_key_set_aside`` is told of a key that the venue refuses, and never raises."""
        self._config = config
        self._shown = shown or LastShown()
        self._caller = Caller(config, max_instances=max_instances, traffic=traffic, on_key_set_aside=on_key_set_aside)
        self._lookup = Lookup(self._caller)
        self._market = MarketData(self._caller)
        self._tape = TradeTape(self._caller)
        self._movements = Movements(self._caller)

    @property
    def venue(self) -> str:
        return self._config.name

    @property
    def account(self) -> str:
        return self._config.account

    @property
    def capabilities(self) -> Capabilities:
        return self._caller.can

    def __repr__(self) -> str:
        return f"CcxtGateway({self.venue}/{self.account})"

    def client_id(self, common_id: str) -> str:
        return client_ids.shape(self._config.ccxt_id, common_id)

    def instruments(self) -> Sequence[Instrument]:
        markets = self._caller.load_markets()
        mode = self._caller.call(lambda exchange: int(exchange.precisionMode), signed=False)
        return ccxt_markets.instruments(markets.values(), self.venue, mode, datetime.now(UTC))

    def time(self) -> datetime:
        return from_milliseconds(self._caller.read_time_ms())

    def estimated_time(self) -> datetime:
        return from_milliseconds(self._caller.time_ms())

    def quote(self, symbol: str) -> Quote:
        def read(exchange: Exchange) -> Quote | None:
            at = from_milliseconds(self._caller.clock.now_ms())
            return ccxt_parse.quote(exchange.fetch_ticker(symbol), symbol, at)

        asked_at = self._shown.asking()
        quote = self._caller.call(read, signed=False)
        if quote is None:
            book = self.order_book(symbol, QUOTE_DEPTH)
            bid, ask = (side[0][0] if side else None for side in (book.bids, book.asks))
            quote = Quote(symbol=symbol, bid=bid, ask=ask, at=book.at)
        self._shown.note(quote, asked_at)
        return quote

    def candles(self, symbol: str, interval: timedelta, since: datetime, until: datetime) -> Sequence[Candle]:
        return self._market.candles(symbol, interval, since, until)

    def public_trades(self, symbol: str, since: datetime) -> PublicTrades:
        return self._tape.since(symbol, since)

    def order_book(self, symbol: str, levels: int) -> OrderBook:
        asked_at = self._shown.asking()
        book = self._market.order_book(symbol, levels)
        self._shown.note(book, asked_at)
        return book

    def balances(self) -> Sequence[VenueBalance]:
        asked_at = self._shown.asking()
        found = self._caller.call(lambda exchange: ccxt_parse.balances(_balances(exchange)), lists=True)
        self._shown.note(found, asked_at)
        return found

    def movements(self, since: datetime) -> Sequence[Movement]:
        return self._movements.since(since)

    def rehearse(self, order: NewOrder) -> None:
        """Everything up to the send, and not that: raises NotRounded and VenueError(REJECTED) as ``create_order`` does."""
        client_id = self.client_id(order.client_order_id)
        ccxt_create.arguments(order, self._config.ccxt_id, self._caller.can, client_id)
        self._caller.call(lambda exchange: ccxt_create.assert_rounded(exchange, order), signed=False)

    def create_order(self, order: NewOrder) -> OrderReport:
        config = self._config
        arguments = ccxt_create.arguments(
            order, config.ccxt_id, self._caller.can, self.client_id(order.client_order_id)
        )

        def create(exchange: Exchange) -> OrderReport:
            ccxt_create.assert_rounded(exchange, order)
            return ccxt_parse.order_report(exchange.create_order(*arguments), order.symbol, fresh=True)

        try:
            report = self._caller.call(create, changes=True, stamp=ccxt_create.stamp(order))
        except VenueError as error:
            if error.evidence is Evidence.NOT_FOUND:
                # No venue says that to a create, so what it says is not understood.
                error.evidence = Evidence.AMBIGUOUS
            raise
        if self._caller.can.acknowledges_only:
            # The order exists, whatever this says; the venue may not show it yet.
            with suppress(VenueError):
                return self.fetch_order(order.symbol, report.venue_order_id)
        return report

    def fetch_order(self, symbol: str, venue_order_id: str) -> OrderReport:
        return self._lookup.order(symbol, venue_order_id)

    def find_order(self, symbol: str, client_order_id: str, since: datetime) -> OrderReport | None:
        return self._lookup.find(symbol, self.client_id(client_order_id), since)

    def open_orders(self, symbol: str) -> Sequence[OrderReport]:
        return self._lookup.open_orders(symbol)

    def all_open_orders(self) -> Sequence[OrderReport]:
        return self._lookup.all_open_orders()

    def order_trades(self, symbol: str, venue_order_id: str, since: datetime) -> Sequence[Trade]:
        return self._lookup.order_trades(symbol, venue_order_id, since)

    def trades_since(self, symbol: str, since: datetime) -> Sequence[Trade]:
        return self._lookup.trades_since(symbol, since)

    def cancel_order(self, symbol: str, venue_order_id: str) -> None:
        self._caller.call(lambda exchange: exchange.cancel_order(venue_order_id, symbol), changes=True)

    def amend_order(
        self,
        symbol: str,
        venue_order_id: str,
        *,
        side: Side,
        type: OrderType,  # noqa: A002 - the order's own word
        quantity: Decimal,
        price: Decimal,
        filled_quantity: Decimal = ZERO,
        post_only: bool = False,
        timestamp: datetime | None = None,
        window_ms: int = DEFAULT_RECV_WINDOW_MS,
    ) -> OrderReport | None:
        amendment = Amendment(
            symbol=symbol,
            venue_order_id=venue_order_id,
            side=side,
            type=type,
            post_only=post_only,
            quantity=quantity,
            price=price,
            filled_quantity=filled_quantity,
            timestamp=timestamp,
            window_ms=window_ms,
        )
        report = amend(self._caller, amendment)
        if report is None:
            # It is amended, or will be at once, whatever this says.
            with suppress(VenueError):
                return self.fetch_order(symbol, venue_order_id)
        return report

    def key_rights(self) -> KeyRights | None:
        """What the key may do; None where the venue has no way to ask. Raises VenueError."""
        ccxt_id = self._config.ccxt_id
        if not tells_rights(ccxt_id):
            return None
        return self._caller.call(lambda exchange: read_rights(exchange, ccxt_id))

    def close(self) -> None:
        self._caller.close()


def _balances(exchange: Exchange) -> dict[str, object]:
    found: dict[str, object] = exchange.fetch_balance({"type": "spot"} if speaks_as(exchange.id) == "binance" else {})
    return found
