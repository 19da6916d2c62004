"""What a request meets that is not let out. Nothing was sent, so it is evidence like any other."""

from exchanges.evidence import Evidence, VenueError


class NotAdmitted(VenueError):
    """Held back by us: surely not sent, no failure of the venue. ``retry_after_s``: when to come again."""


class BreakerOpen(NotAdmitted):
    """The venue account is away; new orders and what is read for them wait."""


class BudgetSpent(NotAdmitted):
    """The rate of the venue account is used up for the moment, or the venue wants to be left alone."""


def breaker_open(venue: str, account: str, status: str, retry_after_s: float) -> BreakerOpen:
    message = (
        f"the breaker of {venue} (account {account}) is {status.replace('_', '-')}: nothing was sent; it is looked "
        f"after in {retry_after_s:.0f} s"
    )
    return BreakerOpen(Evidence.NOT_SENT, message, retry_after_s=retry_after_s)


def budget_spent(venue: str, account: str, retry_after_s: float, *, closed: bool) -> BudgetSpent:
    why = "wants to be left alone" if closed else "has had all the requests that its rate limit allows for now"
    message = f"{venue} (account {account}) {why}: nothing was sent; there is room in {retry_after_s:.1f} s"
    return BudgetSpent(Evidence.NOT_SENT, message, retry_after_s=retry_after_s)
