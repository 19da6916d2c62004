"""What stops new sends of an order: a freeze of one of its assets. A halt is looked for beside it."""

from sqlalchemy import Connection

from models.order import Order
from storage.freezes import Freeze, freeze_meeting

#: code of the reason of orders that a freeze ends
ACCOUNT_FROZEN = "ACCOUNT_FROZEN"


def freeze_of(conn: Connection, order: Order) -> Freeze | None:
    return freeze_meeting(conn, order.venue, order.account, order.base, order.quote)
