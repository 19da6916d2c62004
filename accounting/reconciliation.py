"""Reconciliation of balances: our books, their hot copy and the venue → what stands, how bad it is, what to do."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from models.money import ZERO, add, multiply, plain, subtract
from models.reconciliation import BreakAction, BreakSeverity

#: A day's corrections may always reach so many times the dust: else one atom of an almost empty account would freeze it.
DUST_A_DAY = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Tolerance:
    """What may differ in one asset, in that asset; shares are of the larger of the two balances."""

    #: rounding of the venue
    dust: Decimal
    #: one difference that is corrected by itself: the larger of an amount and a share
    absolute: Decimal
    relative: Decimal
    #: all corrections of 24 hours together, likewise
    daily_absolute: Decimal
    daily_relative: Decimal

    def of_one(self, scale: Decimal) -> Decimal:
        """The largest single difference that is corrected by itself, where the balance is ``scale``."""
        return max(self.absolute, multiply(self.relative, scale))

    def of_a_day(self, scale: Decimal) -> Decimal:
        share = multiply(self.daily_relative, scale)
        return max(self.daily_absolute, share, multiply(self.dust, Decimal(DUST_A_DAY)))


@dataclass(frozen=True, slots=True, kw_only=True)
class BalanceSeen:
    """One asset of one venue account in one look; all amounts in the asset."""

    asset: str
    #: total of our ledger: available, held and in suspense
    ours: Decimal
    #: total of the hot copy; None where there is none
    cached: Decimal | None
    #: total that the venue tells, what is locked by orders included
    theirs: Decimal

    @property
    def difference(self) -> Decimal:
        """What has to be added to our books to make them the venue's."""
        return subtract(self.theirs, self.ours)

    @property
    def scale(self) -> Decimal:
        return max(self.ours.copy_abs(), self.theirs.copy_abs())


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    severity: BreakSeverity
    action: BreakAction
    #: in words, as the end of a sentence
    why: str


def seen(
    ours: Mapping[str, Decimal], cached: Mapping[str, Decimal] | None, theirs: Mapping[str, Decimal]
) -> list[BalanceSeen]:
    """Every asset that either side has, by name."""
    return [
        BalanceSeen(
            asset=asset,
            ours=ours.get(asset, ZERO),
            cached=None if cached is None else cached.get(asset, ZERO),
            theirs=theirs.get(asset, ZERO),
        )
        for asset in sorted(ours.keys() | theirs.keys())
    ]


def differing(looked: Iterable[BalanceSeen]) -> list[BalanceSeen]:
    return [one for one in looked if one.difference != 0]


def standing(
    first: Mapping[str, Decimal], second: Iterable[BalanceSeen], blurred: frozenset[str]
) -> tuple[list[BalanceSeen], list[str]]:
    """What stands in two looks, and the assets that nobody can judge now.

    ``first`` holds the differences of the first look by asset; ``blurred`` the assets that something of ours moved
    between the looks, or may move unseen. A difference that is another one in the second look stands in none: the next
    run sees what remains of it.
    """
    stand, unjudged = [], []
    for one in differing(second):
        if one.asset in blurred:
            unjudged.append(one.asset)
        elif first.get(one.asset) == one.difference:
            stand.append(one)
    return stand, unjudged


def judge(one: BalanceSeen, tolerance: Tolerance, *, corrected: Decimal, live: bool) -> Verdict:
    """How bad a standing difference is, and what to do.

    ``corrected``: what was corrected by itself in this asset in the last 24 hours, all signs added up. ``live``: an order
    of ours that moves the asset rests at the venue.
    """
    size, asset = one.difference.copy_abs(), one.asset
    allowed = tolerance.of_one(one.scale)
    if size > max(allowed, tolerance.dust):
        why = f"{plain(size)} {asset} is more than the {plain(max(allowed, tolerance.dust))} that may be corrected"
        return Verdict(severity=BreakSeverity.CRITICAL, action=BreakAction.FREEZE, why=why)
    severity = BreakSeverity.DUST if size <= tolerance.dust else BreakSeverity.TOLERANCE
    if live:
        why = "small, and corrected once no order of ours moves the asset"
        return Verdict(severity=severity, action=BreakAction.WAIT, why=why)
    a_day, together = tolerance.of_a_day(one.scale), add(corrected, size)
    if together > a_day:
        why = f"with it {plain(together)} {asset} were corrected within a day, and {plain(a_day)} may be"
        return Verdict(severity=BreakSeverity.CRITICAL, action=BreakAction.FREEZE, why=why)
    return Verdict(severity=severity, action=BreakAction.CORRECT, why="within the tolerance")
