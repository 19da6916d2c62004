"""Costs as JSON values and as rows: the one place where a figure gets its name and its notation."""

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any

from accounting.costs import OrderCost, Shortfall
from accounting.costs_groups import GroupCost
from accounting.costs_market import IntervalMarket
from models.clock import format_time, format_time_or_none
from models.money import EXACT, plain, plain_or_none
from storage.costs import CostedOrder

Json = dict[str, Any]

_PARTS = ("delay", "impact", "execution", "opportunity", "fees", "total")


def order_document(order: CostedOrder) -> Json:
    """One order: who it was, and ``cost_figures``."""
    return {
        "order_id": order.id,
        "client_order_id": order.client_order_id,
        "status": order.status,
        "venue": order.venue,
        "account": order.account,
        "symbol": order.symbol,
        "algorithm": order.algorithm,
        "tags": dict(order.tags),
        **cost_figures(order.cost),
        "market_problem": order.market_problem,
    }


def cost_figures(cost: OrderCost) -> Json:
    """Decimals are strings in plain notation, times RFC 3339 in UTC, durations seconds; what is not known is null."""
    facts = cost.facts
    return {
        "side": facts.side.value,
        "base": facts.base,
        "quote": facts.quote,
        "submitted_at": format_time(facts.submitted_at),
        "created_at": format_time(facts.created_at),
        "first_sent_at": format_time_or_none(facts.first_sent_at),
        "ended_at": format_time_or_none(facts.ended_at),
        "quantity": plain(facts.quantity),
        "filled_quantity": plain(cost.filled_quantity),
        "unfilled_quantity": plain(cost.unfilled_quantity),
        "fill_rate": plain_or_none(cost.fill_rate),
        "decision_price": plain_or_none(facts.decision_price),
        "arrival_price": plain_or_none(facts.arrival_price),
        "average_price": plain_or_none(cost.average_price),
        "final_price": plain_or_none(cost.final_price),
        "slippage_bps": plain_or_none(cost.slippage_bps),
        "shortfall": _shortfall(cost.shortfall, cost.shortfall_bps),
        "vs_vwap_bps": plain_or_none(cost.vs_vwap_bps),
        "vs_twap_bps": plain_or_none(cost.vs_twap_bps),
        "fees": plain(cost.fees),
        "unvalued_fees": _amounts(cost.unvalued_fees),
        "market": _market(facts.market),
        "participation": plain_or_none(cost.participation),
        "maker_share": plain_or_none(cost.maker_share),
        "time_to_send_s": seconds(cost.time_to_send),
        "time_to_first_fill_s": seconds(cost.time_to_first_fill),
        "time_to_fill_s": seconds(cost.time_to_fill),
    }


def group_document(by: Mapping[str, str | None], group: GroupCost) -> Json:
    """One group: what its orders have in common, its figures, and of how many orders each average is."""
    return {
        "by": dict(by),
        "quote": group.quote,
        "orders": group.orders,
        "filled_orders": group.filled_orders,
        "filled_notional": plain(group.filled_notional),
        "fill_rate": plain_or_none(group.fill_rate),
        "slippage": plain_or_none(group.slippage),
        "slippage_bps": plain_or_none(group.slippage_bps),
        "shortfall": _shortfall(group.shortfall, group.shortfall_bps),
        "vs_vwap_bps": plain_or_none(group.vs_vwap_bps),
        "vs_twap_bps": plain_or_none(group.vs_twap_bps),
        "fees": plain(group.fees),
        "unvalued_fees": _amounts(group.unvalued_fees),
        "participation": plain_or_none(group.participation),
        "maker_share": plain_or_none(group.maker_share),
        "time_to_send_s": seconds(group.time_to_send),
        "time_to_first_fill_s": seconds(group.time_to_first_fill),
        "time_to_fill_s": seconds(group.time_to_fill),
        "counted": dict(group.counted),
    }


def flat(document: Mapping[str, Any]) -> dict[str, str]:
    """A document as one row: nested names joined by ``_``, nulls empty, amounts by asset as ``0.1 BNB; 2 ABC``."""
    row: dict[str, str] = {}
    for name, value in document.items():
        if name in ("unvalued_fees", "tags"):
            separator = " " if name == "unvalued_fees" else "="
            pairs = ((amount, asset) if name == "unvalued_fees" else (asset, amount) for asset, amount in value.items())
            row[name] = "; ".join(separator.join(pair) for pair in pairs)
        elif name == "by":
            row |= {key: "" if part is None else part for key, part in value.items()}
        elif isinstance(value, Mapping):
            row |= {f"{name}_{key}": part for key, part in flat(value).items()}
        else:
            row[name] = "" if value is None else str(value)
    return row


def seconds(time: timedelta | None) -> str | None:
    """Seconds to the microsecond, in plain notation."""
    return None if time is None else plain(Decimal(time // timedelta(microseconds=1)).scaleb(-6, context=EXACT))


def _shortfall(shortfall: Shortfall | None, bps: Decimal | None) -> Json:
    if shortfall is None:
        return dict.fromkeys((*_PARTS, "bps"))
    parts = {name: plain_or_none(getattr(shortfall, name)) for name in _PARTS}
    return {**parts, "bps": plain_or_none(bps)}


def _market(market: IntervalMarket | None) -> Json:
    names = ("volume", "vwap", "twap", "first_price", "last_price")
    if market is None:
        return dict.fromkeys(("start_at", "end_at", *names))
    return {
        "start_at": format_time(market.start_at),
        "end_at": format_time(market.end_at),
        **{name: plain_or_none(getattr(market, name)) for name in names},
    }


def _amounts(amounts: Mapping[str, Decimal]) -> Json:
    return {asset: plain(amount) for asset, amount in amounts.items()}
