"""Sharing whole lots among slots: the sum is exact, and no share is smaller than the venue takes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True, slots=True, kw_only=True)
class Portion:
    #: index of the slot that it is for
    index: int
    lots: int
    #: index of the first slot that it does not stand for: small shares are put together at the first one's time
    following: int


def apportion(lots: int, weights: Sequence[int], least: int) -> Iterator[Portion]:
    """Share ``lots`` in proportion to ``weights``, each share ``least`` lots or more, in the order of the slots.

    Every slot takes its part of what the slots before it left, rounded to whole lots. What rounding leaves at one slot
    is thus handed to those after it, the last one takes the rest, and equal weights get shares that differ by one lot
    at most. Sharing what is left from any slot on gives the same as sharing all at once, so that it does not matter
    where a schedule was interrupted; largest remainders over all slots at once lack that property.

    A slot whose part would be below ``least`` takes ``least``, and the next one to take something is that at which
    about so much was due. Slots of weight 0 get nothing. Nothing at all is shared where ``lots`` is below ``least``,
    or every weight is 0.
    """
    if least < 1:
        raise ValueError(f"the least share is {least} lots, and it must be 1 or more")
    left, weight_left = lots, sum(weights)
    index = 0
    while left >= least and weight_left > 0:
        while not weights[index]:
            index += 1
        share = max(least, _half_up(left * weights[index], weight_left))
        weight, following = _stands_for(weights, index, Fraction(least * weight_left, left))
        share = without_dust(left, share, least) if weight < weight_left else left
        if share == left:  # what of it comes back finds the slots after it free
            following = index + 1
        yield Portion(index=index, lots=share, following=following)
        left -= share
        weight_left -= weight
        index = following


def _stands_for(weights: Sequence[int], index: int, due: Fraction) -> tuple[int, int]:
    """The weight that the slot at ``index`` stands for, near ``due`` and no less than its own, and the slot after it."""
    weight, following = weights[index], index + 1
    while following < len(weights) and abs(weight + weights[following] - due) <= abs(weight - due):
        weight += weights[following]
        following += 1
    return weight, following


def without_dust(left: int, wanted: int, least: int) -> int:
    """The share nearest to ``wanted`` after which either nothing is left or no less than ``least``.

    It is above ``wanted`` only where ``left`` is too little for two shares, and never above ``left``.
    """
    rest = left - wanted
    if rest <= 0:
        return left
    if rest >= least:
        return wanted
    return left - least if left >= 2 * least else left


def _half_up(numerator: int, denominator: int) -> int:
    return (2 * numerator + denominator) // (2 * denominator)
