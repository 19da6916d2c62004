"""Entries of the books as values: accounts, legs and the sums that every entry keeps."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from models.money import ZERO, add, subtract


class AccountKind(StrEnum):
    """What an account of one venue account and asset stands for."""

    AVAILABLE = "available"  # ours to use
    HOLD = "hold"  # promised to orders
    CLEARING = "clearing"  # what was traded away or in: the other side of every fill
    FEE = "fee"  # paid to the venue; negative is a rebate
    REALIZED = "realized"  # profit and loss that was taken
    EXTERNAL = "external"  # the world outside: openings, deposits, withdrawals
    SUSPENSE = "suspense"  # what the venue says happened and our books can't cover: a person looks


#: what an account of these kinds holds is an asset that exists once: never below zero
NEVER_NEGATIVE = frozenset({AccountKind.AVAILABLE, AccountKind.HOLD})

#: the kinds that make up what the venue should say we have
OWNED = frozenset({AccountKind.AVAILABLE, AccountKind.HOLD, AccountKind.SUSPENSE})


@dataclass(frozen=True, slots=True, order=True)
class AccountRef:
    """An account of one venue account, which the entry around it names."""

    asset: str
    kind: AccountKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    """``amount`` from ``credit`` to ``debit``: the debited account's balance rises, the credited one's falls."""

    debit: AccountRef
    credit: AccountRef
    #: in the asset of both accounts, above zero
    amount: Decimal

    def __post_init__(self) -> None:
        if self.debit == self.credit:
            raise ValueError(f"a leg needs two accounts, got {self.debit} twice")
        if self.debit.asset != self.credit.asset:
            raise ValueError(f"a leg moves one asset, got {self.credit.asset} to {self.debit.asset}")
        if not (self.amount.is_finite() and self.amount > 0):
            raise ValueError(f"a leg moves an amount above zero, got {self.amount}")

    @property
    def asset(self) -> str:
        return self.debit.asset


def moves(legs: Iterable[Leg]) -> dict[AccountRef, Decimal]:
    """By how much each account's balance changes: debits minus credits."""
    total: dict[AccountRef, Decimal] = {}
    for leg in legs:
        total[leg.debit] = add(total.get(leg.debit, ZERO), leg.amount)
        total[leg.credit] = subtract(total.get(leg.credit, ZERO), leg.amount)
    return total


def sum_per_asset(legs: Iterable[Leg]) -> dict[str, Decimal]:
    """The sum of all changes per asset: zero each, or money came from nowhere."""
    total: dict[str, Decimal] = {}
    for account, amount in moves(legs).items():
        total[account.asset] = add(total.get(account.asset, ZERO), amount)
    return total


def assert_balanced(legs: Iterable[Leg]) -> None:
    """Raise AssertionError unless the legs sum to zero per asset. Legs do by construction; this is the proof."""
    for asset, total in sum_per_asset(legs).items():
        if total != 0:
            raise AssertionError(f"the entry is not balanced: {asset} sums to {total}")
