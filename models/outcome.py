"""Where a parent stands, as its children and its own wishes make it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from models.money import ZERO, plain, subtract
from models.order import ChildOrder, Order, Reason
from models.transitions import ORDER_FINAL, ORDER_UNSENT
from models.vocabulary import ChildStatus, OrderStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    status: OrderStatus
    reason: Reason | None


def outcome_of(order: Order, children: Sequence[ChildOrder], *, more_to_come: bool = False) -> Outcome:
    """The status that follows from the booked fills and the children as they are now.

    ``order.filled_quantity`` counts every booked fill already. ``more_to_come``: a schedule or a fill policy will send
    more, though nothing may be live now. An order that has ended stays as it ended, unless a fill that turned up later
    completes it or the venue takes a rejection back.
    """
    if order.filled_quantity >= order.quantity:
        return Outcome(status=OrderStatus.FILLED, reason=None)
    if any(not child.is_final for child in children):
        return _while_live(order, children)
    if order.status is OrderStatus.PENDING_AMEND:  # what was ended for it goes on as another attempt
        return _while_live(order, children)
    if order.status in ORDER_FINAL:
        return Outcome(status=order.status, reason=order.reason)
    if order.ending is not None and (children or order.is_scheduled):
        return Outcome(status=order.ending, reason=_at_the_end(order))
    if more_to_come:
        return _while_live(order, children)
    if order.is_scheduled and order.status not in ORDER_UNSENT:
        return _as_the_schedule_ended(order, children)
    if not children:
        return Outcome(status=order.status, reason=order.reason)
    return _as_the_venue_ended_it(order, children)


def _while_live(order: Order, children: Sequence[ChildOrder]) -> Outcome:
    if order.status is OrderStatus.PENDING_AMEND:
        return Outcome(status=order.status, reason=_unless_resolved(order, children))
    if order.status is OrderStatus.PENDING_CANCEL:
        settled = not any(child.is_in_doubt for child in children)
        return Outcome(status=order.status, reason=_of_ending(order) if settled else order.reason)
    if order.filled_quantity > ZERO:
        return Outcome(status=OrderStatus.PARTIALLY_FILLED, reason=_unless_resolved(order, children))
    if order.status is OrderStatus.WORKING:
        return Outcome(status=OrderStatus.WORKING, reason=_unless_resolved(order, children))
    return Outcome(status=order.status, reason=order.reason)


def _unless_resolved(order: Order, children: Sequence[ChildOrder]) -> Reason | None:
    """SEND_UNKNOWN stands only as long as a child is in doubt."""
    if order.reason is not None and order.reason.code == "SEND_UNKNOWN":
        return order.reason if any(child.is_in_doubt for child in children) else None
    return order.reason


def _of_ending(order: Order) -> Reason | None:
    """Why it was told to end; a doubt that stood in between is over."""
    if order.reason is None or order.reason.code != "SEND_UNKNOWN":
        return order.reason
    if order.ending is OrderStatus.EXPIRED:
        return Reason(code="EXPIRED", message="its time was over")
    return Reason(code="CANCEL_REQUESTED", message="canceled")


def _at_the_end(order: Order) -> Reason | None:
    """Of nothing there is no part to accept."""
    reason = _of_ending(order)
    if reason is not None and reason.code == "PARTIAL_ACCEPTED" and order.filled_quantity == ZERO:
        return replace(reason, code="TIMEOUT")
    return reason


def _as_the_schedule_ended(order: Order, children: Sequence[ChildOrder]) -> Outcome:
    """Nothing is live and nothing more is planned, and it is not filled."""
    sent = [child for child in children if child.sent_at is not None]
    refused = [child for child in sent if child.status is ChildStatus.REJECTED]
    if refused and len(refused) == len(sent) and order.filled_quantity == ZERO:
        return Outcome(status=OrderStatus.REJECTED, reason=refused[-1].reason)
    left = plain(subtract(order.quantity, order.filled_quantity))
    message = f"its schedule has ended; {left} {order.base} of {plain(order.quantity)} were not traded"
    if refused:
        reason = refused[-1].reason
        message += f". The venue rejected {len(refused)} of {len(sent)} slices" + (
            f", the last one saying: {reason.message}" if reason else ""
        )
    if order.fill_policy.get("name") == "wait_for_complete":
        accepted = order.fill_policy.get("then") == "accept" and order.filled_quantity > ZERO
        code = "PARTIAL_ACCEPTED" if accepted else "TIMEOUT"
        return Outcome(status=OrderStatus.CANCELED, reason=Reason(code=code, message=message))
    return Outcome(status=OrderStatus.EXPIRED, reason=Reason(code="SCHEDULE_OVER", message=message))


def _as_the_venue_ended_it(order: Order, children: Sequence[ChildOrder]) -> Outcome:
    last = max(children, key=lambda child: (child.slice, child.attempt))
    if last.status is ChildStatus.REJECTED and order.filled_quantity == ZERO:
        return Outcome(status=OrderStatus.REJECTED, reason=last.reason)
    if last.status is ChildStatus.EXPIRED:
        return Outcome(status=OrderStatus.EXPIRED, reason=last.reason)
    return Outcome(status=OrderStatus.CANCELED, reason=last.reason)
