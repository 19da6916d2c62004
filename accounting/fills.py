"""A fill as legs. What the venue says happened is always booked; what our books can't cover comes from suspense."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from accounting.legs import AccountKind, AccountRef, Leg
from models.money import ZERO, add, plain, subtract
from models.vocabulary import Side


@dataclass(frozen=True, slots=True, kw_only=True)
class FillPosting:
    """One trade of one of our orders, as the books need it."""

    #: venue, account, symbol, venue order id and trade id in one string: the same trade is posted once
    key: str
    order_id: str
    venue: str
    account: str
    side: Side
    base: str
    quote: str
    #: base that changed hands
    quantity: Decimal
    #: quote per base
    price: Decimal
    #: quote that changed hands: the venue's own figure, or quantity × price
    cost: Decimal
    #: negative is a rebate
    fee: Decimal = ZERO
    #: None only where the fee is zero
    fee_asset: str | None = None

    def __post_init__(self) -> None:
        if not (self.quantity > 0 and self.cost >= 0):
            raise ValueError(
                f"{self.key}: a fill has a quantity above zero and a cost, got {self.quantity} for {self.cost}"
            )
        if self.fee != 0 and self.fee_asset is None:
            raise ValueError(f"{self.key}: a fee of {self.fee} needs its asset")

    def content(self) -> dict[str, str | None]:
        """What must be the same whenever this trade is told again; decimals in plain notation."""
        return {
            "side": self.side.value,
            "base": self.base,
            "quote": self.quote,
            "quantity": plain(self.quantity),
            "price": plain(self.price),
            "cost": plain(self.cost),
            "fee": plain(self.fee),
            "fee_asset": self.fee_asset if self.fee != 0 else None,
        }

    @property
    def assets(self) -> frozenset[str]:
        return frozenset({self.base, self.quote} | ({self.fee_asset} if self.fee != 0 and self.fee_asset else set()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Funds:
    """What may pay for a fill, in one asset."""

    #: left of the order's own hold
    held: Decimal = ZERO
    available: Decimal = ZERO


@dataclass(frozen=True, slots=True, kw_only=True)
class Shortfall:
    """What a fill took and our books did not have: suspense paid it, and a person must look."""

    asset: str
    amount: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class FillLegs:
    legs: tuple[Leg, ...]
    shortfalls: tuple[Shortfall, ...]


def fill_legs(fill: FillPosting, funds: Mapping[str, Funds]) -> FillLegs:
    """The legs of a fill, in an order in which no balance that may not is ever below zero.

    ``funds`` by asset; an asset that is missing has none. The given-away asset is paid by the order's hold, then by
    what is available, then by suspense. A fee is paid likewise, after what the fill brought in.
    """
    purse = _Purse(funds)
    given, taken = (fill.quote, fill.base) if fill.side is Side.BUY else (fill.base, fill.quote)
    given_amount, taken_amount = (fill.cost, fill.quantity) if fill.side is Side.BUY else (fill.quantity, fill.cost)
    purse.pay(given, given_amount, AccountKind.CLEARING)
    purse.receive(taken, taken_amount, AccountKind.CLEARING)
    if fill.fee_asset is not None:
        if fill.fee > 0:
            purse.pay(fill.fee_asset, fill.fee, AccountKind.FEE)
        else:
            purse.receive(fill.fee_asset, fill.fee.copy_negate(), AccountKind.FEE)
    return FillLegs(
        legs=tuple(purse.legs),
        shortfalls=tuple(Shortfall(asset=asset, amount=amount) for asset, amount in purse.short.items()),
    )


class _Purse:
    """What is left of an order's funds while one fill is taken apart into legs."""

    def __init__(self, funds: Mapping[str, Funds]) -> None:
        self.left = {
            (asset, kind): amount
            for asset, found in funds.items()
            for kind, amount in ((AccountKind.HOLD, found.held), (AccountKind.AVAILABLE, found.available))
        }
        self.legs: list[Leg] = []
        self.short: dict[str, Decimal] = {}

    def pay(self, asset: str, amount: Decimal, to: AccountKind) -> None:
        for kind in (AccountKind.HOLD, AccountKind.AVAILABLE):
            part = min(amount, self.left.get((asset, kind), ZERO))
            if part > 0:
                self.left[asset, kind] = subtract(self.left[asset, kind], part)
                self._move(asset, part, to=to, source=kind)
                amount = subtract(amount, part)
        if amount > 0:
            self.short[asset] = add(self.short.get(asset, ZERO), amount)
            self._move(asset, amount, to=to, source=AccountKind.SUSPENSE)

    def receive(self, asset: str, amount: Decimal, source: AccountKind) -> None:
        if amount > 0:
            key = (asset, AccountKind.AVAILABLE)
            self.left[key] = add(self.left.get(key, ZERO), amount)
            self._move(asset, amount, to=AccountKind.AVAILABLE, source=source)

    def _move(self, asset: str, amount: Decimal, *, to: AccountKind, source: AccountKind) -> None:
        self.legs.append(Leg(debit=AccountRef(asset, to), credit=AccountRef(asset, source), amount=amount))
