"""Validate: every check votes; one no denies the order and releases its hold."""

from datetime import timedelta

from failpoints import failpoint
from models.lateness import late
from models.retry import Trouble
from models.vocabulary import OrderStatus
from risk.checks import Circumstances, denial
from storage.engine import read, write
from storage.halts import halt_meeting
from storage.orders import FIRST_PATIENCE_S, get_order, lock_order, move_order
from tasks.ending import end_unsent
from tasks.instruments import instrument_of
from tasks.postpone import try_again_later
from tasks.runtime import Runtime
from tasks.step import step
from tasks.stops import freeze_of

CAUSE = "validate"


def validate(runtime: Runtime, *, order_id: str, tries: int = 0) -> str:
    """PREPARED → VALIDATED, or DENIED with the first no, or EXPIRED when its time is over."""
    now = runtime.now()
    execution = runtime.settings.execution
    with read(runtime.engine) as conn:
        order = get_order(conn, order_id)
    if order.status is not OrderStatus.PREPARED:
        # Where prepare was put off its row has its time: no second one from here.
        return f"nothing to do: {order.status}"
    instrument = instrument_of(runtime, order.venue, order.symbol)
    if instrument is None:
        return try_again_later(runtime, order, Trouble.VENUE_READ, tries, f"{order.symbol} is not known at present")
    with write(runtime.engine) as conn:
        order = lock_order(conn, order_id)
        if order.status is not OrderStatus.PREPARED:
            return f"nothing to do: {order.status}"
        too_late = late(order, now, execution.max_age_s)
        if too_late is not None:
            end_unsent(conn, order, OrderStatus.EXPIRED, too_late, cause=CAUSE, now=now)
            return f"expired: {too_late.code}"
        halt = halt_meeting(conn, order.venue, order.account)
        if halt is not None and halt.ends_nothing:
            halt = None  # the order waits before its send
        freeze = freeze_of(conn, order)
        stops = {"halted": halt.sentence() if halt else None, "frozen": freeze.sentence() if freeze else None}
        no = denial(order, Circumstances(instrument=instrument, **stops))
        if no is not None:
            end_unsent(conn, order, OrderStatus.DENIED, no, cause=CAUSE, now=now)
            return f"denied: {no.code}"
        failpoint("validate.checked")
        move_order(
            conn,
            order,
            OrderStatus.VALIDATED,
            cause=CAUSE,
            now=now,
            rescue_at=now + timedelta(seconds=FIRST_PATIENCE_S),
        )
    failpoint("validate.committed")
    return "validated"


validate_task = step("orders.validate")(validate)
