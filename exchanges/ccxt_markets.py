"""ccxt's markets as instruments."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from exchanges.ccxt_call import Unreadable
from exchanges.ccxt_parse import number
from models.instrument import Instrument

#: ccxt's precisionMode for "the precision is the step itself"; all venues in the table use it
TICK_SIZE = 4
DECIMAL_PLACES = 2
ZERO = Decimal(0)


def instruments(
    markets: Iterable[Mapping[str, Any]], venue: str, precision_mode: int, fetched_at: datetime
) -> list[Instrument]:
    """The spot markets by symbol; one whose steps the venue does not tell can't be traded exactly and is left out."""
    found = [
        instrument(market, venue, precision_mode, fetched_at)
        for market in markets
        if market.get("spot") and not market.get("contract")
    ]
    return sorted((entry for entry in found if entry is not None), key=lambda entry: entry.symbol)


def instrument(market: Mapping[str, Any], venue: str, precision_mode: int, fetched_at: datetime) -> Instrument | None:
    limits = market.get("limits") or {}
    precision = market.get("precision") or {}
    try:
        tick, lot = _step(precision.get("price"), precision_mode), _step(precision.get("amount"), precision_mode)
        if not tick or not lot:
            return None
        return Instrument(
            venue=venue,
            symbol=str(market["symbol"]),
            base=str(market["base"]),
            quote=str(market["quote"]),
            tick=tick,
            lot=lot,
            min_quantity=_limit(limits, "amount", "min") or ZERO,
            max_quantity=_limit(limits, "amount", "max"),
            max_market_quantity=_limit(limits, "market", "max"),
            min_price=_limit(limits, "price", "min"),
            max_price=_limit(limits, "price", "max"),
            min_notional=_limit(limits, "cost", "min") or ZERO,
            max_notional=_limit(limits, "cost", "max"),
            maker_fee=number(market.get("maker"), "maker fee") or ZERO,
            taker_fee=number(market.get("taker"), "taker fee") or ZERO,
            spot=True,
            active=market.get("active") is not False,
            fetched_at=fetched_at,
        )
    except (Unreadable, KeyError):
        return None


def _step(value: object, precision_mode: int) -> Decimal | None:
    parsed = number(value, "step")
    if parsed is None:
        return None
    if precision_mode == DECIMAL_PLACES:
        return Decimal(1).scaleb(-int(parsed))
    return parsed if precision_mode == TICK_SIZE and parsed > 0 else None


def _limit(limits: Mapping[str, Any], kind: str, bound: str) -> Decimal | None:
    """A bound of 0 is how venues say that there is none."""
    return number((limits.get(kind) or {}).get(bound), f"{bound} {kind}") or None
