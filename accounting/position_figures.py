"""What a position shows by a method, with fees in or apart; figures of several positions sum to those of a view."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from accounting.positions import Position
from models.money import ZERO, add, average, multiply, subtract


class Method(StrEnum):
    """What a unit that is sold had cost."""

    AVERAGE = "average"  # the average of all that is open
    FIFO = "fifo"  # what the oldest open units had cost


class FeesIn(StrEnum):
    """Where fees in the cost asset go. A fee in base is in the quantity either way, one in a third asset never is in."""

    INCLUDED = "included"  # in the cost of what was bought, off the proceeds of what was sold
    APART = "apart"  # in neither; they stand beside


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Of one position, or the sum of several with one base and one cost asset."""

    #: base, signed
    quantity: Decimal
    #: cost asset: what is open was paid for with this; below zero where it was sold short for it
    open_cost: Decimal
    #: cost asset
    realized: Decimal
    #: every fee ever paid, by its asset
    paid: Mapping[str, Decimal] = field(default_factory=dict)
    #: fees that are neither in ``realized``, nor in ``open_cost``, nor in the quantity; by asset
    apart: Mapping[str, Decimal] = field(default_factory=dict)
    #: some of it is long and some short, so that no average says anything
    is_mixed: bool = False

    @property
    def average_cost(self) -> Decimal | None:
        """Cost asset per base to 18 significant digits, half to even; None of nothing, or of long and short together."""
        return None if self.is_mixed else average(self.open_cost, self.quantity)

    def unrealized(self, price: Decimal) -> Decimal:
        """What closing all of it at ``price`` (cost asset per base) would win, before the fees of doing so."""
        return subtract(multiply(self.quantity, price), self.open_cost)


def figures(position: Position, *, base: str, cost_asset: str, method: Method, fees: FeesIn) -> Figures:
    basis = position.average if method is Method.AVERAGE else position.fifo
    open_cost = basis.cost if position.quantity > 0 else basis.cost.copy_negate()
    realized = basis.realized
    apart = {asset: amount for asset, amount in position.paid.items() if asset != base and amount != 0}
    if fees is FeesIn.INCLUDED:
        open_cost, realized = add(open_cost, basis.fees), subtract(realized, basis.realized_fees)
        apart.pop(cost_asset, None)
    return Figures(
        quantity=position.quantity,
        open_cost=open_cost,
        realized=realized,
        paid={asset: amount for asset, amount in position.paid.items() if amount != 0},
        apart=apart,
    )


def total(several: Iterable[Figures]) -> Figures:
    """The sum. Raises ValueError for none: the sum of nothing has no asset."""
    parts = list(several)
    if not parts:
        raise ValueError("there are no figures to sum")
    signs = {part.quantity > 0 for part in parts if part.quantity != 0}
    return Figures(
        quantity=_sum(part.quantity for part in parts),
        open_cost=_sum(part.open_cost for part in parts),
        realized=_sum(part.realized for part in parts),
        paid=_by_asset(part.paid for part in parts),
        apart=_by_asset(part.apart for part in parts),
        is_mixed=len(signs) > 1 or any(part.is_mixed for part in parts),
    )


def _sum(amounts: Iterable[Decimal]) -> Decimal:
    result = ZERO
    for amount in amounts:
        result = add(result, amount)
    return result


def _by_asset(several: Iterable[Mapping[str, Decimal]]) -> dict[str, Decimal]:
    result: dict[str, Decimal] = {}
    for amounts in several:
        for asset, amount in amounts.items():
            result[asset] = add(result.get(asset, ZERO), amount)
    return dict(sorted(result.items()))
