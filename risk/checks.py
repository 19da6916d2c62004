"""Pre-trade checks on what changes: each is a vote, and one no is a denial."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from models.instrument import Instrument
from models.money import multiply, plain
from models.order import Order, Reason
from models.vocabulary import OrderType


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """What the checks look at beside the order."""

    instrument: Instrument
    #: the sentence of a halt that covers the order's venue account
    halted: str | None
    #: the sentence of a freeze of one of the order's assets
    frozen: str | None = None


Check = Callable[[Order, Circumstances], Reason | None]


def not_halted(_: Order, now: Circumstances) -> Reason | None:
    if now.halted is None:
        return None
    return Reason(code="HALTED", message=f"{now.halted}; nothing was sent")


def not_frozen(_: Order, now: Circumstances) -> Reason | None:
    if now.frozen is None:
        return None
    return Reason(code="ACCOUNT_FROZEN", message=f"{now.frozen}; nothing was sent")


def still_traded(order: Order, now: Circumstances) -> Reason | None:
    if now.instrument.active:
        return None
    return Reason(code="INSTRUMENT_INACTIVE", message=f"{order.venue} does not trade {order.symbol} at present")


def enough_notional(order: Order, now: Circumstances) -> Reason | None:
    """A market order's notional is known only now, by the price that it met on arrival."""
    if order.type is not OrderType.MARKET or order.arrival_price is None:
        return None
    notional = multiply(order.quantity, order.arrival_price)
    if notional >= now.instrument.min_notional:
        return None
    return Reason(
        code="NOTIONAL_TOO_SMALL",
        message=(
            f"{plain(order.quantity)} {order.base} are worth {plain(notional)} {order.quote}, "
            f"under the venue's minimum of {plain(now.instrument.min_notional)} {order.quote}"
        ),
    )


CHECKS: Sequence[Check] = (not_halted, not_frozen, still_traded, enough_notional)


def denial(order: Order, now: Circumstances) -> Reason | None:
    """The first no, in the order of CHECKS; None when every check agrees."""
    for check in CHECKS:
        no = check(order, now)
        if no is not None:
            return no
    return None


#: Every code that a denial can carry.
DENIAL_CODES = ("HALTED", "ACCOUNT_FROZEN", "INSTRUMENT_INACTIVE", "NOTIONAL_TOO_SMALL", "INSUFFICIENT_FUNDS")
