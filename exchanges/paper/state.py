"""Orders, trades and balances, as a fold over events: the live venue and the journal's readers use the same one."""

from collections import defaultdict
from dataclasses import dataclass, field, replace

from exchanges.paper.amounts import product_e8
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

OPEN = ("NEW", "PARTIALLY_FILLED")


@dataclass(slots=True, kw_only=True, eq=False)
class Order:
    """One customer order as it stands."""

    #: its terms, as amended
    accepted: Accepted
    created_ms: int
    updated_ms: int
    status: str = "NEW"
    executed_e8: int = 0
    #: what it paid or got so far, fees aside, in quote
    executed_quote_e8: int = 0
    fills: list["Fill"] = field(default_factory=list)
    #: reads don't show it before (a lagging read, on purpose)
    visible_ms: int = 0
    #: earlier places of one price trade first; all symbols count together
    place: int = 0
    #: of an iceberg: what the part that stands in the book has left
    part_e8: int = 0

    @property
    def id(self) -> int:
        return self.accepted.order_id

    @property
    def is_open(self) -> bool:
        return self.status in OPEN

    @property
    def buys(self) -> bool:
        return self.accepted.side == "BUY"

    @property
    def rest_e8(self) -> int:
        return self.accepted.quantity_e8 - self.executed_e8

    @property
    def shown_e8(self) -> int:
        """What the book shows of it."""
        return min(self.part_e8, self.rest_e8) if self.accepted.iceberg_e8 else self.rest_e8


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Fill:
    """One order's side of a trade."""

    trade: Traded
    order: Order
    is_maker: bool
    at_ms: int

    @property
    def fee_e8(self) -> int:
        return self.trade.maker_fee_e8 if self.is_maker else self.trade.taker_fee_e8

    @property
    def quote_e8(self) -> int:
        return product_e8(self.trade.price_e8, self.trade.quantity_e8)


@dataclass(slots=True)
class Balance:
    free_e8: int = 0
    locked_e8: int = 0


@dataclass(slots=True, kw_only=True, eq=False)
class Movement:
    """A deposit, withdrawal or transfer as it stands."""

    moved: Moved
    begun_ms: int
    status: str
    #: when it ended; 0 while it is pending
    ended_ms: int = 0

    @property
    def effect_e8(self) -> int:
        """What it does to the free balance as it stands: what leaves is gone at once, what comes in once it is done."""
        moved = self.moved
        if not moved.moves or self.status == "failed" or (moved.comes_in and self.status != "done"):
            return 0
        return moved.amount_e8 if moved.comes_in else -moved.amount_e8 - moved.fee_e8


class Overdrawn(AssertionError):
    """A balance went below zero: a defect of the engine, never a customer's doing."""


