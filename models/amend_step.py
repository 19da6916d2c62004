"""What has to happen next for an amendment, decided from the order's rows alone: so that any process may go on with it.

Never more than the new total may trade, whatever fills on the way: what rests beyond it, or at another price, is ended
first, and its final filled quantity is known before anything else is planned.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from models.amendment import Amendment
from models.instrument import Instrument
from models.money import ZERO, add, plain, subtract
from models.next_attempt import is_sendable
from models.order import ChildOrder, Order, Reason
from models.promise import spoken_for
from models.vocabulary import ChildStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """First it must be known what became of this send."""

    child: ChildOrder


@dataclass(frozen=True, slots=True, kw_only=True)
class InPlace:
    """The venue is asked to change the order that rests."""

    child: ChildOrder
    #: base: the child's own new total
    quantity: Decimal
    price: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdraw:
    """These are ended at the venue; what they filled until then is known after that."""

    children: tuple[ChildOrder, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Refuse:
    """It can't be done any more; the order is as it was before, or as it ended meanwhile."""

    reason: Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """The next attempt at a slice whose last one is final, or is dropped unsent."""

    after: ChildOrder
    quantity: Decimal
    price: Decimal | None
    due_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Conclude:
    """Nothing stands in the way: the order gets its new values, and what is planned follows them."""

    quantity: Decimal
    price: Decimal | None
    #: planned, and not sent any more
    drop: tuple[ChildOrder, ...] = ()
    #: planned, with the quantity and price that they get
    keep: tuple[ChildOrder, ...] = ()
    send: tuple[Attempt, ...] = ()
    #: why what is left is not sent again: the order ends with it
    short: Reason | None = None


Step = Wait | InPlace | Withdraw | Refuse | Conclude


def next_step(
    order: Order,
    amendment: Amendment,
    children: Sequence[ChildOrder],
    instrument: Instrument,
    now: datetime,
    *,
    in_place: bool,
    is_over: bool = False,
) -> Step:
    """``children``: by slice and attempt. ``in_place``: the venue can change this order where it rests.

    ``is_over``: the order's schedule plans nothing more.
    """
    if order.is_scheduled:
        return _of_schedule(order, amendment, children, instrument, now, is_over=is_over)
    return _of_whole(order, amendment, children, instrument, now, in_place=in_place)


def is_raised(order: Order, amendment: Amendment) -> bool:
    """Whether the order counts at its new, larger size already: so it does before a venue is asked to raise it in place."""
    return order.quantity > amendment.previous_quantity


def _of_whole(
    order: Order,
    amendment: Amendment,
    children: Sequence[ChildOrder],
    instrument: Instrument,
    now: datetime,
    *,
    in_place: bool,
) -> Step:
    total, last = amendment.target_quantity, children[-1]
    if last.is_in_doubt:
        return Wait(child=last)
    #: what this attempt should be, fills included
    wanted, price = subtract(total, filled_of(children[:-1])), _price(amendment, last)
    if last.is_live:
        if (last.quantity, last.price) == (wanted, price) and last.status is not ChildStatus.PENDING_AMEND:
            return _values(amendment)
        can = in_place and last.status is not ChildStatus.PENDING_CANCEL
        if can and price is not None and wanted > last.filled_quantity:
            return InPlace(child=last, quantity=wanted, price=price)
        return Withdraw(children=(last,))
    filled = filled_of(children)
    if filled >= total:
        return replace(_values(amendment), quantity=filled, drop=_planned(children))
    if last.status is ChildStatus.PLANNED:
        return _of_planned(amendment, last, wanted, instrument, now)
    if _goes_on(amendment, last):
        return _rest_of(amendment, last, subtract(total, filled), instrument, now)
    if is_raised(order, amendment) and filled > amendment.previous_quantity:
        return _values(amendment)  # the venue did raise it, and has ended it since
    return Refuse(reason=_ended(order, last))


def _of_planned(
    amendment: Amendment, last: ChildOrder, wanted: Decimal, instrument: Instrument, now: datetime
) -> Conclude:
    if last.sends:  # copies of it were refused: another size under their id would not be told from them
        return replace(_rest_of(amendment, last, wanted, instrument, now), drop=(last,))
    price = _price(amendment, last)
    if not is_sendable(wanted, price, instrument):
        return replace(_too_small(amendment, wanted, instrument), drop=(last,))
    return replace(_values(amendment), keep=(replace(last, quantity=wanted, price=price),))


def _rest_of(amendment: Amendment, last: ChildOrder, rest: Decimal, instrument: Instrument, now: datetime) -> Conclude:
    price = _price(amendment, last)
    if not is_sendable(rest, price, instrument):
        return _too_small(amendment, rest, instrument)
    attempt = Attempt(after=last, quantity=rest, price=price, due_at=_due(last, now))
    return replace(_values(amendment), send=(attempt,))


def _too_small(amendment: Amendment, rest: Decimal, instrument: Instrument) -> Conclude:
    message = f"fills during the amendment left {plain(rest)} {instrument.base}, less than {instrument.venue} takes as an order"
    return replace(_values(amendment), short=Reason(code="REST_TOO_SMALL", message=message))


def _values(amendment: Amendment) -> Conclude:
    """The order has its new values, and nothing else is to be done."""
    return Conclude(quantity=amendment.target_quantity, price=amendment.target_price)


def _price(amendment: Amendment, child: ChildOrder) -> Decimal | None:
    """What the child, or what comes after it, is to cost; a fill policy may have given it a price within the order's."""
    return child.price if amendment.price is None else amendment.price


