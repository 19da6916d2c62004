"""A venue account in a dry run: the real market, simulated orders.

What is public is read from the venue by a gateway that was given no keys, so that nothing it sends could be signed; an
order goes all the way to where it would be sent, is then matched with the book as it stands, and is kept in a store that
all processes share. The simulated venue keeps client ids apart for ever and refuses what comes after its deadline, so that
every step of an order's protocol works as at a venue that can prove what it did.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

from exchanges.capabilities import Amend, AmendSize, Capabilities, IdScope
from exchanges.ccxt_gateway import CcxtGateway
from exchanges.config import DEFAULT_RECV_WINDOW_MS, VenueConfig
from exchanges.dry_run.matching import Matched, arrive, effects, held, look, would_take
from exchanges.dry_run.store import DryRunAccount, DryRunStore
from exchanges.dry_run.words import SimulatedClock, nothing_placed, placed, report, used_funds
from exchanges.evidence import Evidence, NotAmendable, VenueError
from exchanges.last_shown import LastShown
from exchanges.traffic import Traffic
from models.dry_run import DryRunOrder
from models.instrument import Instrument
from models.market_data import Candle, OrderBook, PublicTrade, PublicTrades
from models.money import ZERO, add, plain, subtract
from models.movement import Movement
from models.reports import NewOrder, OrderReport, Quote, Trade, VenueBalance, VenueStatus
from models.vocabulary import OrderType, Side, TimeInForce

#: levels of the book that an order is matched with; what is larger than these is not traded
BOOK_LEVELS = 100
#: after a time in which nobody looked, so far back the market's trades count: venues show no more of them than that
LONGEST_LOOK = timedelta(minutes=10)


class DryRunGateway:
    """See ``exchanges.gateway.Gateway``. Errors of the store come out as they are: nobody knows then what was kept."""

    def __init__(
        self, config: VenueConfig, store: DryRunStore, *, traffic: Traffic | None = None, shown: LastShown | None = None
    ) -> None:
        self._real = CcxtGateway(config.without_keys(), traffic=traffic, shown=shown)
        self._config = config
        self._store = store
        self._instruments: dict[str, Instrument] = {}
        self._can = replace(
            self._real.capabilities,
            enforces_deadline=True,
            gets_only_read=True,
            rate_limit_is_rejection=True,
            client_ids_unique=IdScope.ALWAYS,
            acknowledges_only=False,
            trades_kept=None,
            amend=Amend.NONE,
            amend_size=AmendSize.NONE,
        )

    @property
    def venue(self) -> str:
        return self._config.name

    @property
    def account(self) -> str:
        return self._config.account

    @property
    def capabilities(self) -> Capabilities:
        return self._can

    def __repr__(self) -> str:
        return f"DryRunGateway({self.venue}/{self.account})"

    # --------------------------------------------------------------------------------------------- the market, as it is

    def client_id(self, common_id: str) -> str:
        return self._real.client_id(common_id)

    def instruments(self) -> Sequence[Instrument]:
        found = self._real.instruments()
        self._instruments = {instrument.symbol: instrument for instrument in found}
        return found

    def time(self) -> datetime:
        return self._real.time()

    def estimated_time(self) -> datetime:
        return self._real.estimated_time()

    def quote(self, symbol: str) -> Quote:
        return self._real.quote(symbol)

    def candles(self, symbol: str, interval: timedelta, since: datetime, until: datetime) -> Sequence[Candle]:
        return self._real.candles(symbol, interval, since, until)

    def public_trades(self, symbol: str, since: datetime) -> PublicTrades:
        return self._real.public_trades(symbol, since)

    def order_book(self, symbol: str, levels: int) -> OrderBook:
        return self._real.order_book(symbol, levels)

    # ------------------------------------------------------------------------------------------------ the account, on paper

    def balances(self) -> Sequence[VenueBalance]:
        with self._open() as account:
            totals = self._totals(account)
            used = used_funds(account)
        return [
            VenueBalance(asset=asset, free=subtract(total, used.get(asset, ZERO)), used=used.get(asset, ZERO))
            for asset, total in sorted(totals.items())
        ]

    def movements(self, since: datetime) -> Sequence[Movement]:
        """Nothing comes into an account on paper but by its own trades."""
        del since
        return ()

    def create_order(self, order: NewOrder) -> OrderReport:
        self._real.rehearse(order)
        try:
            instrument = self._instrument(order.symbol)
            book = self._real.order_book(order.symbol, BOOK_LEVELS)
            clock = SimulatedClock(self._real.estimated_time())
        except VenueError as error:
            raise nothing_placed(self.venue, error) from None
        with self._open() as account:
            # Read inside: what waits here longer than its window is refused, as the venue would.
            now = clock.now()
            if now > order.timestamp + timedelta(milliseconds=order.window_ms):
                raise VenueError(Evidence.CLOCK, f"dry run of {self.venue}: the order came after its deadline")
            client_id = self.client_id(order.client_order_id)
            if account.by_client_id(client_id) is not None:
                raise VenueError(
                    Evidence.DUPLICATE, f"dry run of {self.venue}: the client id {client_id} was used before"
                )
            matched = self._matched(order, placed(order, client_id, instrument, self._can.fee_in, now), book, now)
            self._assert_funds(account, matched)
            account.add(matched.order)
            account.save(matched.order, matched.trades, effects(matched.order, matched.trades))
        return report(matched.order, matched.trades)

    def fetch_order(self, symbol: str, venue_order_id: str) -> OrderReport:
        with self._open() as account:
            order = self._known(account, venue_order_id)
        if order.is_open:
            self._look_at_market(symbol)
        with self._open() as account:
            return report(self._known(account, venue_order_id), account.trades(venue_order_id))

    def find_order(self, symbol: str, client_order_id: str, since: datetime) -> OrderReport | None:
        del symbol, since  # nothing that was ever placed is forgotten
        with self._open() as account:
            order = account.by_client_id(self.client_id(client_order_id))
            return None if order is None else report(order, account.trades(order.id))

    def open_orders(self, symbol: str) -> Sequence[OrderReport]:
        self._look_at_market(symbol)
        with self._open() as account:
            return [report(order, account.trades(order.id)) for order in account.open_orders(symbol)]

    def all_open_orders(self) -> Sequence[OrderReport]:
        with self._open() as account:
            return [report(order, account.trades(order.id)) for order in account.open_orders()]

    def order_trades(self, symbol: str, venue_order_id: str, since: datetime) -> Sequence[Trade]:
        del symbol, since
        with self._open() as account:
            return account.trades(venue_order_id)

    def trades_since(self, symbol: str, since: datetime) -> Sequence[Trade]:
        with self._open() as account:
            return account.trades_since(symbol, since)

    def cancel_order(self, symbol: str, venue_order_id: str) -> None:
        with self._open() as account:
            open_before = self._known(account, venue_order_id).is_open
        if open_before:
            self._look_at_market(symbol)  # what has traded until now is no longer there to be cancelled
        with self._open() as account:
            order = self._known(account, venue_order_id)
            if not order.is_open:
                raise VenueError(Evidence.NOT_FOUND, f"dry run of {self.venue}: the order is {order.status} already")
            account.save(replace(order, status=VenueStatus.CANCELED))

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
        del symbol, venue_order_id, side, type, quantity, price, filled_quantity, post_only, timestamp, window_ms
        raise NotAmendable(
            Evidence.REJECTED,
            f"dry run of {self.venue}: orders are not changed in their place; cancel it and send the rest",
        )

    def close(self) -> None:
        self._real.close()

    # -------------------------------------------------------------------------------------------------------- inside

    def _open(self) -> AbstractContextManager[DryRunAccount]:
        return self._store.account(self.venue, self.account)

    def _known(self, account: DryRunAccount, venue_order_id: str) -> DryRunOrder:
        order = account.order(venue_order_id)
        if order is None:
            raise VenueError(Evidence.NOT_FOUND, f"dry run of {self.venue}: there is no order {venue_order_id}")
        return order

    def _look_at_market(self, symbol: str) -> None:
        """Fill what rests by what the market has done since; of two who look at once the first one's look counts."""
        with self._open() as account:
            waiting = account.open_orders(symbol)
        if not waiting:
            return
        book = self._real.order_book(symbol, BOOK_LEVELS)
        now = self._real.estimated_time()
        tape = self._tape(symbol, max(min(order.seen_until for order in waiting), now - LONGEST_LOOK))
        with self._open() as account:
            unchanged = [order for order in account.open_orders(symbol) if order in waiting]
            for matched in look(unchanged, book, tape, now):
                account.save(matched.order, matched.trades, effects(matched.order, matched.trades))

    def _tape(self, symbol: str, since: datetime) -> Sequence[PublicTrade]:
        try:
            return self._real.public_trades(symbol, since)
        except VenueError as error:
            if error.evidence is Evidence.REJECTED:  # it shows no trades, or too many at once: the book has to do
                return ()
            raise

    def _matched(self, order: NewOrder, placed: DryRunOrder, book: OrderBook, now: datetime) -> Matched:
        if order.post_only and would_take(placed, book):
            raise VenueError(
                Evidence.REJECTED,
                f"dry run of {self.venue}: a post-only order at {plain(order.price or ZERO)} would trade at once",
                code="POST_ONLY_WOULD_TAKE",
            )
        return arrive(
            placed,
            book,
            now,
            immediate=order.type is OrderType.MARKET or order.time_in_force is not TimeInForce.GTC,
            all_or_nothing=order.time_in_force is TimeInForce.FOK,
        )

    def _assert_funds(self, account: DryRunAccount, matched: Matched) -> None:
        """Raises VenueError(REJECTED) where the account can't pay for what has traded and what rests of it."""
        needs = {asset: -change for asset, change in effects(matched.order, matched.trades).items() if change < 0}
        if matched.order.is_open:
            asset, amount = held(matched.order)
            needs[asset] = add(needs.get(asset, ZERO), amount)
        totals, used = self._totals(account), used_funds(account)
        for asset, need in needs.items():
            free = subtract(totals.get(asset, ZERO), used.get(asset, ZERO))
            if need > free:
                raise VenueError(
                    Evidence.REJECTED,
                    f"dry run of {self.venue}: {plain(need)} {asset} are needed and {plain(free)} are free; "
                    f"dry_run_balances in [venues.{self.venue}] says with how much an account begins",
                    code="INSUFFICIENT_FUNDS",
                )

    def _totals(self, account: DryRunAccount) -> dict[str, Decimal]:
        changes = account.changes()
        begun = self._config.dry_run_balances
        return {asset: add(begun.get(asset, ZERO), changes.get(asset, ZERO)) for asset in {*begun, *changes}}

    def _instrument(self, symbol: str) -> Instrument:
        if symbol not in self._instruments:
            self.instruments()
        found = self._instruments.get(symbol)
        if found is None:
            raise VenueError(Evidence.REJECTED, f"{self.venue} does not trade {symbol}", code="UNKNOWN_SYMBOL")
        return found
