"""PURE: what the market that is shown would have done with an order. Own orders never move the market.

Careful rather than flattering: an order that rests is filled by what traded *through* its price, since at its price
others stood before it, or by what newly stands in the book where it would have been taken.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import ROUND_DOWN, ROUND_UP, Decimal

from models.dry_run import DryRunOrder
from models.market_data import BookSide, OrderBook, PublicTrade
from models.money import EXACT, ZERO, add, multiply, round_down_to, subtract
from models.reports import Trade, VenueStatus
from models.vocabulary import Liquidity, Side

#: venues charge fees with eight decimals
FEE_STEP = Decimal("0.00000001")


@dataclass(frozen=True, slots=True, kw_only=True)
class Matched:
    """An order after a look at the market, and what traded in it."""

    order: DryRunOrder
    trades: tuple[Trade, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    price: Decimal
    quantity: Decimal
    liquidity: Liquidity
    at: datetime


def arrive(order: DryRunOrder, book: OrderBook, at: datetime, *, immediate: bool, all_or_nothing: bool) -> Matched:
    """A new order meets the book: takes the levels up to its price; what is left rests, or ends where it is ``immediate``."""
    levels = _opposite(order, book)
    reached = [(price, quantity) for price, quantity in levels if _reaches(order, price)]
    standing = _total(quantity for _, quantity in reached)
    parts, wanted = [], order.quantity
    for price, quantity in reached:
        taken = _in_lots(order, min(quantity, wanted))
        if taken > 0:
            parts.append(_Part(price=price, quantity=taken, liquidity=Liquidity.TAKER, at=at))
            wanted = subtract(wanted, taken)
    matched = _filled(replace(order, crossed=standing), parts)
    if all_or_nothing and matched.order.is_open:
        return Matched(order=replace(order, status=VenueStatus.EXPIRED))
    if immediate and matched.order.is_open:
        return replace(matched, order=replace(matched.order, status=VenueStatus.EXPIRED))
    return matched


def would_take(order: DryRunOrder, book: OrderBook) -> bool:
    """Whether the order, were it to arrive now, would trade at once."""
    return any(_reaches(order, price) for price, _ in _opposite(order, book))


def look(orders: Sequence[DryRunOrder], book: OrderBook, tape: Sequence[PublicTrade], at: datetime) -> list[Matched]:
    """Orders of one symbol that rest, after what the market has done since they were last looked at; those that changed.

    One print, and one level, fills no more of our orders together than its own quantity: those with the better price
    come first, then the older ones.
    """
    printed = {trade.id: trade.quantity for trade in tape}
    shown = {side: dict(levels) for side, levels in ((Side.BUY, book.asks), (Side.SELL, book.bids))}
    changed = []
    for order in sorted(orders, key=_priority):
        matched = _look_at(order, book, tape, at, printed, shown[order.side])
        if matched.order != order:
            changed.append(matched)
    return changed


def effects(order: DryRunOrder, trades: Iterable[Trade]) -> dict[str, Decimal]:
    """By asset, what the trades add to the account."""
    found: dict[str, Decimal] = {}
    for trade in trades:
        cost = multiply(trade.quantity, trade.price)
        base, quote = (trade.quantity, -cost) if trade.side is Side.BUY else (-trade.quantity, cost)
        for asset, change in ((order.base, base), (order.quote, quote), (trade.fee_asset or "", -trade.fee)):
            if change:
                found[asset] = add(found.get(asset, ZERO), change)
    return found


def held(order: DryRunOrder) -> tuple[str, Decimal]:
    """The asset that the rest of an open order keeps, and how much of it."""
    left = subtract(order.quantity, order.filled_quantity)
    if order.side is Side.SELL:
        asset, amount = order.base, left
    else:
        assert order.price is not None  # no market order rests
        asset, amount = order.quote, multiply(left, order.price)
    rate = max(order.maker_fee, order.taker_fee, ZERO)
    return asset, add(amount, multiply(amount, rate)) if fee_asset(order) == asset else amount


def fee_asset(order: DryRunOrder) -> str:
    in_base = order.fee_in == "base" or (order.fee_in == "received" and order.side is Side.BUY)
    return order.base if in_base else order.quote


def _look_at(
    order: DryRunOrder,
    book: OrderBook,
    tape: Sequence[PublicTrade],
    at: datetime,
    printed: dict[str, Decimal],
    shown: dict[Decimal, Decimal],
) -> Matched:
    assert order.price is not None
    parts, wanted = [], subtract(order.quantity, order.filled_quantity)
    fresh = [trade for trade in tape if trade.at > order.seen_until]
    for trade in fresh:
        taken = _in_lots(order, min(printed[trade.id], wanted)) if _through(order, trade.price) else ZERO
        if taken > 0:
            printed[trade.id] = subtract(printed[trade.id], taken)
            wanted = subtract(wanted, taken)
            parts.append(_Part(price=order.price, quantity=taken, liquidity=Liquidity.MAKER, at=trade.at))
    reached = [(price, quantity) for price, quantity in _opposite(order, book) if _reaches(order, price)]
    standing = _total(quantity for _, quantity in reached)
    new = subtract(standing, order.crossed)
    for price, _ in reached:
        taken = _in_lots(order, min(shown[price], wanted, new))
        if taken > 0:
            shown[price], new = subtract(shown[price], taken), subtract(new, taken)
            wanted = subtract(wanted, taken)
            parts.append(_Part(price=order.price, quantity=taken, liquidity=Liquidity.MAKER, at=at))
    seen_until = max([order.seen_until, *(trade.at for trade in fresh)])
    return _filled(replace(order, crossed=standing, seen_until=seen_until), parts)


def _filled(order: DryRunOrder, parts: Sequence[_Part]) -> Matched:
    trades = []
    for part in parts:
        order = replace(
            order,
            filled_quantity=add(order.filled_quantity, part.quantity),
            filled_cost=add(order.filled_cost, multiply(part.quantity, part.price)),
        )
        fee = _fee(order, part)
        trades.append(
            Trade(
                # What had filled after it: the same whoever counts, and never twice in one order.
                venue_trade_id=f"{order.id}@{order.filled_quantity.normalize(EXACT):f}",
                venue_order_id=order.id,
                symbol=order.symbol,
                side=order.side,
                quantity=part.quantity,
                price=part.price,
                fee=fee,
                fee_asset=fee_asset(order) if fee else None,
                liquidity=part.liquidity,
                traded_at=part.at,
            )
        )
    if order.filled_quantity >= order.quantity:
        order = replace(order, status=VenueStatus.FILLED)
    return Matched(order=order, trades=tuple(trades))


def _fee(order: DryRunOrder, part: _Part) -> Decimal:
    rate = order.maker_fee if part.liquidity is Liquidity.MAKER else order.taker_fee
    amount = part.quantity if fee_asset(order) == order.base else multiply(part.quantity, part.price)
    # In the venue's favour: a fee rounds up, a rebate down.
    rounding = ROUND_UP if rate > 0 else ROUND_DOWN
    return multiply(amount, rate).quantize(FEE_STEP, rounding=rounding, context=EXACT)


def _opposite(order: DryRunOrder, book: OrderBook) -> BookSide:
    return book.asks if order.side is Side.BUY else book.bids


def _reaches(order: DryRunOrder, price: Decimal) -> bool:
    """Whether the order would take a level at this price."""
    return order.price is None or (price <= order.price if order.side is Side.BUY else price >= order.price)


def _through(order: DryRunOrder, price: Decimal) -> bool:
    """Whether a trade at this price went past the order: nobody waits behind it any more."""
    assert order.price is not None
    return price < order.price if order.side is Side.BUY else price > order.price


def _priority(order: DryRunOrder) -> tuple[Side, Decimal, datetime]:
    assert order.price is not None
    return order.side, -order.price if order.side is Side.BUY else order.price, order.created_at


def _in_lots(order: DryRunOrder, quantity: Decimal) -> Decimal:
    return round_down_to(quantity, order.lot) if quantity > 0 else ZERO


def _total(quantities: Iterable[Decimal]) -> Decimal:
    total = ZERO
    for quantity in quantities:
        total = add(total, quantity)
    return total
