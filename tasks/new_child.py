"""A planned child: one attempt at one slice, with the id under which the venue will know it."""

from datetime import datetime
from decimal import Decimal

from sqlalchemy import Connection

from models.ids import child_id, venue_client_order_id
from models.money import ZERO
from models.order import ChildOrder, Order
from models.vocabulary import ChildStatus
from storage.deployment import prefix_of_deployment
from tasks.runtime import Runtime


def new_child(
    conn: Connection,
    runtime: Runtime,
    order: Order,
    *,
    slice_number: int,
    attempt: int,
    quantity: Decimal,
    price: Decimal | None,
    due_at: datetime,
    now: datetime,
    attend_at: datetime | None = None,
    display: Decimal | None = None,
) -> ChildOrder:
    """A PLANNED child that is not inserted yet. ``attend_at``: when it counts as forgotten; None: its order is rescued."""
    name = child_id(order.id, slice_number, attempt)
    common = venue_client_order_id(prefix_of_deployment(conn, now), name)
    return ChildOrder(
        id=name,
        order_id=order.id,
        venue=order.venue,
        account=order.account,
        symbol=order.symbol,
        slice=slice_number,
        attempt=attempt,
        status=ChildStatus.PLANNED,
        version=1,
        epoch=0,
        venue_client_order_id=runtime.gateways.get(order.venue, order.account).client_id(common),
        venue_order_id=None,
        quantity=quantity,
        price=price,
        display=display,
        filled_quantity=ZERO,
        filled_cost=ZERO,
        due_at=due_at,
        sent_at=None,
        deadline=None,
        sends=0,
        lookups=0,
        attend_at=attend_at,
        act_at=None,
        reason=None,
    )
