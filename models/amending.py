"""What a change to an order may be: read from a request, rounded to the venue's steps, refused with the nearest that would do."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from models.amendment import Change
from models.errors import FieldError, InvalidRequest
from models.instrument import Instrument
from models.minimum import FINEST_LOT, smallest_quantity
from models.money import EXACT, ZERO, add, plain, round_down_to, round_up_to, subtract
from models.order import Order
from models.request_fields import Fields
from models.vocabulary import OrderType

CHANGE_FIELDS = ("quantity", "price")


def read_change(data: object) -> Change:
    """Of the object ``{"quantity": …, "price": …}``, of which one may be missing. Raises InvalidRequest."""
    if not isinstance(data, Mapping):
        raise InvalidRequest([FieldError(field="", rule="must be an object with quantity, price or both")])
    fields = Fields(data, CHANGE_FIELDS)
    change = Change(quantity=fields.positive_or_none("quantity"), price=fields.positive_or_none("price"))
    if change.quantity is None and change.price is None and not fields.errors:
        fields.refuse("", "must name what is to change: quantity, price or both", None)
    fields.finish()
    return change


def in_steps(order: Order, change: Change, instrument: Instrument) -> Change:
    """The change as the venue takes it: the quantity down to the lot, the price in the customer's favour."""
    return Change(
        quantity=None if change.quantity is None else instrument.round_quantity(change.quantity),
        price=None if change.price is None else instrument.round_price(change.price, order.side),
    )


def check_change(order: Order, asked: Change, instrument: Instrument) -> None:
    """Raise InvalidRequest unless the order may become what is asked for; every field that breaks a rule is listed.

    ``asked`` is as the request has it. What is left may be nothing at all: then the order ends with what has traded.
    """
    change = in_steps(order, asked, instrument)
    bounds = _Bounds(
        order=order,
        instrument=instrument,
        quantity=order.quantity if change.quantity is None else change.quantity,
        price=order.price if change.price is None else change.price,
    )
    errors = [*_price_errors(asked, change, bounds), *_quantity_errors(asked, change, bounds)]
    if not errors:
        errors = _rest_errors(asked, bounds)
    if errors:
        raise InvalidRequest(errors)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Bounds:
    """What quantity and price may be, each beside the other as it is to become."""

    order: Order
    instrument: Instrument
    #: base: the new total
    quantity: Decimal
    #: quote per base; None for a market order
    price: Decimal | None

    @property
    def rest(self) -> Decimal:
        return subtract(self.quantity, self.order.filled_quantity)

    @property
    def smallest(self) -> Decimal:
        """The smallest rest that the venue takes as an order, at the price."""
        lot = self.instrument.lot if self.instrument.lot > 0 else FINEST_LOT
        return smallest_quantity(lot, self.instrument.min_quantity, self.instrument.min_notional, self.price)

    @property
    def least_with_rest(self) -> Decimal:
        return round_up_to(add(self.order.filled_quantity, self.smallest), self.instrument.lot)

    @property
    def least(self) -> Decimal:
        """All that has traded, where that is a total that can be asked for."""
        filled = self.order.filled_quantity
        whole = filled > 0 and round_down_to(filled, self.instrument.lot) == filled
        return filled if whole else self.least_with_rest

    @property
    def most(self) -> Decimal | None:
        bounds = [self.instrument.max_quantity]
        if self.order.type is OrderType.MARKET:
            bounds.append(self.instrument.max_market_quantity)
        if self.price is not None and self.price > 0 and self.instrument.max_notional is not None:
            bounds.append(EXACT.divide(self.instrument.max_notional, self.price))
        given = [bound for bound in bounds if bound is not None and bound > 0]
        return round_down_to(min(given), self.instrument.lot) if given else None

    @property
    def least_price(self) -> Decimal:
        least = max(self.instrument.min_price or self.instrument.tick, self.instrument.tick)
        if self.rest > 0:
            least = max(least, EXACT.divide(self.instrument.min_notional, self.rest))
        return round_up_to(least, self.instrument.tick)

    @property
    def most_price(self) -> Decimal | None:
        bounds = [self.instrument.max_price]
        if self.quantity > 0 and self.instrument.max_notional is not None:
            bounds.append(EXACT.divide(self.instrument.max_notional, self.quantity))
        given = [bound for bound in bounds if bound is not None]
        return round_down_to(min(given), self.instrument.tick) if given else None


def _price_errors(asked: Change, change: Change, bounds: _Bounds) -> list[FieldError]:
    if asked.price is None or change.price is None:
        return []
    if bounds.order.type is OrderType.MARKET:
        return [_error("price", "can't be changed: a market order has none", asked.price)]
    instrument = bounds.instrument
    lowest = max(instrument.min_price or instrument.tick, instrument.tick)
    if change.price < lowest:
        return [_error("price", f"must be at least {plain(lowest)}", asked.price, bounds.least_price)]
    highest = instrument.max_price
    if highest is not None and change.price > highest:
        return [_error("price", f"must be at most {plain(highest)}", asked.price, bounds.most_price)]
    return []


def _quantity_errors(asked: Change, change: Change, bounds: _Bounds) -> list[FieldError]:
    if asked.quantity is None or change.quantity is None:
        return []
    filled, base = bounds.order.filled_quantity, bounds.order.base
    if change.quantity < filled:
        rule = f"must be at least the {plain(filled)} {base} that have traded"
        return [_error("quantity", rule, asked.quantity, bounds.least)]
    if change.quantity == 0:
        return [_error("quantity", f"must be at least {plain(bounds.smallest)} {base}", asked.quantity, bounds.least)]
    largest = bounds.most
    if largest is None or change.quantity <= largest:
        return []
    rule = f"must be at most {plain(largest)} {base}"
    if bounds.price is not None:
        rule += f" at a price of {plain(bounds.price)}"
    return [_error("quantity", rule, asked.quantity, largest)]


def _rest_errors(asked: Change, bounds: _Bounds) -> list[FieldError]:
    """What is left to trade must be an order that the venue takes, and all of it within the venue's bounds."""
    order, instrument = bounds.order, bounds.instrument
    if ZERO < bounds.rest < bounds.smallest:
        if asked.quantity is not None:
            beside = f" beside the {plain(order.filled_quantity)} that have traded" if order.filled_quantity else ""
            rule = (
                f"must leave at least {plain(bounds.smallest)} {order.base}{beside}: the venue takes no smaller order"
            )
            return [_error("quantity", rule, asked.quantity, bounds.least_with_rest)]
        assert asked.price is not None
        least = f"{plain(instrument.min_notional)} {order.quote}"
        rule = f"must keep the {plain(bounds.rest)} {order.base} that are left worth at least {least}"
        return [_error("price", rule, asked.price, bounds.least_price)]
    highest = bounds.most_price
    if asked.price is not None and highest is not None and bounds.price is not None and bounds.price > highest:
        rule = f"must be at most {plain(highest)} for {plain(bounds.quantity)} {order.base}"
        return [_error("price", rule, asked.price, highest)]
    return []


def _error(field: str, rule: str, value: Decimal, nearest: Decimal | None = None) -> FieldError:
    return FieldError(field=field, rule=rule, value=plain(value), nearest=None if nearest is None else plain(nearest))
