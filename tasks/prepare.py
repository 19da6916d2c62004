"""Prepare: the arrival price, the plan of slices, and a hold on what the order may spend."""

from datetime import datetime, timedelta
from decimal import Decimal

from sqlalchemy import Connection

from accounting.holds import FeeIn, Hold, hold_needed, market_buy_price
from exchanges.evidence import VenueError
from exchanges.protection.refused import NotAdmitted
from failpoints import failpoint
from models.instrument import Instrument
from models.lateness import late
from models.money import ZERO, plain
from models.order import Order, Reason
from models.reports import Quote
from models.retry import Trouble
from models.vocabulary import OrderStatus, OrderType
from storage.children import insert_child
from storage.early_cancels import early_cancel_of
from storage.engine import read, write
from storage.ledger import InsufficientFunds, place_hold
from storage.orders import FIRST_PATIENCE_S, get_order, lock_order, move_order
from storage.schedules import Schedule, insert_schedule
from tasks.admission import one_of, wait_for_turn
from tasks.books import adopt_deposit_if_any, ensure_books_open
from tasks.ending import end_unsent, expire_unsent
from tasks.instruments import instrument_of
from tasks.new_child import new_child
from tasks.postpone import start_again, try_again_later
from tasks.runtime import Runtime
from tasks.step import step, trouble_of

CAUSE = "prepare"

#: what a step says of an order that is another by the time it would write
AMENDED = "amended meanwhile; begun anew"


def prepare(runtime: Runtime, *, order_id: str, tries: int = 0) -> str:
    """RECEIVED → PREPARED, or DENIED for want of funds, or CANCELED by a cancel that came first."""
    with read(runtime.engine) as conn:
        order = get_order(conn, order_id)
        canceled_at = early_cancel_of(conn, order.account, order.client_order_id, runtime.now())
    if order.status is not OrderStatus.RECEIVED:
        return f"nothing to do: {order.status}"
    if canceled_at is not None:
        return _end_by_early_cancel(runtime, order_id, canceled_at)
    if late(order, runtime.now(), runtime.settings.execution.max_age_s):
        return expire_unsent(runtime, order_id)
    instrument = instrument_of(runtime, order.venue, order.symbol)
    if instrument is None:
        return try_again_later(runtime, order, Trouble.VENUE_READ, tries, f"{order.symbol} is not known at present")
    try:
        with one_of(runtime, order, tries):
            ensure_books_open(runtime, order.venue, order.account)
            quote = runtime.gateways.get(order.venue, order.account).quote(order.symbol)
    except NotAdmitted as refused:
        return wait_for_turn(runtime, order, refused, tries)
    except VenueError as error:
        return try_again_later(runtime, order, trouble_of(error), tries, error.message)
    if order.type is OrderType.MARKET and quote.ask is None:
        return try_again_later(runtime, order, Trouble.VENUE_READ, tries, f"{order.symbol} has no offers now")
    failpoint("prepare.quoted")
    hold = _hold_for(runtime, order, instrument, quote)
    try:
        said = _reserve(runtime, order, quote, hold)
    except InsufficientFunds:
        failpoint("prepare.short")
        return _ask_once_for_a_deposit(runtime, order, quote, hold, tries)
    failpoint("prepare.committed")
    return said


def _hold_for(runtime: Runtime, order: Order, instrument: Instrument, quote: Quote) -> Hold:
    """What the whole order can take at most, at its limit or at the ask and a buffer."""
    price = order.price
    if price is None:
        price = market_buy_price(quote.ask or ZERO, runtime.settings.execution.market_hold_buffer)
    capabilities = runtime.gateways.get(order.venue, order.account).capabilities
    return hold_needed(
        side=order.side,
        base=order.base,
        quote=order.quote,
        remaining=order.quantity,
        price=price,
        fee_rate=instrument.taker_fee,
        fee_in=FeeIn(capabilities.fee_in),
    )


