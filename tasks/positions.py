"""Positions as a document: read from the books, summed as asked for, valued at the price that a venue showed last."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from redis.exceptions import RedisError
from sqlalchemy import Connection

from accounting.position_figures import FeesIn, Figures, Method, figures, total
from models.clock import format_time
from models.money import EXACT, ZERO, add, multiply, plain, plain_or_none, subtract
from storage.engine import read
from storage.ledger_reads import owned_of
from storage.position_reads import HeldPosition, PositionFilter, read_positions
from tasks.hot_books import hot_positions
from tasks.runtime import Runtime

#: what positions may be summed by, beside asset, cost asset and mode, which never mix
DIMENSIONS = ("venue", "account", "strategy")
DEFAULT_BY = ("venue", "account")

#: two prices make a mid
_HALF = Decimal("0.5")

_Place = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionQuery:
    wanted: PositionFilter
    #: None: now
    at: datetime | None
    method: Method
    fees: FeesIn
    #: of DIMENSIONS
    by: Sequence[str] = DEFAULT_BY
    #: read the hot copy of the wanted venue account where there is one; the database where there is not
    hot: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """The middle of a quote that a venue showed."""

    value: Decimal
    age_s: float


class Prices:
    """What the venues showed last, each symbol asked for once. Never a guess: None, and why."""

    def __init__(self, runtime: Runtime) -> None:
        self._shared = runtime.shared_shown
        self._known: dict[tuple[_Place, str], Price | None] = {}
        self.silent = self._shared is None

    def learn(self, wanted: Mapping[_Place, Sequence[str]]) -> None:
        """Read the quotes of these symbols, one request for each venue account."""
        for place, symbols in wanted.items():
            missing = [symbol for symbol in dict.fromkeys(symbols) if (place, symbol) not in self._known]
            if missing and not self.silent and self._shared is not None:
                try:
                    quotes = self._shared.read(*place, *(f"quote:{symbol}" for symbol in missing))
                except RedisError:
                    self.silent = True
                    return
                for symbol, quote in zip(missing, quotes, strict=True):
                    self._known[place, symbol] = _mid(quote)

    def of(self, place: _Place, symbol: str) -> Price | None:
        return self._known.get((place, symbol))

    def why_none(self, symbol: str) -> str:
        if self.silent:
            return "what the venues showed is kept in Redis, which does not answer"
        return f"the venue has shown no price of {symbol} within a day"


def positions_document(runtime: Runtime, query: PositionQuery) -> dict[str, Any]:
    """What ``GET /v1/positions`` answers."""
    copied = _hot(runtime, query) if query.hot else None
    age_s: float | None = None
    holdings: list[dict[str, Any]] | None = None
    if copied is not None:
        held, age_s = copied
    else:
        with read(runtime.engine, snapshot=True) as conn:
            held = read_positions(conn, query.wanted, at=query.at)
            holdings = _holdings(conn, query, held)
    prices = Prices(runtime)
    if query.at is None:
        prices.learn(_symbols(held))
    return {
        "items": [_item(query, legs, prices) for legs in _grouped(held, query.by)],
        "holdings": holdings,
        "method": query.method.value,
        "fees": query.fees.value,
        "at": format_time(query.at) if query.at is not None else None,
        "source": "database" if copied is None else "hot",
        "age_s": age_s,
    }


def _hot(runtime: Runtime, query: PositionQuery) -> tuple[list[HeldPosition], float] | None:
    wanted = query.wanted
    if query.at is not None or wanted.venue is None or wanted.account is None:
        return None
    copy = hot_positions(runtime, wanted.venue, wanted.account)
    if copy is None:
        return None
    names = ("asset", "cost_asset", "strategy")
    held = [one for one in copy[0] if all(getattr(wanted, name) in (None, getattr(one.key, name)) for name in names)]
    return sorted(held, key=lambda one: one.key), copy[1]


def _grouped(held: Sequence[HeldPosition], by: Sequence[str]) -> list[list[HeldPosition]]:
    groups: dict[tuple[str, ...], list[HeldPosition]] = {}
    for one in held:
        key = (*(getattr(one.key, name) for name in by), one.key.asset, one.key.cost_asset, one.mode.value)
        groups.setdefault(key, []).append(one)
    return list(groups.values())


def _item(query: PositionQuery, legs: Sequence[HeldPosition], prices: Prices) -> dict[str, Any]:
    key, by = legs[0].key, query.by
    parts = [(leg, _figures(leg, query)) for leg in legs]
    whole = total(part for _, part in parts)
    unrealized, price, note = _valued(query, parts, prices)
    apart, apart_value = _apart(query, parts, prices)
    everything = None
    if unrealized is not None and apart_value is not None:
        everything = subtract(add(whole.realized, unrealized), apart_value)
    return {
        **{name: getattr(key, name) if name in by else None for name in ("account", "venue")},
        "asset": key.asset,
        "quantity": plain(whole.quantity),
        "average_cost": plain_or_none(whole.average_cost),
        "cost_asset": key.cost_asset,
        "realized_pnl": plain(whole.realized),
        "open_cost": plain(whole.open_cost),
        "unrealized_pnl": plain_or_none(unrealized),
        "price": None if price is None else plain(price.value),
        "price_age_s": None if price is None else price.age_s,
        "total_pnl": plain_or_none(everything),
        "fees": {asset: plain(amount) for asset, amount in whole.paid.items()},
        "fees_apart": apart,
        "strategy": key.strategy if "strategy" in by else None,
        "mode": legs[0].mode.value,
        "changes": sum(leg.position.number for leg in legs),
        "booked_at": format_time(max(leg.booked_at for leg in legs)),
        "traded_at": format_time(max(leg.traded_at for leg in legs)),
        "note": _note(whole, note),
    }


def _figures(leg: HeldPosition, query: PositionQuery) -> Figures:
    key = leg.key
    return figures(leg.position, base=key.asset, cost_asset=key.cost_asset, method=query.method, fees=query.fees)


def _valued(
    query: PositionQuery, parts: Sequence[tuple[HeldPosition, Figures]], prices: Prices
) -> tuple[Decimal | None, Price | None, str]:
    """Unrealized profit, each position at its own venue's price; that price where it is one; and why there is none."""
    open_parts = [(leg, part) for leg, part in parts if part.quantity != 0]
    if not open_parts:
        return ZERO, None, ""
    if query.at is not None:
        return None, None, "No unrealized profit: prices of the past are not kept."
    result, used = ZERO, {}
    for leg, part in open_parts:
        place, symbol = (leg.key.venue, leg.key.account), f"{leg.key.asset}/{leg.key.cost_asset}"
        price = prices.of(place, symbol)
        if price is None:
            return None, None, f"No unrealized profit: {prices.why_none(symbol)}."
        used[place] = price
        result = add(result, part.unrealized(price.value))
    return result, next(iter(used.values())) if len(used) == 1 else None, ""


