"""Positions: what our fills have made of an asset, what it cost, and what was won or lost by it.

Both methods, average cost and first in first out, are kept side by side, each with fees apart from prices, so that
every way of looking at a position is a sum and none needs its history.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from types import MappingProxyType

from accounting.fills import FillPosting
from accounting.lots import NO_LOT, Lot, LotsAfter, share_towards_zero, take_oldest
from models.money import ZERO, add, subtract
from models.vocabulary import Side

_NOTHING: Mapping[str, Decimal] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Basis:
    """Cost and profit by one method; all in the cost asset."""

    #: what is still open was bought for this, or sold short for it
    cost: Decimal = ZERO
    #: fees in the cost asset that were paid to open it; below zero is a rebate
    fees: Decimal = ZERO
    #: profit of what was closed, fees apart
    realized: Decimal = ZERO
    #: fees in the cost asset of what was closed, for opening and for closing it
    realized_fees: Decimal = ZERO


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """Of one venue account, base asset, cost asset and strategy."""

    #: of its last change; 0: none yet
    number: int = 0
    #: base; below zero: more was sold than our orders had bought
    quantity: Decimal = ZERO
    average: Basis = Basis()
    fifo: Basis = Basis()
    #: the oldest lot that is open
    head: Lot = NO_LOT
    #: every fee ever paid, by its asset; below zero is a rebate
    paid: Mapping[str, Decimal] = field(default_factory=lambda: _NOTHING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Movement:
    """What one fill does to a position."""

    #: base received (above zero) or given away, a fee in base included
    quantity: Decimal
    #: cost asset received (above zero) or given away, fees apart
    cash: Decimal
    #: fee in the cost asset; below zero is a rebate
    fee: Decimal = ZERO
    #: the fee in whatever asset it was taken; empty where there was none
    paid: Mapping[str, Decimal] = field(default_factory=lambda: _NOTHING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    after: Position
    #: the lot that it opened; None: it only closed
    opened: Lot | None


def movement_of(fill: FillPosting) -> Movement:
    """A fee in base is base that never came, or went as well; one in a third asset moves neither base nor cost."""
    quantity, cash = fill.quantity, fill.cost.copy_negate()
    if fill.side is Side.SELL:
        quantity, cash = quantity.copy_negate(), fill.cost
    if fill.fee_asset is None or fill.fee == 0:
        return Movement(quantity=quantity, cash=cash)
    if fill.fee_asset == fill.base:
        quantity = subtract(quantity, fill.fee)
    fee = fill.fee if fill.fee_asset == fill.quote else ZERO
    return Movement(quantity=quantity, cash=cash, fee=fee, paid={fill.fee_asset: fill.fee})


def moved(position: Position, movement: Movement, lots_after: LotsAfter) -> Change:
    """The position after a movement: closing what stands against it first, opening with the rest.

    A movement through zero is split by quantity; its closing part is cut towards zero to FINEST of the cost asset, so
    that the two parts sum to the whole.
    """
    position = replace(position, number=position.number + 1, paid=_sum(position.paid, movement.paid))
    quantity, cash, fee = movement.quantity, movement.cash, movement.fee
    if quantity == 0 or (cash != 0 and (quantity > 0) == (cash > 0)):
        # A fee in base as large as the fill itself, or larger: the cash bought nothing, and is won or lost at once.
        position = _both(position, lambda basis: _settled(basis, cash, fee))
        cash, fee = ZERO, ZERO
    money, size = abs_(cash), abs_(quantity)
    against = (quantity > 0) != (position.quantity > 0) and position.quantity != 0
    closing = min(size, abs_(position.quantity)) if against else ZERO
    if closing > 0:
        closing_money = share_towards_zero(money, closing, size)
        closing_fee = share_towards_zero(fee, closing, size)
        position = _closed(position, closing, closing_money, closing_fee, lots_after)
        money, fee = subtract(money, closing_money), subtract(fee, closing_fee)
    opening = subtract(size, closing)
    if opening == 0:
        return Change(after=position, opened=None)
    return _opened(position, quantity > 0, Lot(number=position.number, quantity=opening, cost=money, fees=fee))


def abs_(number: Decimal) -> Decimal:
    """``abs`` rounds to the thread's context; this does not."""
    return number.copy_abs()


def _opened(position: Position, is_long: bool, lot: Lot) -> Change:
    was_flat = position.quantity == 0
    signed = lot.quantity if is_long else lot.quantity.copy_negate()
    position = _both(
        position, lambda basis: replace(basis, cost=add(basis.cost, lot.cost), fees=add(basis.fees, lot.fees))
    )
    after = replace(position, quantity=add(position.quantity, signed), head=lot if was_flat else position.head)
    return Change(after=after, opened=lot)


def _closed(position: Position, closing: Decimal, money: Decimal, fee: Decimal, lots_after: LotsAfter) -> Position:
    """``closing`` of what is open (base, above zero) goes for ``money``, and ``fee`` is paid for that."""
    is_long, size = position.quantity > 0, abs_(position.quantity)
    average, taken = position.average, take_oldest(position.head, lots_after, closing)
    cost = share_towards_zero(average.cost, closing, size)
    fees = share_towards_zero(average.fees, closing, size)
    left = subtract(size, closing)
    return replace(
        position,
        quantity=left if is_long else left.copy_negate(),
        average=_taken_out(average, is_long, cost, fees, money, fee),
        fifo=_taken_out(position.fifo, is_long, taken.cost, taken.fees, money, fee),
        head=taken.head,
    )


def _taken_out(basis: Basis, is_long: bool, cost: Decimal, fees: Decimal, money: Decimal, fee: Decimal) -> Basis:
    profit = subtract(money, cost) if is_long else subtract(cost, money)
    return Basis(
        cost=subtract(basis.cost, cost),
        fees=subtract(basis.fees, fees),
        realized=add(basis.realized, profit),
        realized_fees=add(basis.realized_fees, add(fees, fee)),
    )


def _settled(basis: Basis, cash: Decimal, fee: Decimal) -> Basis:
    return replace(basis, realized=add(basis.realized, cash), realized_fees=add(basis.realized_fees, fee))


def _both(position: Position, change: Callable[[Basis], Basis]) -> Position:
    return replace(position, average=change(position.average), fifo=change(position.fifo))


def _sum(paid: Mapping[str, Decimal], more: Mapping[str, Decimal]) -> Mapping[str, Decimal]:
    if not more:
        return paid
    return {asset: add(paid.get(asset, ZERO), more.get(asset, ZERO)) for asset in sorted({*paid, *more})}
