"""Orders whose time is over."""

from datetime import datetime, timedelta

from models.clock import format_time, parse_time
from models.order import Order, Reason
from models.transitions import ORDER_UNSENT


def late(
    order: Order, now: datetime, max_age_s: float, *, sent: bool = False, meant_for: datetime | None = None
) -> Reason | None:
    """Why nothing of the order may be sent any more, or None while it may.

    ``sent``: a copy of it may have reached the venue before, and was proven absent since. Then its first send was in
    time, and still the market it was meant for is gone: it is not sent again, and the code says so. Of a schedule it is
    the beginning that may not be late; from then on its slices have times of their own (`late_slice_s`).
    ``meant_for``: when it was to meet the market, where that is not when it was submitted: a further attempt.
    """
    if order.has_expired(now):
        assert order.expires_at is not None
        return Reason(code="EXPIRED", message=f"its time was over at {format_time(order.expires_at)}")
    if order.is_scheduled:
        if order.status not in ORDER_UNSENT:
            return None
        start_at = order.algorithm.get("start_at")
        meant_for = parse_time(start_at) if isinstance(start_at, str) else order.submitted_at
    meant_for = meant_for or order.submitted_at
    if order.is_immediate and now > meant_for + timedelta(seconds=max_age_s):
        again = " again" if sent else ""
        return Reason(
            code="TOO_OLD_TO_RESEND" if sent else "TOO_OLD",
            message=(
                f"a {order.type} {order.time_in_force} order is not sent{again} more than {max_age_s:g} s after "
                f"{format_time(meant_for)}: the market it was meant for is gone"
            ),
        )
    return None
