"""Fills booked as `settle` books them: the fill's row, its entry in the ledger, its position; without a venue."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import Any

from sqlalchemy import Connection, Engine

from accounting.fills import FillPosting
from models.order import ChildOrder, Order
from models.vocabulary import ChildStatus, Mode, OrderStatus, Side
from storage.children import insert_child
from storage.engine import write
from storage.fills import cost_of, fill_key, insert_fill
from storage.ledger import post_fill
from storage.orders import insert_order
from storage.position_posting import move_position
from tests.support.order_values import NOW, make_child, make_order, make_trade

_NUMBERS = count(1)


class PositionBooks:
    """One order per venue account, pair, strategy and mode, which every fill of it belongs to."""

    def __init__(self, engine: Engine, *, with_positions: bool = True) -> None:
        self.engine = engine
        self.with_positions = with_positions
        self._orders: dict[tuple[str, ...], tuple[Order, ChildOrder]] = {}

    def buy(self, quantity: str, price: str, **more: Any) -> str:
        return self.fill(Side.BUY, quantity, price, **more)

    def sell(self, quantity: str, price: str, **more: Any) -> str:
        return self.fill(Side.SELL, quantity, price, **more)

    def fill(
        self,
        side: Side,
        quantity: str,
        price: str,
        *,
        fee: str = "0",
        fee_asset: str = "USDT",
        at: datetime = NOW,
        **whose: Any,
    ) -> str:
        """Book one fill in a transaction of its own; returns its key. ``whose``: as ``order`` takes it."""
        order, child = self.order(**whose)
        trade = make_trade(
            f"t-{next(_NUMBERS)}", side=side, symbol=order.symbol, quantity=Decimal(quantity), price=Decimal(price),
            fee=Decimal(fee), fee_asset=fee_asset, traded_at=at - timedelta(milliseconds=250), venue_order_id=child.id,
        )  # fmt: skip
        with write(self.engine) as conn:
            self.book(conn, order, child, trade, at)
        return fill_key(child, trade)

    def book(self, conn: Connection, order: Order, child: ChildOrder, trade: Any, at: datetime) -> None:
        """As ``tasks.settle`` does it, inside the caller's transaction."""
        assert insert_fill(conn, child, trade, now=at)
        posting = FillPosting(
            key=fill_key(child, trade), order_id=order.id, venue=order.venue, account=order.account, base=order.base,
            quote=order.quote, side=trade.side, quantity=trade.quantity, price=trade.price, cost=cost_of(trade),
            fee=trade.fee, fee_asset=trade.fee_asset,
        )  # fmt: skip
        posted = post_fill(conn, posting, at=at)
        if self.with_positions:
            move_position(conn, posting, entry_id=posted.entry_id, mode=order.mode, traded_at=trade.traded_at, at=at)

    def order(
        self, *, venue: str = "paper", account: str = "main", pair: str = "BTC/USDT", strategy: str = "",
        mode: Mode = Mode.LIVE,
    ) -> tuple[Order, ChildOrder]:  # fmt: skip
        key = (venue, account, pair, strategy, mode)
        if key not in self._orders:
            number = next(_NUMBERS)
            base, _, quote = pair.partition("/")
            order = make_order(
                id=f"order-{number}", client_order_id=f"client-{number}", venue=venue, account=account, symbol=pair,
                base=base, quote=quote, status=OrderStatus.RECEIVED, version=1, mode=mode,
            )  # fmt: skip
            child = make_child(
                order_id=order.id, venue=venue, account=account, symbol=pair, status=ChildStatus.PLANNED,
                venue_order_id=None,
            )  # fmt: skip
            values = {name: getattr(order, name) for name in order.__slots__}
            values |= {
                "tags": {"strategy": strategy} if strategy else {}, "request": "{}", "source": "test", "cause": "test",
                "rescue_at": None, "side": order.side.value, "type": order.type.value, "mode": mode.value,
                "time_in_force": order.time_in_force.value, "status": order.status.value,
            }  # fmt: skip
            with write(self.engine) as conn:
                insert_order(conn, values)
                insert_child(conn, child, cause="test", now=NOW)
            self._orders[key] = (order, child)
        return self._orders[key]
