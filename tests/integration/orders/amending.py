"""Orders at work that are amended, and what may still trade of them."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

from exchanges.capabilities import Amend
from models.amendment import Amendment, AmendmentStatus
from models.vocabulary import OrderStatus
from settings import Settings
from storage.amendments import latest_amendment
from storage.engine import read, write
from storage.order_tables import child_orders
from tests.support.runtime import Desk

IN_PLACE, CANCEL_AND_SEND = "in place", "cancel and send"

WAYS = (IN_PLACE, CANCEL_AND_SEND)

#: far below the market: it rests
FAR = "-1000"

AMEND = {"endpoint": "order/amend/keepPriority", "method": "PUT", "count": 1}

OF_CANCEL = {"endpoint": "order", "method": "DELETE", "count": 1}


def amends(desk: Desk, way: str) -> None:
    """What the venue can do, as the gateway knows it."""
    caller = desk.runtime.gateways.get("paper", "main")._caller  # type: ignore[attr-defined]
    caller.can = replace(caller.can, amend=Amend.IN_PLACE if way == IN_PLACE else Amend.REPLACE)


def at_work(desk: Desk, way: str = IN_PLACE, *, quantity: str = "0.02", **changes: Any) -> str:
    amends(desk, way)
    order_id = desk.limit(FAR, quantity=quantity, **changes)
    assert desk.work(order_id)["status"] == "WORKING"
    if "fill_policy" not in changes:
        desk.forget_outbox()  # what is left there is its start
    return order_id


def price_of(desk: Desk, order_id: str) -> Decimal:
    price = desk.order(order_id).price
    assert price is not None
    return price


def amendment_of(desk: Desk, order_id: str) -> Amendment:
    with read(desk.engine) as conn:
        amendment = latest_amendment(conn, order_id)
    assert amendment is not None
    return amendment


def outcome(desk: Desk, order_id: str) -> tuple[str, str | None]:
    amendment = amendment_of(desk, order_id)
    return amendment.status.value, amendment.reason.code if amendment.reason else None


def can_still_trade(desk: Desk, order_id: str) -> Decimal:
    """At the venue, as the venue has it: what has traded, and what rests."""
    total = Decimal(0)
    for one in desk.at_venue(order_id):
        open_now = one["status"] in ("NEW", "PARTIALLY_FILLED")
        total += Decimal(one["quantity"] if open_now else one["executed"])
    return total


def trade(desk: Desk, order_id: str, quantity: str) -> None:
    """Somebody trades with what rests of the order and with nothing else; then the market is above it again."""
    price = price_of(desk, order_id)
    desk.venue.pause_market()
    desk.venue.set_depth("BTC/USDT", bids=[(str(price - 1000), "1")], asks=[(str(price + 2000), "100")])
    desk.venue.market_order("BTC/USDT", "sell", quantity, price=str(price))
    desk.venue.set_price("BTC/USDT", str(price + 1000))
    desk.venue.resume_market()


def assert_never_more(desk: Desk, order_id: str) -> None:
    order = desk.order(order_id)
    assert can_still_trade(desk, order_id) <= order.quantity
    assert (order.status is OrderStatus.PENDING_AMEND) == (
        amendment_of(desk, order_id).status is AmendmentStatus.PENDING
    )


def proves_soon(desk: Desk, order_id: str) -> None:
    """What is asked from here on is short-lived, and the window of the create, which was answered, is long over."""
    desk.runtime.settings = with_windows_of(desk, 800)
    over = desk.runtime.gateways.get("paper", "main").time()
    with write(desk.engine) as conn:
        conn.execute(child_orders.update().where(child_orders.c.order_id == order_id).values(deadline=over))


def with_windows_of(desk: Desk, window_ms: int) -> Settings:
    settings = desk.runtime.settings
    venues = {name: venue.model_copy(update={"recv_window_ms": window_ms}) for name, venue in settings.venues.items()}
    return settings.model_copy(update={"venues": venues})
