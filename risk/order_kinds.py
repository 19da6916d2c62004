"""Kinds of orders that a venue does not have at all: refused at intake, since no state of anything will change that."""

from dataclasses import dataclass

from models.errors import FieldError, InvalidRequest
from models.request import OrderRequest
from models.vocabulary import OrderType, Side, TimeInForce


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderKinds:
    """What a venue takes."""

    #: the times in force of its limit orders
    times_in_force: frozenset[str]
    post_only: bool
    #: market buys by a quantity of the base asset
    market_buys: bool


def check_kind(request: OrderRequest, kinds: OrderKinds) -> None:
    """Raise InvalidRequest for an order of a kind that the venue does not have."""
    errors = [*_limit_errors(request, kinds), *_market_errors(request, kinds)]
    if errors:
        raise InvalidRequest(errors)


def _limit_errors(request: OrderRequest, kinds: OrderKinds) -> list[FieldError]:
    errors: list[FieldError] = []
    if request.type is not OrderType.LIMIT:
        return errors
    if request.post_only and not kinds.post_only:
        rule = f"must be false: {request.venue} has no post-only orders"
        errors.append(FieldError(field="post_only", rule=rule, value="true", nearest="false"))
    if request.time_in_force.value not in kinds.times_in_force:
        known = [tif.value for tif in TimeInForce if tif.value in kinds.times_in_force]
        rule = f"must be one that {request.venue} has for limit orders ({', '.join(known)})"
        nearest = known[0] if len(known) == 1 else None
        errors.append(FieldError(field="time_in_force", rule=rule, value=request.time_in_force.value, nearest=nearest))
    return errors


def _market_errors(request: OrderRequest, kinds: OrderKinds) -> list[FieldError]:
    if request.type is not OrderType.MARKET or request.side is not Side.BUY or kinds.market_buys:
        return []
    rule = (
        f"must be limit: {request.venue} takes market buys only by an amount of quote to spend; a limit order that is "
        "IOC, at the most that you would pay, does the same"
    )
    return [FieldError(field="type", rule=rule, value=request.type.value, nearest=OrderType.LIMIT.value)]
