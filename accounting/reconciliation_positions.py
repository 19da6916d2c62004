"""Reconciliation of positions: what trades made of a position by our books and by the venue, and whether that is the same."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Context, Decimal

from models.money import EXACT, ZERO, add, multiply, plain, subtract
from models.reconciliation import BreakAction, BreakSeverity
from models.vocabulary import Side

#: by how much of the other an average price may differ: venues round what they tell
PRICE_TOLERANCE = Decimal("0.0001")

#: digits of a price in a sentence, to the nearest
PRICE_SHOWN = Context(prec=18)


@dataclass(frozen=True, slots=True, kw_only=True)
class Traded:
    """One trade; ``quantity`` above zero, in base."""

    side: Side
    quantity: Decimal
    #: quote per base
    price: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Stood:
    """A position that trades led to from nothing: below zero is short."""

    quantity: Decimal = ZERO
    #: what it was opened for, in quote, never below zero
    value: Decimal = ZERO

    @property
    def average(self) -> Decimal | None:
        return None if self.quantity == 0 else EXACT.divide(self.value, self.quantity.copy_abs())


def simulate(trades: Iterable[Traded]) -> Stood:
    """The position behind trades in their order: closing keeps the average price, crossing zero opens at the trade's."""
    now = Stood()
    for trade in trades:
        signed = trade.quantity if trade.side is Side.BUY else trade.quantity.copy_negate()
        after = add(now.quantity, signed)
        if now.quantity == 0 or (now.quantity > 0) == (signed > 0):
            value = add(now.value, multiply(trade.quantity, trade.price))
        elif after == 0:
            value = ZERO
        elif (after > 0) == (now.quantity > 0):
            value = EXACT.divide(multiply(now.value, after.copy_abs()), now.quantity.copy_abs())
        else:
            value = multiply(after.copy_abs(), trade.price)
        now = Stood(quantity=after, value=value)
    return now


def matches(ours: Stood, quantity: Decimal, average: Decimal | None) -> bool:
    """Whether a position is the one told: the same quantity, and about the same average price where there is one."""
    if ours.quantity != quantity:
        return False
    own = ours.average
    if own is None or average is None or average == 0:
        return True
    return subtract(own, average).copy_abs() <= multiply(PRICE_TOLERANCE, average)


def correcting_price(
    ours: Decimal, our_average: Decimal | None, theirs: Decimal, average: Decimal | None
) -> Decimal | None:
    """The price of the one trade that would turn our position into theirs; None where no price above zero would."""
    change = subtract(theirs, ours)
    if change == 0:
        return None
    if theirs == 0:
        return our_average
    if average is None or average == 0:
        return None
    if ours == 0 or (ours > 0) != (theirs > 0):
        return average
    have = multiply(ours, our_average or ZERO)
    price = EXACT.divide(subtract(multiply(theirs, average), have), change)
    return price if price > 0 else None


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionBreak:
    """Trades of our orders in one symbol, as booked and as the venue shows them now."""

    symbol: str
    ours: Stood
    theirs: Stood

    @property
    def key(self) -> str:
        return f"position:{self.symbol}"

    @property
    def difference(self) -> Decimal:
        """In base."""
        return subtract(self.theirs.quantity, self.ours.quantity)

    @property
    def content(self) -> tuple[str, Decimal, Decimal]:
        """What must be equal in two looks for it to stand."""
        return self.key, self.difference, subtract(self.theirs.value, self.ours.value)

    @property
    def severity(self) -> BreakSeverity:
        return BreakSeverity.CRITICAL if self.difference != 0 else BreakSeverity.TOLERANCE

    @property
    def action(self) -> BreakAction:
        return BreakAction.FREEZE if self.difference != 0 else BreakAction.REPORT

    @property
    def message(self) -> str:
        ours, theirs = self.ours, self.theirs
        if self.difference == 0:
            prices = " and ".join(plain(PRICE_SHOWN.plus(one.average or ZERO)) for one in (theirs, ours))
            return f"trades of our orders in {self.symbol} have another average price by the venue than in our books: {prices}"
        words = (
            f"trades of our orders in {self.symbol} add up to {plain(theirs.quantity)} by the venue and to "
            f"{plain(ours.quantity)} in our books: it shows a trade that is not booked, or none of one that is"
        )
        price = correcting_price(ours.quantity, ours.average, theirs.quantity, theirs.average)
        if price is None:
            return words
        return f"{words}. One trade of {plain(self.difference)} at {plain(PRICE_SHOWN.plus(price))} would explain it"


def position_break(symbol: str, ours: Iterable[Traded], theirs: Iterable[Traded]) -> PositionBreak | None:
    """None where both lead to the same position."""
    booked, told = simulate(ours), simulate(theirs)
    if matches(booked, told.quantity, told.average):
        return None
    return PositionBreak(symbol=symbol, ours=booked, theirs=told)
