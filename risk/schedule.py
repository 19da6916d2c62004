"""Schedules that can't be kept, refused at intake: what only the instrument and the time can tell."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from models.algorithm import MAX_SLICES, Adaptive, Iceberg, Pov, Scheduled, Single, Twap, Vwap, slots_of
from models.canonical_parts import algorithm_from_json
from models.clock import format_time
from models.errors import FieldError
from models.instrument import Instrument
from models.minimum import FINEST_LOT, smallest_quantity
from models.money import EXACT, multiply, plain, round_down_to, round_up_to
from models.request import OrderRequest

#: How long before intake a schedule may have begun: a request takes that long on its way, and a clock may be off.
START_GRACE = timedelta(seconds=10)

#: How far ahead a schedule may begin: funds are held from the order's preparation on.
LONGEST_WAIT = timedelta(days=31)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Split:
    """What there is to divide."""

    #: base, a multiple of the lot
    quantity: Decimal
    lot: Decimal
    base: str
    #: base: the smallest slice that the venue takes, as far as that is known before a market order meets a price
    smallest: Decimal


def schedule_errors(
    request: OrderRequest, instrument: Instrument, now: datetime, *, quantity: Decimal | None, price: Decimal | None
) -> list[FieldError]:
    """Rules of the algorithm that its parameters alone can't break.

    ``quantity``: in base, rounded to the lot; None where it was refused already. ``price``: rounded to the tick.
    """
    if request.algorithm.get("name") in (None, "single"):
        return []
    algorithm = algorithm_from_json(request.algorithm)
    assert not isinstance(algorithm, Single)
    errors = _start_errors(algorithm.start_at, now) if isinstance(algorithm, (Twap, Vwap)) else []
    if quantity is None:
        return errors
    lot = instrument.lot if instrument.lot > 0 else FINEST_LOT
    smallest = smallest_quantity(lot, instrument.min_quantity, instrument.min_notional, price)
    if quantity < smallest:
        return errors  # refused by a rule of its own
    split = _Split(quantity=quantity, lot=lot, base=instrument.base, smallest=smallest)
    return errors + _split_errors(algorithm, split)


def _split_errors(algorithm: Scheduled | Iceberg | Pov, split: _Split) -> list[FieldError]:
    match algorithm:
        case Twap() | Vwap() | Adaptive():
            return _slice_errors(algorithm, split)
        case Iceberg():
            return _display_errors(algorithm, split)
        case Pov():
            return _min_slice_errors(algorithm, split)


def _start_errors(start_at: datetime | None, now: datetime) -> list[FieldError]:
    if start_at is None:
        return []
    if start_at < now - START_GRACE:
        rule = "must not be in the past"
    elif start_at > now + LONGEST_WAIT:
        now, rule = now + LONGEST_WAIT, f"must be within {LONGEST_WAIT.days} days"
    else:
        return []
    return [
        FieldError(field="algorithm.start_at", rule=rule, value=format_time(start_at), nearest=format_time(now)),
    ]


def _slice_errors(algorithm: Scheduled, split: _Split) -> list[FieldError]:
    """Slots that are more than the venue's minimum allows get fewer, larger slices; one slice is no schedule."""
    slots = slots_of(algorithm)
    two = multiply(split.smallest, Decimal(2))
    if slots > 1 and split.quantity < two:
        rule = f"can't be split: two slices are at least {plain(two)} {split.base}"
        return [FieldError(field="quantity", rule=rule, value=plain(split.quantity), nearest=plain(two))]
    lots = int(EXACT.divide_int(split.quantity, split.lot))
    if algorithm.slices is not None and algorithm.slices > lots:
        rule = f"must be at most {lots}: the quantity is {lots} lots of {plain(split.lot)} {split.base}"
        return [FieldError(field="algorithm.slices", rule=rule, value=str(algorithm.slices), nearest=str(lots))]
    return []


def _display_errors(iceberg: Iceberg, split: _Split) -> list[FieldError]:
    shown = round_down_to(iceberg.display_quantity, split.lot)
    if shown > split.quantity:
        rule, instead = f"must be at most the quantity, {plain(split.quantity)} {split.base}", split.quantity
    elif shown < split.smallest:
        rule = f"must be at least {plain(split.smallest)} {split.base}, the smallest order that the venue takes"
        instead = split.smallest
    elif multiply(shown, Decimal(MAX_SLICES)) < split.quantity:
        instead = round_up_to(EXACT.divide(split.quantity, Decimal(MAX_SLICES)), split.lot)
        rule = f"must be at least {plain(instead)} {split.base}: an order has at most {MAX_SLICES} slices"
    else:
        return []
    value = plain(iceberg.display_quantity)
    return [FieldError(field="algorithm.display_quantity", rule=rule, value=value, nearest=plain(instead))]


def _min_slice_errors(pov: Pov, split: _Split) -> list[FieldError]:
    """A ``min_slice`` below the venue's own minimum asks for nothing that is not done anyway."""
    if pov.min_slice is None or pov.min_slice <= split.quantity:
        return []
    rule = f"must be at most the quantity, {plain(split.quantity)} {split.base}"
    value = plain(pov.min_slice)
    return [FieldError(field="algorithm.min_slice", rule=rule, value=value, nearest=plain(split.quantity))]