def _apart(
    query: PositionQuery, parts: Sequence[tuple[HeldPosition, Figures]], prices: Prices
) -> tuple[list[dict[str, Any]], Decimal | None]:
    """Fees that no figure contains, each with its worth where a price is known; and the worth of all of them."""
    amounts: dict[str, Decimal] = {}
    worths: dict[str, Decimal | None] = {}
    for leg, part in parts:
        for asset, amount in part.apart.items():
            amounts[asset] = add(amounts.get(asset, ZERO), amount)
            worth = _worth(query, leg, asset, amount, prices)
            before = worths.get(asset, ZERO)
            worths[asset] = None if worth is None or before is None else add(before, worth)
    shown = [
        {
            "asset": asset,
            "amount": plain(amount),
            "value": plain_or_none(worths[asset]),
        }
        for asset, amount in sorted(amounts.items())
    ]
    if None in worths.values():
        return shown, None
    whole = ZERO
    for worth in worths.values():
        whole = add(whole, worth or ZERO)
    return shown, whole


def _worth(query: PositionQuery, leg: HeldPosition, asset: str, amount: Decimal, prices: Prices) -> Decimal | None:
    if asset == leg.key.cost_asset:
        return amount
    price = (
        None if query.at is not None else prices.of((leg.key.venue, leg.key.account), f"{asset}/{leg.key.cost_asset}")
    )
    return None if price is None else multiply(amount, price.value)


def _symbols(held: Sequence[HeldPosition]) -> dict[_Place, list[str]]:
    """The symbols whose prices are needed, by the venue account that shows them."""
    found: dict[_Place, list[str]] = {}
    for one in held:
        symbols = found.setdefault((one.key.venue, one.key.account), [])
        if one.position.quantity != 0:
            symbols.append(f"{one.key.asset}/{one.key.cost_asset}")
        symbols += [
            f"{asset}/{one.key.cost_asset}"
            for asset in one.position.paid
            if asset not in (one.key.asset, one.key.cost_asset)
        ]
    return found


def _note(whole: Figures, why_unvalued: str) -> str | None:
    sentences = []
    if whole.is_mixed:
        sentences.append("Long and short positions are summed here, so it has no average cost: ask by strategy.")
    elif whole.quantity < 0:
        sentences.append(
            "More was sold than our orders had bought: what was there before them, whose cost is not known. "
            "What it was sold for stands as its cost until it is bought back."
        )
    return " ".join([*sentences, why_unvalued]).strip() or None


def _holdings(conn: Connection, query: PositionQuery, held: Sequence[HeldPosition]) -> list[dict[str, Any]] | None:
    """What the books have of each asset, and how much of that no position explains; None where only a part is asked for."""
    wanted = query.wanted
    if query.at is not None or wanted.strategy is not None or wanted.cost_asset is not None:
        return None
    explained: dict[tuple[str, str, str], Decimal] = {}
    for one in held:
        place = (one.key.venue, one.key.account, one.key.asset)
        explained[place] = add(explained.get(place, ZERO), one.position.quantity)
    owned = owned_of(conn, venue=wanted.venue, account=wanted.account, asset=wanted.asset)
    return [
        {
            "account": account,
            "venue": venue,
            "asset": asset,
            "total": plain(owned.get((venue, account, asset), ZERO)),
            "in_positions": plain(quantity),
            "cost_unknown": plain(subtract(owned.get((venue, account, asset), ZERO), quantity)),
        }
        for (venue, account, asset), quantity in sorted(explained.items())
    ]


def _mid(quote: Mapping[str, Any] | None) -> Price | None:
    if quote is None or quote.get("bid") is None or quote.get("ask") is None:
        return None
    middle = EXACT.multiply(add(Decimal(quote["bid"]), Decimal(quote["ask"])), _HALF)
    return Price(value=middle, age_s=quote["age_s"])