def _reserve(runtime: Runtime, seen: Order, quote: Quote, hold: Hold) -> str:
    """``seen``: the order that the hold was computed for. One that was amended since is begun anew at once."""
    now = runtime.now()
    with write(runtime.engine) as conn:
        order = lock_order(conn, seen.id)
        if order.status is not OrderStatus.RECEIVED:
            return f"nothing to do: {order.status}"
        if (order.quantity, order.price) != (seen.quantity, seen.price):
            start_again(conn, order.id, now)
            return AMENDED
        place_hold(
            conn,
            order_id=order.id,
            venue=order.venue,
            account=order.account,
            asset=hold.asset,
            amount=hold.amount,
            at=now,
        )
        failpoint("prepare.held")
        _plan(conn, runtime, order, now)
        failpoint("prepare.planned")
        move_order(
            conn,
            order,
            OrderStatus.PREPARED,
            cause=CAUSE,
            now=now,
            detail={"hold": {hold.asset: plain(hold.amount)}},
            arrival_price=quote.mid,
            rescue_at=now + timedelta(seconds=FIRST_PATIENCE_S),
        )
    return "prepared"


def _plan(conn: Connection, runtime: Runtime, order: Order, now: datetime) -> None:
    """The one slice of an order that is sent whole; of another, an empty schedule (tasks/plan.py fills it)."""
    if order.is_scheduled:
        insert_schedule(conn, Schedule(order_id=order.id))
        return
    child = new_child(
        conn,
        runtime,
        order,
        slice_number=0,
        attempt=1,
        quantity=order.quantity,
        price=order.price,
        due_at=now,
        now=now,
    )
    insert_child(conn, child, cause=CAUSE, now=now)


def _ask_once_for_a_deposit(runtime: Runtime, order: Order, quote: Quote, hold: Hold, tries: int) -> str:
    """Our books lack the funds; the venue may have more, and only its word makes it a denial."""
    try:
        with one_of(runtime, order, tries):
            looked = adopt_deposit_if_any(runtime, order.venue, order.account, hold.asset)
    except NotAdmitted as refused:
        return wait_for_turn(runtime, order, refused, tries)
    except VenueError as error:
        looked = f"the venue could not be asked for its balance ({error.message})"
    try:
        said = _reserve(runtime, order, quote, hold)
    except InsufficientFunds as short:
        return _deny(runtime, order, short.needed, short.available, hold.asset, looked)
    return f"{said} after a deposit"


def _deny(runtime: Runtime, seen: Order, needed: Decimal, available: Decimal, asset: str, looked: str) -> str:
    reason = Reason(
        code="INSUFFICIENT_FUNDS",
        message=f"the order needs {plain(needed)} {asset}, {plain(available)} {asset} are available; {looked}",
    )
    with write(runtime.engine) as conn:
        order = lock_order(conn, seen.id)
        if order.status is not OrderStatus.RECEIVED:
            return f"nothing to do: {order.status}"
        if (order.quantity, order.price) != (seen.quantity, seen.price):
            start_again(conn, order.id, runtime.now())
            return AMENDED
        end_unsent(conn, order, OrderStatus.DENIED, reason, cause=CAUSE, now=runtime.now())
    return f"denied: {reason.code}"


def _end_by_early_cancel(runtime: Runtime, order_id: str, canceled_at: datetime) -> str:
    reason = Reason(code="CANCEL_REQUESTED", message="the cancel came before the order; nothing was sent")
    with write(runtime.engine) as conn:
        order = lock_order(conn, order_id)
        if order.status is not OrderStatus.RECEIVED:
            return f"nothing to do: {order.status}"
        now = runtime.now()
        move_order(
            conn,
            order,
            OrderStatus.CANCELED,
            cause="cancel came first",
            reason=reason,
            now=now,
            cancel_requested_at=canceled_at,
            ending=OrderStatus.CANCELED,
        )
    return "canceled unsent"


prepare_task = step("orders.prepare")(prepare)
