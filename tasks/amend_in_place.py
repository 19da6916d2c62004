"""Change an order where it rests: ask the venue, then read what it has, which alone says what came of it."""

from datetime import datetime, timedelta

from exchanges.evidence import Evidence, NotAmendable, VenueError
from exchanges.gateway import Gateway, NotRounded
from exchanges.protection.lanes import in_lane
from failpoints import failpoint
from models.amend_step import InPlace, is_raised
from models.instrument import Instrument
from models.order import ChildOrder, Order, Reason
from models.reports import OrderReport
from models.vocabulary import ChildStatus, OrderStatus
from risk.lane import Lane
from storage.amendments import pending_amendment
from storage.children import claim, get_child, move_child, release
from storage.engine import write
from storage.orders import Stale, lock_order, move_order
from tasks.amend_end import refuse
from tasks.clock import seconds_since_boot
from tasks.heartbeat import Claim, heartbeat_of
from tasks.reads import note_failed_read
from tasks.runtime import Runtime
from tasks.settle import apply_report, with_all_trades

CAUSE = "amend"

#: how soon the next look follows where nothing else says when
SOON_S = 0.3


class NotInPlace(Exception):
    """The venue can't change this order where it rests. Nothing was sent."""


@in_lane(Lane.URGENT)
def amend_in_place(runtime: Runtime, order_id: str, wanted: InPlace, instrument: Instrument) -> float | None:
    """None once the rows say what came of it; else in how many seconds to look again.

    No second request leaves before the venue's clock has passed the deadline of the first: what it refuses then is
    refused for good, since no copy of an earlier one can arrive any more. Raises NotInPlace.
    """
    started = seconds_since_boot()
    gateway = runtime.gateways.get(wanted.child.venue, wanted.child.account)
    try:
        venue_time = gateway.estimated_time()
    except VenueError as error:
        note_failed_read(runtime, wanted.child.venue, wanted.child.account, error)
        return SOON_S
    try:
        order, child, may_ask = _claim(runtime, order_id, wanted, venue_time)
    except Stale:
        return SOON_S
    failpoint("amend.claimed")
    lease_s = runtime.settings.execution.lease_ms / 1000
    held = Claim(child, started, lease_s)
    with heartbeat_of(runtime).keeping(held):
        try:
            refused = told = None
            if may_ask and held.is_sure():
                told = _ask(runtime, gateway, order, child, wanted, venue_time)
                refused = told if isinstance(told, Reason) else None
            failpoint("amend.asked")
            report = gateway.fetch_order(child.symbol, child.venue_order_id or "")
        except NotAmendable as error:
            _let_go(runtime, child)
            raise NotInPlace from error
        except VenueError as error:
            note_failed_read(runtime, child.venue, child.account, error)
            _let_go(runtime, child)
            return max(SOON_S, error.retry_after_s or 0.0)
        report = with_all_trades(runtime, child, report)
        failpoint("amend.read")
        taken = _shows(report, wanted, said_yes=told is True)
        if taken:
            child = _take(runtime, child, wanted)
            failpoint("amend.taken")
        child = apply_report(runtime, child.id, report, source=CAUSE).child
        _let_go(runtime, child)
    if taken or child.is_final or child.filled_quantity >= wanted.quantity:
        return None
    if refused is not None:
        _refuse(runtime, order_id, refused, instrument)
        return None
    return SOON_S if may_ask else _until_sure_s(runtime, child, venue_time)


