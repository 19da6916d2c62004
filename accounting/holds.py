"""What an order must hold before it is sent: the most it can take from the account, fees included."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from models.money import ZERO, add, multiply
from models.vocabulary import Side

ONE = Decimal(1)


class FeeIn(StrEnum):
    """The asset that a venue takes its fee in."""

    BASE = "base"
    QUOTE = "quote"
    RECEIVED = "received"  # Binance: base on a buy, quote on a sell; nothing has to be held for it


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    asset: str
    amount: Decimal


def market_buy_price(ask: Decimal, buffer: Decimal) -> Decimal:
    """What a market buy is taken to pay: the ask, and a buffer (a fraction) for the way until it is filled."""
    return multiply(ask, add(ONE, buffer))


def hold_needed(
    *, side: Side, base: str, quote: str, remaining: Decimal, price: Decimal, fee_rate: Decimal, fee_in: FeeIn
) -> Hold:
    """What ``remaining`` (base) of an order can take at most.

    ``price`` is the limit, or ``market_buy_price``; a sell does not look at it. ``fee_rate`` is the taker's: a limit
    order may take as well as make. A rebate is not counted on.
    """
    paid_in = FeeIn.QUOTE if side is Side.BUY else FeeIn.BASE
    factor = add(ONE, max(fee_rate, ZERO)) if fee_in is paid_in else ONE
    if side is Side.BUY:
        return Hold(asset=quote, amount=multiply(multiply(remaining, price), factor))
    return Hold(asset=base, amount=multiply(remaining, factor))
