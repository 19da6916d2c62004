"""The matching engine: pure, no I/O and no clock. Each call decides, applies its events and leaves them in ``pending``."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

from exchanges.paper.amounts import E8, floor_to, product_e8
from exchanges.paper.book import Book, Entry
from exchanges.paper.errors import amend_refused, duplicate_order, insufficient_balance, unknown_order, would_take
from exchanges.paper.events import (
    Accepted,
    Amended,
    Deposited,
    Ended,
    Event,
    Listed,
    Moved,
    MovementEnded,
    Priced,
    Traded,
)
from exchanges.paper.instruments import Instrument
from exchanges.paper.prints import Prints
from exchanges.paper.state import Order, State

#: an unlimited quantity, for sweeps that only a price limits
ALL_E8 = 10**30


@dataclass(frozen=True, slots=True, kw_only=True)
class Fees:
    """Rates of 1e-8: 100000 is 0.1 %."""

    maker_e8: int
    taker_e8: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NewOrder:
    """An order that passed the filters. Quantity or, for a market order, ``quote_quantity_e8`` is 0."""

    account: str
    symbol: str
    client_order_id: str
    side: str
    type: str
    time_in_force: str
    quantity_e8: int
    price_e8: int = 0
    quote_quantity_e8: int = 0
    iceberg_e8: int = 0

    @property
    def buys(self) -> bool:
        return self.side == "BUY"


class Match(NamedTuple):
    price_e8: int
    entry: Entry
    quantity_e8: int


class Engine:
    """Books, state and rules of all symbols."""

    def __init__(self, instruments: Iterable[Instrument], *, fees: Fees, dedupe: str = "open") -> None:
        self.instruments = {instrument.symbol: instrument for instrument in instruments}
        self.fees = fees
        #: whether a client id is taken again: "open" (once the earlier order is done), "always" (never again), "never" checked
        self.dedupe = dedupe
        self.state = State()
        self.books = {symbol: Book() for symbol in self.instruments}
        self.prints = {symbol: Prints() for symbol in self.instruments}
        #: (milliseconds, event) that the caller has not written yet: it writes and clears them before it acknowledges anything
        self.pending: list[tuple[int, Event]] = []

    def restore(self, events: Iterable[tuple[int, Event]]) -> None:
        """Apply a journal's events and put what is still open back into the books, in its old priority."""
        for at_ms, event in events:
            self.state.apply(event, at_ms)
        resting = [order for orders in self.state.open_orders.values() for order in orders.values()]
        for order in sorted(resting, key=lambda order: order.place):
            if order.accepted.symbol in self.books:
                self.books[order.accepted.symbol].own(buys=order.buys).rest(order)

    def open(self, balances: Mapping[str, Mapping[str, int]], now_ms: int) -> None:
        """List what is new, and give accounts that are new their opening balances (account to asset to 1e-8)."""
        for instrument in self.instruments.values():
            if instrument.symbol not in self.state.listed:
                self._emit(Listed(symbol=instrument.symbol, base=instrument.base, quote=instrument.quote), now_ms)
        for account, assets in balances.items():
            if account not in self.state.accounts:
                for asset, amount_e8 in assets.items():
                    self.deposit(account, asset, amount_e8, now_ms)

    # ------------------------------------------------------------------------------------------------- customers

    def submit(self, new: NewOrder, now_ms: int) -> Order:
        """Match and rest one order. Raises Refused and changes nothing where the venue says no."""
        self._check_duplicate(new)
        matches = self._matches(new)
        matched_e8 = sum(match.quantity_e8 for match in matches)
        if new.type == "LIMIT_MAKER" and matches:
            raise would_take()
        if new.time_in_force == "FOK" and matched_e8 < new.quantity_e8:
            matches, matched_e8 = [], 0
        self._check_funds(new, matches)

        quantity_e8 = new.quantity_e8 or matched_e8
        order = self._accept(new, quantity_e8, now_ms)
        self._execute(new.symbol, matches, now_ms, taker=order, taker_buys=new.buys)
        if order.is_open:
            if new.type == "MARKET" or new.time_in_force in {"IOC", "FOK"}:
                self._emit(Ended(symbol=new.symbol, order_id=order.id, status="EXPIRED"), now_ms)
            else:
                self.books[new.symbol].own(buys=new.buys).rest(order)
        return order

    def cancel(self, order: Order, now_ms: int) -> None:
        """Take an open order out of the book; what it held is free again."""
        if not order.is_open:
            raise unknown_order()
        accepted = order.accepted
        self.books[accepted.symbol].own(buys=order.buys).remove(order)
        self._emit(Ended(symbol=accepted.symbol, order_id=order.id, status="CANCELED"), now_ms)

    def amend(self, order: Order, *, quantity_e8: int, price_e8: int, now_ms: int) -> None:
        """Give an open order another whole quantity (fills included) and price. Raises Refused and changes nothing.

        Less at the same price keeps its place in the queue. At a price that crosses the book it trades, as a new one
        would.
        """
        if not order.is_open:
            raise unknown_order()
        if quantity_e8 <= order.executed_e8:
            raise amend_refused("The new quantity must be above the executed quantity.")
        before = order.accepted
        if (quantity_e8, price_e8) == (before.quantity_e8, before.price_e8):
            return
        after = replace(before, quantity_e8=quantity_e8, price_e8=price_e8)
        matches: list[Match] = []
        if price_e8 != before.price_e8:
            matches = self._matches(_rest_of(after, quantity_e8 - order.executed_e8))
        if before.type == "LIMIT_MAKER" and matches:
            raise would_take()
        asset, held_e8 = self.state.hold_of(before, order.rest_e8)
        _, hold_e8 = self.state.hold_of(after, quantity_e8 - order.executed_e8)
        if hold_e8 - held_e8 > self.state.balances[before.account, asset].free_e8:
            raise insufficient_balance()
        to_the_back = price_e8 != before.price_e8 or quantity_e8 > before.quantity_e8
        own = self.books[before.symbol].own(buys=order.buys)
        if to_the_back:
            own.remove(order)
        self._emit(
            Amended(
                symbol=before.symbol,
                order_id=order.id,
                quantity_e8=quantity_e8,
                price_e8=price_e8,
                to_the_back=to_the_back,
            ),
            now_ms,
        )
        self._execute(before.symbol, matches, now_ms, taker=order, taker_buys=order.buys)
        if to_the_back and order.is_open:
            own.rest(order)

    def deposit(self, account: str, asset: str, amount_e8: int, now_ms: int) -> None:
        self._emit(Deposited(account=account, asset=asset, amount_e8=amount_e8), now_ms)

    def move(
        self, account: str, kind: str, asset: str, amount_e8: int, now_ms: int, *, comes_in: bool, fee_e8: int,
        status: str, moves: bool,
    ) -> int:  # fmt: skip
        """Begin a movement that the account's lists tell of; returns its id. Raises Refused where funds lack."""
        if moves and not comes_in and amount_e8 + fee_e8 > self.state.balances[account, asset].free_e8:
            raise insufficient_balance()
        moved = Moved(
            movement_id=len(self.state.movements) + 1, account=account, kind=kind, asset=asset, amount_e8=amount_e8,
            comes_in=comes_in, fee_e8=fee_e8, status=status, moves=moves,
        )  # fmt: skip
        self._emit(moved, now_ms)
        return moved.movement_id

    def end_movement(self, movement_id: int, status: str, now_ms: int) -> None:
        self._emit(MovementEnded(movement_id=movement_id, status=status), now_ms)

    def _check_duplicate(self, new: NewOrder) -> None:
        if self.dedupe == "never":
            return
        earlier = self.state.by_client_id.get((new.account, new.symbol, new.client_order_id), ())
        if earlier and (self.dedupe == "always" or any(order.is_open for order in earlier)):
            raise duplicate_order()

    def _check_funds(self, new: NewOrder, matches: list[Match]) -> None:
        instrument = self.instruments[new.symbol]
        if not new.buys:
            asset, needed_e8 = instrument.base, new.quantity_e8 or sum(match.quantity_e8 for match in matches)
        elif new.type == "MARKET":
            asset = instrument.quote
            needed_e8 = new.quote_quantity_e8 or sum(product_e8(match.price_e8, match.quantity_e8) for match in matches)
        else:
            asset, needed_e8 = instrument.quote, product_e8(new.price_e8, new.quantity_e8)
        if self.state.balances[new.account, asset].free_e8 < needed_e8:
            raise insufficient_balance()

    def _accept(self, new: NewOrder, quantity_e8: int, now_ms: int) -> Order:
        order_id = len(self.state.orders[new.symbol]) + 1
        self._emit(
            Accepted(
                symbol=new.symbol,
                order_id=order_id,
                account=new.account,
                client_order_id=new.client_order_id,
                side=new.side,
                type=new.type,
                time_in_force=new.time_in_force,
                quantity_e8=quantity_e8,
                price_e8=new.price_e8,
                quote_quantity_e8=new.quote_quantity_e8,
                iceberg_e8=new.iceberg_e8,
            ),
            now_ms,
        )
        return self.state.orders[new.symbol][order_id - 1]

    # ------------------------------------------------------------------------------------------------- matching

    def _matches(self, new: NewOrder) -> list[Match]:
        """What the order would trade against now; changes nothing."""
        limit_e8 = None if new.type == "MARKET" else new.price_e8
        ladder = self.books[new.symbol].opposite(buys=new.buys)
        lot_e8 = self.instruments[new.symbol].lot_e8
        matches: list[Match] = []
        left_e8, quote_left_e8 = new.quantity_e8, new.quote_quantity_e8
        for price_e8, entry, part_e8 in ladder.parts(limit_e8):
            if new.quote_quantity_e8:
                left_e8 = floor_to(quote_left_e8 * E8 // price_e8, lot_e8)
            quantity_e8 = min(left_e8, part_e8)
            if not quantity_e8:
                break
            matches.append(Match(price_e8, entry, quantity_e8))
            left_e8 -= quantity_e8
            quote_left_e8 -= product_e8(price_e8, quantity_e8)
        return matches

    def _execute(
        self, symbol: str, matches: list[Match], now_ms: int, *, taker: Order | None, taker_buys: bool
    ) -> None:
        ladder = self.books[symbol].opposite(buys=taker_buys)
        for price_e8, entry, quantity_e8 in matches:
            self.prints[symbol].add(now_ms, price_e8, quantity_e8, taker_buys=taker_buys)
            maker = entry.order
            if maker is None:
                entry.market_e8 -= quantity_e8
            if taker is None and maker is None:
                continue
            place = 0 if maker is None else maker.place
            value_e8 = product_e8(price_e8, quantity_e8)
            taker_gets, maker_gets = (quantity_e8, value_e8) if taker_buys else (value_e8, quantity_e8)
            self._emit(
                Traded(
                    symbol=symbol,
                    trade_id=self.state.trade_count[symbol] + 1,
                    price_e8=price_e8,
                    quantity_e8=quantity_e8,
                    taker_order_id=0 if taker is None else taker.id,
                    maker_order_id=0 if maker is None else maker.id,
                    taker_fee_e8=0 if taker is None else product_e8(taker_gets, self.fees.taker_e8),
                    maker_fee_e8=0 if maker is None else product_e8(maker_gets, self.fees.maker_e8),
                    taker_buys=taker_buys,
                ),
                now_ms,
            )
            if maker is not None and maker.is_open and maker.place != place:
                ladder.to_the_back(maker)
        ladder.prune({match.price_e8 for match in matches})

    def _emit(self, event: Event, now_ms: int) -> None:
        self.state.apply(event, now_ms)
        self.pending.append((now_ms, event))

    # ------------------------------------------------------------------------------------------------- the market

    def sweep(self, symbol: str, *, buys: bool, limit_e8: int | None, quantity_e8: int, now_ms: int) -> int:
        """A background participant takes what is there up to a price. Returns the quantity it got."""
        matches: list[Match] = []
        left_e8 = quantity_e8
        for price_e8, entry, part_e8 in self.books[symbol].opposite(buys=buys).parts(limit_e8):
            take_e8 = min(left_e8, part_e8)
            if not take_e8:
                break
            matches.append(Match(price_e8, entry, take_e8))
            left_e8 -= take_e8
        self._execute(symbol, matches, now_ms, taker=None, taker_buys=buys)
        return quantity_e8 - left_e8

    def requote(
        self, symbol: str, bids: dict[int, int], asks: dict[int, int], now_ms: int, *, appetite_e8: int = ALL_E8
    ) -> None:
        """Move the background market to these levels (price to quantity, in 1e-8).

        Customers that rest across the new prices trade first, for at most ``appetite_e8`` per side; where some of
        them still stand after it, the market keeps behind them, so a book is never crossed.
        """
        book = self.books[symbol]
        book.bids.keep(bids)
        book.asks.keep(asks)
        # From here on only customers can stand across the new prices.
        if bids:
            self.sweep(symbol, buys=True, limit_e8=max(bids), quantity_e8=appetite_e8, now_ms=now_ms)
        if asks:
            self.sweep(symbol, buys=False, limit_e8=min(asks), quantity_e8=appetite_e8, now_ms=now_ms)
        customer_ask, customer_bid = book.asks.best_customer_e8(), book.bids.best_customer_e8()
        book.bids.quote({p: size for p, size in bids.items() if customer_ask is None or p < customer_ask})
        book.asks.quote({p: size for p, size in asks.items() if customer_bid is None or p > customer_bid})

    def print_from_outside(
        self, symbol: str, *, price_e8: int, quantity_e8: int, taker_buys: bool, now_ms: int
    ) -> None:
        """A trade that happened on the tape: customers who rest at its price or better get their share of it."""
        self._withdraw(symbol)
        lot_e8 = self.instruments[symbol].lot_e8
        got_e8 = self.sweep(
            symbol, buys=taker_buys, limit_e8=price_e8, quantity_e8=floor_to(quantity_e8, lot_e8), now_ms=now_ms
        )
        if quantity_e8 > got_e8:
            self.prints[symbol].add(now_ms, price_e8, quantity_e8 - got_e8, taker_buys=taker_buys)

    def trade_through(self, symbol: str, price_e8: int, appetite_e8: int, now_ms: int) -> None:
        """The price comes to stand here: customers who bid it or more, or ask it or less, trade."""
        self._withdraw(symbol)
        for buys in (True, False):
            self.sweep(symbol, buys=buys, limit_e8=price_e8, quantity_e8=appetite_e8, now_ms=now_ms)

    def _withdraw(self, symbol: str) -> None:
        """Take the background market out of the book, so that only customers stand in it."""
        self.books[symbol].bids.keep(())
        self.books[symbol].asks.keep(())

    def mark(self, symbol: str, price_e8: int, now_ms: int) -> None:
        """Record where the market stands."""
        self._emit(Priced(symbol=symbol, price_e8=price_e8), now_ms)


def _rest_of(order: Accepted, quantity_e8: int) -> NewOrder:
    """What is left of an order, as if it came in now."""
    return NewOrder(
        account=order.account,
        symbol=order.symbol,
        client_order_id=order.client_order_id,
        side=order.side,
        type=order.type,
        time_in_force=order.time_in_force,
        quantity_e8=quantity_e8,
        price_e8=order.price_e8,
        iceberg_e8=order.iceberg_e8,
    )
