"""Orders that may not ask their venue now: they wait in their rows, and say what they wait for.

Breaker and rate are passed before the intent is written. An order that is held back does not hold a worker: its row gets
a time, and whoever waits too long for what it is ends as its age or its `expires_at` says.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from exchanges.gateway import Gateway
from exchanges.protection.lanes import patience_after, waiting_at_most
from exchanges.protection.refused import BreakerOpen, GateClosed, NotAdmitted
from exchanges.protection.turnstile import create_weight
from failpoints import failpoint
from models.clock import format_time
from models.order import Order, Reason
from models.transitions import ORDER_UNSENT
from storage.engine import write
from storage.orders import lock_order, move_order
from tasks.outcomes import PutOff
from tasks.postpone import send_on_at
from tasks.runtime import Runtime
from tasks.waited import WAITING

CAUSE = "held back"

#: A longer wait is told on the order, and so are many short ones; each such word is a new version of it.
WORTH_TELLING_S, WORTH_TELLING_TRIES = 1.0, 5

#: How soon to come again at the earliest, and at the latest: a breaker may be closed by hand, or by a probe, at any time.
SOONEST_S, LATEST_S = 0.05, 8.0
#: The same for who waits for a probe: all of them come back when it is due, and it takes its time.
SOONEST_AFTER_A_PROBE_S = 1.0
#: Waits are spread by this share, and at most so many seconds: what was held back together must not come back together.
SPREAD, WIDEST_SPREAD_S = 0.25, 2.0


def sends_admitted(runtime: Runtime, gateway: Gateway, order: Order) -> None:
    """Before the intent: waits for the slot of its send. Raises NotAdmitted, and nothing was taken.

    What is then sent under ``admitted()`` passes without waiting: a wait after the intent would age its timestamp.
    """
    venue = runtime.settings.venues[order.venue]
    weight = create_weight(venue.ccxt_id, acknowledges_only=gateway.capabilities.acknowledges_only)
    runtime.protection.turnstile(order.venue, order.account).admit(weight)


@contextmanager
def one_of(runtime: Runtime, order: Order, tries: int) -> Iterator[None]:
    """A step of an order that asks its venue: with a seat, and the more patient the oftener it was sent back.

    Raises NoSeat.
    """
    with waiting_at_most(patience_after(tries)), runtime.protection.turnstile(order.venue, order.account).seat():
        yield


def wait_for_turn(
    runtime: Runtime, order: Order, refused: NotAdmitted, tries: int, *, child_id: str | None = None
) -> PutOff:
    """Back to its row, until it may be asked for again."""
    is_away = isinstance(refused, BreakerOpen)
    wait_s = max(refused.retry_after_s or 0.0, SOONEST_AFTER_A_PROBE_S if is_away else SOONEST_S)
    if not isinstance(refused, GateClosed):  # which nobody opens sooner
        wait_s = min(wait_s, LATEST_S)
    wait_s += min(SPREAD * wait_s, WIDEST_SPREAD_S) * runtime.chance()
    due_at = runtime.now() + timedelta(seconds=wait_s)
    tell = is_away or wait_s >= WORTH_TELLING_S or tries >= WORTH_TELLING_TRIES
    reason = Reason(code=refused.code_of_wait, message=refused.message) if tell else None
    return PutOff(_wait(runtime, order, reason, due_at, tries + 1, child_id) + refused.message)


def wait_for_gate(
    runtime: Runtime, order: Order, closed: datetime, tries: int, *, child_id: str | None = None
) -> PutOff:
    """Back to its row: the venue wants to be left alone until then."""
    message = f"{order.venue} wants to be left alone until {format_time(closed)}: nothing was sent"
    reason = Reason(code=GateClosed.code_of_wait, message=message)
    return PutOff(_wait(runtime, order, reason, closed, tries, child_id) + message)


def _wait(
    runtime: Runtime, order: Order, reason: Reason | None, due_at: datetime, tries: int, child_id: str | None
) -> str:
    now = runtime.now()
    with write(runtime.engine) as conn:
        fresh = lock_order(conn, order.id)
        over_at = _over_at(runtime, fresh)
        if over_at is not None:  # one that will be too old by then is ended when it is
            due_at = max(min(due_at, over_at), now)
        if reason is not None and child_id is None and _is_silent(fresh, reason):
            move_order(conn, fresh, fresh.status, cause=CAUSE, reason=reason, now=now)
        send_on_at(conn, order.id, due_at, tries=tries, now=now, child_id=child_id)
    failpoint("retry.scheduled")
    return f"again in {(due_at - now).total_seconds():.2f} s: "


def _is_silent(order: Order, reason: Reason) -> bool:
    """Nothing of it was sent, and it does not say already that it waits for this."""
    if order.status not in ORDER_UNSENT or order.ending is not None:
        return False
    return order.reason is None or (order.reason.code in WAITING and order.reason.code != reason.code)


def _over_at(runtime: Runtime, order: Order) -> datetime | None:
    """Just after the last moment at which it may be sent; None for one that may wait for ever."""
    ends = [order.expires_at] if order.expires_at is not None else []
    if order.is_immediate and order.status in ORDER_UNSENT and not order.is_scheduled:
        ends.append(order.submitted_at + timedelta(seconds=runtime.settings.execution.max_age_s))
    return min(ends) + timedelta(milliseconds=10) if ends else None
