"""Where a child stands after a report: decided from booked fills and the venue's word."""

from decimal import Decimal

from models.order import ChildOrder
from models.reports import OrderReport, VenueStatus
from models.transitions import CHILD_FINAL
from models.vocabulary import ChildStatus

_PENDING = frozenset({ChildStatus.PENDING_CANCEL, ChildStatus.PENDING_AMEND})

_ENDS = {
    VenueStatus.FILLED: ChildStatus.CANCELED,  # ended short of its quantity, whatever the venue calls it
    VenueStatus.CANCELED: ChildStatus.CANCELED,
    VenueStatus.EXPIRED: ChildStatus.EXPIRED,
    VenueStatus.REJECTED: ChildStatus.REJECTED,
}


def status_after(child: ChildOrder, report: OrderReport, booked: Decimal) -> ChildStatus:
    """The child's status once fills of ``booked`` in all are in the books.

    An end counts only when every fill that the venue tells of is booked: until then the child stays live, so
    that nothing of its hold is released. What has ended is never opened again by an older report.
    """
    if booked >= child.quantity:
        return ChildStatus.FILLED
    if child.status in CHILD_FINAL and child.status is not ChildStatus.REJECTED:
        return child.status
    if child.status is ChildStatus.REJECTED and booked == 0:
        return child.status
    if report.status is not VenueStatus.OPEN and booked >= report.filled_quantity:
        end = _ENDS[report.status]
        if end is ChildStatus.REJECTED and booked > 0:
            return ChildStatus.CANCELED
        return end
    if child.status in _PENDING:
        return child.status
    if booked > 0:
        return ChildStatus.PARTIALLY_FILLED
    return ChildStatus.ACCEPTED


def lacks_trades(report: OrderReport, booked: Decimal) -> bool:
    """Whether the venue tells of fills that are not booked yet."""
    return report.filled_quantity > booked