class State:
    """Apply events in their order; nothing else changes it."""

    def __init__(self) -> None:
        #: symbol to what it is made of
        self.listed: dict[str, Listed] = {}
        #: symbol to its orders; the order with id n stands at n - 1
        self.orders: dict[str, list[Order]] = defaultdict(list)
        #: (account, symbol) to its fills, oldest first
        self.fills: dict[tuple[str, str], list[Fill]] = defaultdict(list)
        #: (account, symbol) to its orders, oldest first
        self.account_orders: dict[tuple[str, str], list[Order]] = defaultdict(list)
        self.trade_count: dict[str, int] = defaultdict(int)
        #: (account, asset)
        self.balances: dict[tuple[str, str], Balance] = defaultdict(Balance)
        #: (account, symbol) to its open orders by id
        self.open_orders: dict[tuple[str, str], dict[int, Order]] = defaultdict(dict)
        #: (account, symbol, client order id) to every order that carried it, oldest first
        self.by_client_id: dict[tuple[str, str, str], list[Order]] = defaultdict(list)
        #: the one with the id n stands at n - 1
        self.movements: list[Movement] = []
        self.accounts: set[str] = set()
        #: places taken in queues so far
        self.places = 0
        self.prices_e8: dict[str, int] = {}

    def order(self, symbol: str, order_id: int) -> Order | None:
        orders = self.orders.get(symbol, [])
        return orders[order_id - 1] if 0 < order_id <= len(orders) else None

    def apply(self, event: Event, at_ms: int) -> None:
        if isinstance(event, Traded):
            self._trade(event, at_ms)
        elif isinstance(event, Accepted):
            self._accept(event, at_ms)
        elif isinstance(event, Amended):
            self._amend(event, at_ms)
        elif isinstance(event, Ended):
            self._end(event, at_ms)
        elif isinstance(event, Deposited):
            self.accounts.add(event.account)
            self.balances[event.account, event.asset].free_e8 += event.amount_e8
        elif isinstance(event, Moved):
            self._begin_movement(event, at_ms)
        elif isinstance(event, MovementEnded):
            self._end_movement(event, at_ms)
        elif isinstance(event, Priced):
            self.prices_e8[event.symbol] = event.price_e8
        elif isinstance(event, Listed):
            self.listed[event.symbol] = event

    def hold_of(self, order: Accepted, quantity_e8: int) -> tuple[str, int]:
        """The asset and amount that ``quantity_e8`` of a limit order keeps locked; market orders hold nothing."""
        listed = self.listed[order.symbol]
        if order.type == "MARKET":
            return listed.quote, 0
        if order.side == "BUY":
            return listed.quote, product_e8(order.price_e8, quantity_e8)
        return listed.base, quantity_e8

    def _begin_movement(self, event: Moved, at_ms: int) -> None:
        ended_ms = at_ms if event.status == "done" else 0
        movement = Movement(moved=event, begun_ms=at_ms, status=event.status, ended_ms=ended_ms)
        self.movements.append(movement)
        self._move(event.account, event.asset, free_e8=movement.effect_e8)

    def _end_movement(self, event: MovementEnded, at_ms: int) -> None:
        movement = self.movements[event.movement_id - 1]
        before_e8 = movement.effect_e8
        movement.status, movement.ended_ms = event.status, at_ms
        self._move(movement.moved.account, movement.moved.asset, free_e8=movement.effect_e8 - before_e8)

    def _accept(self, event: Accepted, at_ms: int) -> None:
        orders = self.orders[event.symbol]
        if event.order_id != len(orders) + 1:
            raise AssertionError(f"order {event.symbol} {event.order_id} does not follow {len(orders)}")
        order = Order(accepted=event, created_ms=at_ms, updated_ms=at_ms, part_e8=event.iceberg_e8)
        self._to_the_back(order)
        orders.append(order)
        self.account_orders[event.account, event.symbol].append(order)
        self.by_client_id[event.account, event.symbol, event.client_order_id].append(order)
        self.open_orders[event.account, event.symbol][order.id] = order
        asset, hold_e8 = self.hold_of(event, event.quantity_e8)
        self._move(event.account, asset, free_e8=-hold_e8, locked_e8=hold_e8)

    def _trade(self, event: Traded, at_ms: int) -> None:
        self.trade_count[event.symbol] = event.trade_id
        self.prices_e8[event.symbol] = event.price_e8
        if event.taker_order_id:
            self._fill(event, event.taker_order_id, at_ms, is_maker=False)
        if event.maker_order_id:
            self._fill(event, event.maker_order_id, at_ms, is_maker=True)

    def _fill(self, trade: Traded, order_id: int, at_ms: int, *, is_maker: bool) -> None:
        order = self.orders[trade.symbol][order_id - 1]
        accepted, listed = order.accepted, self.listed[trade.symbol]
        fill = Fill(trade=trade, order=order, is_maker=is_maker, at_ms=at_ms)
        order.fills.append(fill)
        self.fills[accepted.account, trade.symbol].append(fill)
        order.executed_e8 += trade.quantity_e8
        order.executed_quote_e8 += fill.quote_e8
        order.updated_ms = at_ms
        if order.rest_e8 < 0:
            raise AssertionError(f"order {trade.symbol} {order_id} is filled beyond its quantity")
        order.status = "PARTIALLY_FILLED" if order.rest_e8 else "FILLED"
        if accepted.iceberg_e8 and is_maker:
            self._show_the_next_part(order, trade.quantity_e8)

        held_asset, hold_e8 = self.hold_of(accepted, trade.quantity_e8)
        self._move(accepted.account, held_asset, free_e8=hold_e8, locked_e8=-hold_e8)
        if order.buys:
            self._move(accepted.account, listed.quote, free_e8=-fill.quote_e8)
            self._move(accepted.account, listed.base, free_e8=trade.quantity_e8 - fill.fee_e8)
        else:
            self._move(accepted.account, listed.base, free_e8=-trade.quantity_e8)
            self._move(accepted.account, listed.quote, free_e8=fill.quote_e8 - fill.fee_e8)
        if not order.is_open:
            self.open_orders[accepted.account, trade.symbol].pop(order_id, None)

    def _amend(self, event: Amended, at_ms: int) -> None:
        order = self.orders[event.symbol][event.order_id - 1]
        before, rest_before_e8 = order.accepted, order.rest_e8
        order.accepted = replace(before, quantity_e8=event.quantity_e8, price_e8=event.price_e8)
        asset, held_e8 = self.hold_of(before, rest_before_e8)
        _, hold_e8 = self.hold_of(order.accepted, order.rest_e8)
        self._move(before.account, asset, free_e8=held_e8 - hold_e8, locked_e8=hold_e8 - held_e8)
        order.updated_ms = at_ms
        if event.to_the_back:
            order.part_e8 = before.iceberg_e8
            self._to_the_back(order)

    def _show_the_next_part(self, order: Order, traded_e8: int) -> None:
        """When the part that stood in the book is gone, the next one joins the end of the queue."""
        order.part_e8 -= traded_e8
        while order.part_e8 <= 0 and order.rest_e8:
            order.part_e8 += order.accepted.iceberg_e8
            self._to_the_back(order)

    def _to_the_back(self, order: Order) -> None:
        self.places += 1
        order.place = self.places

    def _end(self, event: Ended, at_ms: int) -> None:
        order = self.orders[event.symbol][event.order_id - 1]
        accepted = order.accepted
        asset, hold_e8 = self.hold_of(accepted, order.rest_e8)
        self._move(accepted.account, asset, free_e8=hold_e8, locked_e8=-hold_e8)
        order.status, order.updated_ms = event.status, at_ms
        self.open_orders[accepted.account, event.symbol].pop(event.order_id, None)

    def _move(self, account: str, asset: str, *, free_e8: int, locked_e8: int = 0) -> None:
        balance = self.balances[account, asset]
        balance.free_e8 += free_e8
        balance.locked_e8 += locked_e8
        if balance.free_e8 < 0 or balance.locked_e8 < 0:
            raise Overdrawn(f"{account} {asset}: free {balance.free_e8}, locked {balance.locked_e8} (1e-8)")
