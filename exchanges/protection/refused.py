"""What a request meets that is not let out. Nothing was sent, so it is evidence like any other."""

from datetime import datetime

from exchanges.evidence import Evidence, VenueError
from models.clock import format_time

#: how soon to come again where all seats are taken, in seconds
SEAT_RETRY_S = 0.25


class NotAdmitted(VenueError):
    """Held back by us: surely not sent, no failure of the venue. ``retry_after_s``: when to come again."""

    #: of the reason that an order bears which waits for it
    code_of_wait = "NOT_ADMITTED"


class BreakerOpen(NotAdmitted):
    """The venue account is away; new orders and what is read for them wait."""

    code_of_wait = "BREAKER_OPEN"


class BudgetSpent(NotAdmitted):
    """The rate of the venue account is used up for the moment."""

    code_of_wait = "RATE_SPENT"


class GateClosed(BudgetSpent):
    """The venue has asked to be left alone: nothing leaves before that is over."""

    code_of_wait = "GATE_CLOSED"


class NoSeat(NotAdmitted):
    """As many requests as may wait on the venue in this process do."""

    code_of_wait = "VENUE_BUSY"


def breaker_open(
    venue: str, account: str, status: str, retry_after_s: float, *, since: datetime | None = None
) -> BreakerOpen:
    opened = f" since {format_time(since)}" if since is not None else ""
    message = (
        f"the breaker of {venue} (account {account}) is {status.replace('_', '-')}{opened}: nothing was sent; it is "
        f"looked after in {retry_after_s:.0f} s"
    )
    return BreakerOpen(Evidence.NOT_SENT, message, retry_after_s=retry_after_s)


def budget_spent(venue: str, account: str, retry_after_s: float, *, closed: bool) -> BudgetSpent:
    why = "wants to be left alone" if closed else "has had all the requests that its rate limit allows for now"
    message = f"{venue} (account {account}) {why}: nothing was sent; there is room in {retry_after_s:.1f} s"
    kind = GateClosed if closed else BudgetSpent
    return kind(Evidence.NOT_SENT, message, retry_after_s=retry_after_s)


def no_seat(venue: str) -> NoSeat:
    message = f"as many requests as may wait on {venue} at once are under way: nothing was sent"
    return NoSeat(Evidence.NOT_SENT, message, retry_after_s=SEAT_RETRY_S)