def _of_schedule(
    order: Order,
    amendment: Amendment,
    children: Sequence[ChildOrder],
    instrument: Instrument,
    now: datetime,
    *,
    is_over: bool,
) -> Step:
    total = amendment.target_quantity
    if is_over and total > amendment.previous_quantity:
        return Refuse(reason=schedule_is_over(order))
    filled = filled_of(children)
    live = [child for child in children if child.is_live]
    if filled >= total:
        ended = replace(_values(amendment), quantity=filled, drop=_planned(children))
        return _ending(live) or ended
    fitted = _fitted(children, subtract(spoken_for(children), total), amendment, instrument)
    in_the_way = [child for child in live if child.price != _price(amendment, child)]
    in_the_way += _latest(live, fitted.excess, beside=in_the_way)
    blocked = _ending(in_the_way)
    if blocked is not None:
        return blocked
    sent = [child for child in children if child.is_final or child.is_live]
    room = subtract(total, add(spoken_for(sent), _sum(fitted.keep)))
    send: list[Attempt] = []
    for child in [*_ended_early(children, amendment), *fitted.again]:
        rest, price = min(child.remaining_quantity, room), _price(amendment, child)
        if is_sendable(rest, price, instrument):
            send.append(Attempt(after=child, quantity=rest, price=price, due_at=_due(child, now)))
            room = subtract(room, rest)
    drop = (*fitted.drop, *fitted.again)
    return replace(_values(amendment), keep=tuple(fitted.keep), drop=drop, send=tuple(send))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fitted:
    """What is planned, cut down to what the order may still take."""

    #: with their new quantity and price
    keep: Sequence[ChildOrder]
    #: likewise; copies of them were refused, so that they go on as another attempt
    again: Sequence[ChildOrder]
    drop: Sequence[ChildOrder]
    #: base: what is too much even then
    excess: Decimal


def _fitted(children: Sequence[ChildOrder], excess: Decimal, amendment: Amendment, instrument: Instrument) -> _Fitted:
    """From the latest slice on: cut down, or dropped where the venue would not take what is left of it."""
    keep: list[ChildOrder] = []
    again: list[ChildOrder] = []
    drop: list[ChildOrder] = []
    for child in sorted(_planned(children), key=lambda child: (child.due_at, child.slice), reverse=True):
        left, price = subtract(child.quantity, max(excess, ZERO)), _price(amendment, child)
        if excess > 0 and not is_sendable(left, price, instrument):
            drop.append(child)  # what is dropped beyond the excess is planned anew
            excess = subtract(excess, child.quantity)
            continue
        (again if child.sends else keep).append(replace(child, quantity=left, price=price))
        excess = min(excess, ZERO)
    return _Fitted(keep=keep[::-1], again=again[::-1], drop=drop[::-1], excess=max(excess, ZERO))


def _latest(live: Sequence[ChildOrder], excess: Decimal, *, beside: Sequence[ChildOrder]) -> list[ChildOrder]:
    """Of what is live, from the latest on, as many as it takes to come down by ``excess``."""
    freed = _sum_remaining(beside)
    found: list[ChildOrder] = []
    for child in reversed(live):
        if freed >= excess:
            break
        if child not in beside:
            found.append(child)
            freed = add(freed, child.remaining_quantity)
    return found


def _ending(children: Sequence[ChildOrder]) -> Wait | Withdraw | None:
    """What it takes to end these: those at the venue at once, those in doubt once they are found."""
    resting = tuple(child for child in children if not child.is_in_doubt)
    if resting:
        return Withdraw(children=resting)
    return Wait(child=children[0]) if children else None


def _ended_early(children: Sequence[ChildOrder], amendment: Amendment) -> list[ChildOrder]:
    """Slices that we ended for an amendment, and those that a fill policy was to send again at the old price."""
    newest = {child.slice: child for child in children}.values()
    return [
        child
        for child in newest
        if _goes_on(amendment, child)
        and (amendment.price is not None or child.act_at is None)
        and child.remaining_quantity
    ]


def _goes_on(amendment: Amendment, child: ChildOrder) -> bool:
    """Whether what it left is to be sent again: since we ended it for this amendment, or by its fill policy."""
    return child.is_final and (child.act_at is not None or child.reason == amendment.ended_for_it)


def _due(child: ChildOrder, now: datetime) -> datetime:
    """At once, or when its fill policy would have sent it, or at its own time."""
    if child.status is ChildStatus.PLANNED:
        return max(child.due_at, now)
    return max(child.act_at or now, now)


def _planned(children: Sequence[ChildOrder]) -> tuple[ChildOrder, ...]:
    return tuple(child for child in children if child.status is ChildStatus.PLANNED)


def filled_of(children: Sequence[ChildOrder]) -> Decimal:
    """What has traded of these, booked fills only."""
    total = ZERO
    for child in children:
        total = add(total, child.filled_quantity)
    return total


def _sum(children: Sequence[ChildOrder]) -> Decimal:
    total = ZERO
    for child in children:
        total = add(total, child.quantity)
    return total


def _sum_remaining(children: Sequence[ChildOrder]) -> Decimal:
    total = ZERO
    for child in children:
        total = add(total, child.remaining_quantity)
    return total


def schedule_is_over(order: Order) -> Reason:
    """Why a schedule that plans nothing more can't take more."""
    message = (
        f"the schedule of order {order.id} is over: its last slices are planned, and nothing more is; place another order "
        "for what is to be added"
    )
    return Reason(code="SCHEDULE_OVER", message=message)


def _ended(order: Order, last: ChildOrder) -> Reason:
    why = f": {last.reason.message}" if last.reason is not None else ""
    message = f"{order.venue} had ended it before it could be amended, as {last.status}{why}"
    return Reason(code="ORDER_ENDED", message=message)