def _claim(runtime: Runtime, order_id: str, wanted: InPlace, venue_time: datetime) -> tuple[Order, ChildOrder, bool]:
    """PENDING_AMEND is durable, and a larger size counts, before the venue is asked. Raises Stale."""
    now = runtime.now()
    lease_ms = runtime.settings.execution.lease_ms
    with write(runtime.engine) as conn:
        order = lock_order(conn, order_id)
        amendment = pending_amendment(conn, order_id)
        child = get_child(conn, wanted.child.id)
        if amendment is None or order.status is not OrderStatus.PENDING_AMEND or child.status != wanted.child.status:
            raise Stale(f"order {order_id} has moved on")
        child = claim(conn, child, owner=runtime.owner, lease_ms=lease_ms)
        may_ask = child.status is not ChildStatus.PENDING_AMEND or venue_time > _sure_at(runtime, child)
        if may_ask:
            deadline = venue_time + timedelta(milliseconds=_window_ms(runtime, child))
            child = move_child(
                conn,
                child,
                ChildStatus.PENDING_AMEND,
                cause=CAUSE,
                now=now,
                quantity=max(child.quantity, wanted.quantity),
                deadline=max(deadline, child.deadline or deadline),
            )
        if amendment.target_quantity > amendment.previous_quantity and not is_raised(order, amendment):
            order = move_order(
                conn,
                order,
                OrderStatus.PENDING_AMEND,
                cause="the venue is asked",
                reason=order.reason,
                now=now,
                quantity=amendment.target_quantity,
            )
    return order, child, may_ask


def _ask(
    runtime: Runtime, gateway: Gateway, order: Order, child: ChildOrder, wanted: InPlace, venue_time: datetime
) -> Reason | bool:
    """Why the venue refused it; True: it says that it took it; False: nobody knows. Raises NotAmendable: nothing left."""
    try:
        gateway.amend_order(
            child.symbol,
            child.venue_order_id or "",
            side=order.side,
            type=order.type,
            quantity=wanted.quantity,
            price=wanted.price,
            filled_quantity=child.filled_quantity,
            post_only=order.post_only,
            timestamp=venue_time,
            window_ms=_window_ms(runtime, child),
        )
    except NotAmendable:
        raise
    except NotRounded as error:
        return Reason(code="NOT_SENDABLE", message=f"{error}. The venue may have changed the instrument")
    except VenueError as error:
        if error.evidence is Evidence.REJECTED:
            return Reason(code="VENUE_REJECTED", message=error.message)
        note_failed_read(runtime, child.venue, child.account, error)
        return False
    return True


def _shows(report: OrderReport, wanted: InPlace, *, said_yes: bool) -> bool:
    """Whether it rests as it was asked for. A price that is not shown is believed to the venue's own yes, and else is no news."""
    if report.quantity != wanted.quantity:
        return False
    return report.price == wanted.price or (report.price is None and (said_yes or wanted.child.price == wanted.price))


def _take(runtime: Runtime, child: ChildOrder, wanted: InPlace) -> ChildOrder:
    """The venue has it as it was asked for."""
    now = runtime.now()
    with write(runtime.engine) as conn:
        lock_order(conn, child.order_id)
        status = ChildStatus.PARTIALLY_FILLED if child.filled_quantity else ChildStatus.ACCEPTED
        child = get_child(conn, child.id)
        if child.status is not ChildStatus.PENDING_AMEND:
            return child
        return move_child(
            conn, child, status, cause="amended at the venue", now=now, quantity=wanted.quantity, price=wanted.price
        )


def _refuse(runtime: Runtime, order_id: str, reason: Reason, instrument: Instrument) -> None:
    with write(runtime.engine) as conn:
        order = lock_order(conn, order_id)
        amendment = pending_amendment(conn, order_id)
        if amendment is not None and order.status is OrderStatus.PENDING_AMEND:
            refuse(conn, runtime, order, amendment, reason, instrument, runtime.now())


def _window_ms(runtime: Runtime, child: ChildOrder) -> int:
    return runtime.settings.venues[child.venue].recv_window_ms


def _sure_at(runtime: Runtime, child: ChildOrder) -> datetime:
    """The venue's time after which what it shows is not changed by a request of ours that is still under way."""
    venue = runtime.settings.venues[child.venue]
    assert child.deadline is not None
    return child.deadline + timedelta(milliseconds=venue.clock_skew_ms + venue.visibility_lag_ms)


def _until_sure_s(runtime: Runtime, child: ChildOrder, venue_time: datetime) -> float:
    return max((_sure_at(runtime, child) - venue_time).total_seconds(), SOON_S)


def _let_go(runtime: Runtime, child: ChildOrder) -> None:
    with write(runtime.engine) as conn:
        release(conn, child, owner=runtime.owner)
