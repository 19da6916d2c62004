"""Admission at intake: what request, configuration and cached instruments decide, before any row is written."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from models.clock import format_time
from models.errors import FieldError, InvalidRequest
from models.instrument import Instrument
from models.money import EXACT, multiply, plain, round_down_to, round_up_to
from models.request import SPOT_ONLY, OrderRequest
from models.request_fields import nearest
from models.vocabulary import OrderType
from risk.schedule import schedule_errors


@dataclass(frozen=True, slots=True, kw_only=True)
class Admitted:
    """A request in the venue's own steps."""

    request: OrderRequest
    instrument: Instrument
    #: rounded down to the lot, in base
    quantity: Decimal
    #: as asked for, in base
    requested_quantity: Decimal
    #: rounded to the tick in the customer's favour, in quote per base; None for market orders
    price: Decimal | None


def check_route(request: OrderRequest, accounts: Mapping[str, Collection[str]]) -> None:
    """Raise InvalidRequest unless the venue is configured and holds credentials for the account.

    ``accounts``: for each configured venue the accounts that it has credentials for.
    """
    if request.venue not in accounts:
        names = ", ".join(sorted(accounts)) or "none so far"
        raise InvalidRequest(
            [_error("venue", f"must be a configured venue ({names})", request.venue, nearest(request.venue, accounts))]
        )
    known = accounts[request.venue]
    if request.account not in known:
        names = ", ".join(sorted(known)) or "none so far"
        rule = f"must be an account that {request.venue} has credentials for ({names})"
        raise InvalidRequest([_error("account", rule, request.account, nearest(request.account, known))])


def admit(
    request: OrderRequest,
    instrument: Instrument | None,
    now: datetime,
    *,
    symbols: Callable[[], Collection[str]] = tuple,
) -> Admitted:
    """Compare a request with its instrument. Raises InvalidRequest that lists every field that breaks a rule.

    ``instrument``: None where the venue trades no such symbol; then ``symbols`` names those that it does trade, so
    that the refusal can tell the nearest. Where nothing is known of the venue at all, a request can't be judged.
    """
    instrument = _tradable(request, instrument, symbols)
    quantity = instrument.round_quantity(request.quantity)
    price = None if request.price is None else instrument.round_price(request.price, request.side)
    errors = [*_expiry_errors(request, now), *_price_errors(request, instrument, price)]
    quantity_errors = _quantity_errors(request, instrument, quantity)
    errors += quantity_errors
    errors += schedule_errors(request, instrument, now, quantity=None if quantity_errors else quantity, price=price)
    if price is not None and not quantity_errors:
        errors += _notional_errors(request, instrument, quantity, price)
    if errors:
        raise InvalidRequest(errors)
    return Admitted(
        request=request, instrument=instrument, quantity=quantity, requested_quantity=request.quantity, price=price
    )


def _tradable(
    request: OrderRequest, instrument: Instrument | None, symbols: Callable[[], Collection[str]]
) -> Instrument:
    if instrument is None:
        rule = f"must be a symbol that {request.venue} trades"
        raise InvalidRequest([_error("symbol", rule, request.symbol, nearest(request.symbol, symbols()))])
    if not instrument.spot:
        raise InvalidRequest([_error("symbol", SPOT_ONLY, request.symbol)])
    if not instrument.active:
        raise InvalidRequest([_error("symbol", f"is not traded at {request.venue} at present", request.symbol)])
    return instrument


def _expiry_errors(request: OrderRequest, now: datetime) -> list[FieldError]:
    if request.expires_at is None or request.expires_at > now:
        return []
    return [_error("expires_at", f"must be after now, {format_time(now)}", format_time(request.expires_at))]


def _price_errors(request: OrderRequest, instrument: Instrument, price: Decimal | None) -> list[FieldError]:
    if request.price is None or price is None:
        return []
    lowest = max(instrument.min_price or instrument.tick, instrument.tick)
    if price < lowest:
        return [_error("price", f"must be at least {plain(lowest)}", plain(request.price), plain(lowest))]
    highest = instrument.max_price
    if highest is not None and price > highest:
        return [_error("price", f"must be at most {plain(highest)}", plain(request.price), plain(highest))]
    return []


def _quantity_errors(request: OrderRequest, instrument: Instrument, quantity: Decimal) -> list[FieldError]:
    lot, base = instrument.lot, instrument.base
    smallest = max(lot, round_up_to(instrument.min_quantity, lot))
    asked = plain(request.quantity)
    if quantity == 0:
        return [_error("quantity", f"must be at least the lot of {plain(lot)} {base}", asked, plain(smallest))]
    if quantity < smallest:
        return [_error("quantity", f"must be at least {plain(smallest)} {base}", asked, plain(smallest))]
    largest = _largest_quantity(instrument, request.type)
    if largest is not None and quantity > largest:
        return [_error("quantity", f"must be at most {plain(largest)} {base}", asked, plain(largest))]
    return []


def _notional_errors(
    request: OrderRequest, instrument: Instrument, quantity: Decimal, price: Decimal
) -> list[FieldError]:
    """A market order's value depends on the market, so that only its checks before the send can tell."""
    if price <= 0:
        return []  # the price has an error of its own
    notional, asked = multiply(quantity, price), plain(request.quantity)
    if notional < instrument.min_notional:
        rule = f"must be worth at least {plain(instrument.min_notional)} {instrument.quote} at {plain(price)}"
        enough = round_up_to(EXACT.divide(instrument.min_notional, price), instrument.lot)
        return [_error("quantity", rule, asked, _possible(enough, instrument, request.type))]
    highest = instrument.max_notional
    if highest is not None and notional > highest:
        rule = f"must be worth at most {plain(highest)} {instrument.quote} at {plain(price)}"
        most = round_down_to(EXACT.divide(highest, price), instrument.lot)
        return [_error("quantity", rule, asked, _possible(most, instrument, request.type))]
    return []


def _possible(quantity: Decimal, instrument: Instrument, order_type: OrderType) -> str | None:
    largest = _largest_quantity(instrument, order_type)
    if quantity < instrument.min_quantity or quantity <= 0 or (largest is not None and quantity > largest):
        return None
    return plain(quantity)


def _largest_quantity(instrument: Instrument, order_type: OrderType) -> Decimal | None:
    bounds = [instrument.max_quantity]
    if order_type is OrderType.MARKET:
        bounds.append(instrument.max_market_quantity)
    given = [bound for bound in bounds if bound is not None and bound > 0]
    return round_down_to(min(given), instrument.lot) if given else None


def _error(field: str, rule: str, value: str, instead: str | None = None) -> FieldError:
    return FieldError(field=field, rule=rule, value=value, nearest=instead)
