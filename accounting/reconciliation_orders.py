"""Reconciliation of orders: children as our rows have them and orders as the venue shows them → what does not agree."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from models.money import plain, subtract
from models.order import ChildOrder
from models.reconciliation import BreakAction, BreakSeverity
from models.reports import OrderReport, VenueStatus
from models.transitions import CHILD_IN_DOUBT
from models.vocabulary import ChildStatus

#: being changed or looked up at this moment: whoever does it concludes, not a comparison
_IN_OTHER_HANDS = CHILD_IN_DOUBT | {ChildStatus.PENDING_CANCEL, ChildStatus.PENDING_AMEND}


class OrderProblem(StrEnum):
    #: rests at the venue, and neither its id nor its client id is ours: somebody else trades on the account
    FOREIGN = "foreign"
    #: carries a client id of this deployment that no row of ours has
    NOT_ON_RECORD = "not_on_record"
    #: ended by our rows, and rests at the venue
    RESTS_AFTER_END = "rests_after_end"
    #: a second order at the venue under the client id of a child
    SECOND = "second"
    #: acknowledged, and the venue says that it does not know it
    NOT_AT_VENUE = "not_at_venue"
    #: the venue tells of more filled than it shows trades for
    TRADES_MISSING = "trades_missing"
    #: our books have more filled than the venue tells
    OVERBOOKED = "overbooked"
    #: another quantity rests there than our row has
    OTHER_QUANTITY = "other_quantity"


#: what is told, and does not stop the account: no order of ours is in doubt
REPORTED_ONLY = frozenset({OrderProblem.FOREIGN})


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderBreak:
    problem: OrderProblem
    symbol: str
    #: ours, where there is one
    order_id: str | None
    child_id: str | None
    venue_order_id: str | None
    #: filled quantities (quantities for OTHER_QUANTITY) in base; None on a side that does not know the order
    ours: Decimal | None
    theirs: Decimal | None
    message: str

    @property
    def key(self) -> str:
        """The same for the same problem of the same order, in every look."""
        return f"{self.problem}:{self.symbol}:{self.venue_order_id or self.child_id}"

    @property
    def content(self) -> tuple[str, Decimal | None, Decimal | None]:
        """What must be equal in two looks for it to stand."""
        return self.key, self.ours, self.theirs

    @property
    def difference(self) -> Decimal | None:
        return None if self.ours is None or self.theirs is None else subtract(self.theirs, self.ours)

    @property
    def severity(self) -> BreakSeverity:
        return BreakSeverity.TOLERANCE if self.problem in REPORTED_ONLY else BreakSeverity.CRITICAL

    @property
    def action(self) -> BreakAction:
        return BreakAction.REPORT if self.problem in REPORTED_ONLY else BreakAction.FREEZE


def order_breaks(
    children: Iterable[ChildOrder],
    open_orders: Sequence[OrderReport],
    asked: Mapping[str, OrderReport | None],
    is_ours: Callable[[str], bool],
) -> list[OrderBreak]:
    """What does not agree, by key.

    ``children``: the live ones of the account, and every one that an open order names by either id. ``asked``: of each
    live child that is not among ``open_orders`` what the venue says of it by its id, None where it says that it has
    none such; one that was not asked about is not judged: missing in a list proves nothing.
    """
    listed = list(children)
    by_venue_id = {(child.symbol, child.venue_order_id): child for child in listed if child.venue_order_id}
    by_client_id = {child.venue_client_order_id: child for child in listed}
    found = []
    for report in open_orders:
        child = by_venue_id.get((report.symbol, report.venue_order_id))
        named = by_client_id.get(report.client_order_id or "")
        found.append(_of_open(report, child, named, is_ours))
    resting = {(report.symbol, report.venue_order_id) for report in open_orders}
    for child in listed:
        key = child.venue_order_id or ""
        if (
            child.is_live
            and child.status not in _IN_OTHER_HANDS
            and key in asked
            and (child.symbol, key) not in resting
        ):
            found.append(_of_asked(child, asked[key]))
    return sorted((one for one in found if one is not None), key=lambda one: one.key)


def _of_open(
    report: OrderReport, child: ChildOrder | None, named: ChildOrder | None, is_ours: Callable[[str], bool]
) -> OrderBreak | None:
    if child is not None:
        if child.status in _IN_OTHER_HANDS:
            return None
        if child.is_final:
            words = f"it ended here as {child.status} and rests at {child.venue}; cancel it there"
            return _break(OrderProblem.RESTS_AFTER_END, report, child, words)
        return _filled(child, report) or _size(child, report)
    if named is not None:
        if named.status in _IN_OTHER_HANDS or named.status is ChildStatus.PLANNED:
            return None  # its lookup finds it
        words = f"it carries the client id of child {named.id}, which is order {named.venue_order_id}; cancel it there"
        return _break(OrderProblem.SECOND, report, named, words)
    client_id = report.client_order_id
    if client_id is not None and is_ours(client_id):
        words = (
            f"it carries the client id {client_id} of this deployment, and no row has it: were the books restored from "
            "a backup? Cancel it at the venue, and book what it traded"
        )
        return _break(OrderProblem.NOT_ON_RECORD, report, None, words)
    words = f"it is not ours (client id {client_id or 'none'}): somebody else trades on the account"
    return _break(OrderProblem.FOREIGN, report, None, words)


def _of_asked(child: ChildOrder, report: OrderReport | None) -> OrderBreak | None:
    if report is None:
        words = (
            f"{child.venue} acknowledged it and says now that it does not know it. Nobody guesses what became of it: look "
            f"at the venue's own page; `steadfill order show {child.order_id}` tells what we know"
        )
        return OrderBreak(
            problem=OrderProblem.NOT_AT_VENUE,
            symbol=child.symbol,
            order_id=child.order_id,
            child_id=child.id,
            venue_order_id=child.venue_order_id,
            ours=child.filled_quantity,
            theirs=None,
            message=f"order {child.venue_order_id} in {child.symbol}: {words}",
        )
    return _filled(child, report)


def _filled(child: ChildOrder, report: OrderReport) -> OrderBreak | None:
    """The venue's word on what has filled, after its trades were booked."""
    ours, theirs = child.filled_quantity, report.filled_quantity
    if ours == theirs:
        return None
    if theirs > ours:
        words = f"{plain(theirs)} filled by its page, and its trades add up to {plain(ours)}"
        return _break(OrderProblem.TRADES_MISSING, report, child, words)
    words = f"{plain(ours)} filled in our books, and the venue tells of {plain(theirs)}; nothing is taken back"
    return _break(OrderProblem.OVERBOOKED, report, child, words)


def _size(child: ChildOrder, report: OrderReport) -> OrderBreak | None:
    if report.quantity is None or report.status is not VenueStatus.OPEN or report.quantity == child.quantity:
        return None
    words = f"it rests there with a quantity of {plain(report.quantity)} and is {plain(child.quantity)} here"
    return _break(OrderProblem.OTHER_QUANTITY, report, child, words, ours=child.quantity, theirs=report.quantity)


def _break(
    problem: OrderProblem,
    report: OrderReport,
    child: ChildOrder | None,
    words: str,
    *,
    ours: Decimal | None = None,
    theirs: Decimal | None = None,
) -> OrderBreak:
    booked = None if child is None else child.filled_quantity
    return OrderBreak(
        problem=problem,
        symbol=report.symbol,
        order_id=None if child is None else child.order_id,
        child_id=None if child is None else child.id,
        venue_order_id=report.venue_order_id,
        ours=ours if ours is not None else booked,
        theirs=theirs if theirs is not None else report.filled_quantity,
        message=f"order {report.venue_order_id} in {report.symbol}: {words}",
    )
