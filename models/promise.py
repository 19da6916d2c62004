"""Promise 1: one intent, one effect, checked in the transaction that writes the intent."""

from collections.abc import Sequence
from decimal import Decimal

from models.money import add
from models.order import ChildOrder, Order


class PromiseBroken(Exception):
    """More than the order's quantity could trade. A bug: nothing is sent, and a person must look."""


def exposure(children: Sequence[ChildOrder]) -> Decimal:
    """What has traded and what still can: booked fills, and every child that may be live at its full size.

    A child in doubt counts whole: no answer is no proof that nothing of it is there.
    """
    total = Decimal(0)
    for child in children:
        total = add(total, child.quantity if child.is_live else child.filled_quantity)
    return total


def spoken_for(children: Sequence[ChildOrder]) -> Decimal:
    """What has traded, what still can, and what is planned: nobody may plan more than the order's quantity less this."""
    total = Decimal(0)
    for child in children:
        total = add(total, child.filled_quantity if child.is_final else child.quantity)
    return total


def assert_one_effect(order: Order, children: Sequence[ChildOrder], about_to_send: ChildOrder) -> None:
    """Raise PromiseBroken unless filled + open + unknown + about to be sent ≤ quantity."""
    others = [child for child in children if child.id != about_to_send.id]
    total = add(exposure(others), about_to_send.quantity)
    if total > order.quantity:
        raise PromiseBroken(
            f"order {order.id}: sending child {about_to_send.id} of {about_to_send.quantity} could make "
            f"{total} trade, and the order is for {order.quantity}"
        )
    for other in others:
        if other.slice == about_to_send.slice and not other.is_final:
            raise PromiseBroken(
                f"order {order.id}: child {about_to_send.id} may be sent only after {other.id}, "
                f"which is {other.status}, is proven final"
            )
