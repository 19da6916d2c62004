"""A simulation as a document, as rows, on a terminal and as a page: the figures are those of ``steadfill report``."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from html import escape
from typing import Any

from rich.console import Group, RenderableType

from cli.cost_charts import ChartFill, price_chart, schedule_chart
from cli.output import fields, table
from cli.report_figures import cost_figures, flat, seconds
from cli.report_html import cost_bars, html_table, page
from cli.report_tables import fees, lasting, moment, percent, short
from cli.simulate_run import Simulated, Simulation
from models.clock import format_time, format_time_or_none
from models.money import plain, plain_or_none

Document = Mapping[str, Any]

COLUMNS = (
    "algorithm", "parameters", "status", ">filled", ">average", ">slippage bps", ">shortfall bps", ">vs VWAP bps",
    ">vs TWAP bps", ">fees", ">participation", ">maker", ">slices", ">time to fill",
)  # fmt: skip

#: points of the market's course in a chart
_POINTS = 500

_SIGNS = "Positive is a cost, negative a gain. What is not known is –."
_ONE_SAMPLE = "One stretch of the past is one sample: try several --start before you choose"


def document_of(simulation: Simulation) -> Document:
    """Everything, decimals as strings in plain notation and times as RFC 3339, so that it can be computed with."""
    setting = simulation.setting
    file, model, wanted = setting.file, setting.model, setting.wanted
    return {
        "trades": {
            "file": file.name,
            "kind": file.kind,
            "rows": file.rows,
            "first_at": format_time(file.tape.first_at),
            "last_at": format_time(file.tape.last_at),
        },
        "order": {
            **{name: wanted.request[name] for name in ("symbol", "side", "type", "time_in_force")},
            "quantity": plain(simulation.runs[0].cost.facts.quantity),
            "price": plain_or_none(simulation.runs[0].run.order.price),
            "fill_policy": dict(simulation.runs[0].run.order.fill_policy),
            "start_at": format_time(simulation.setting.start_at),
            "end_at": format_time(simulation.setting.end_at),
        },
        "model": {
            "spread_bps": plain(model.spread_bps),
            "impact_factor": plain(model.impact_factor),
            "volatility": plain(model.volatility),
            "daily_volume": None if model.daily_volume is None else short(plain(model.daily_volume)),
            "recovery_s": seconds(model.recovery),
            "cap": plain(model.cap),
            "taker_fee_bps": plain(wanted.taker_bps),
            "maker_fee_bps": plain(wanted.maker_bps),
            "tick": plain(model.tick),
            "lot": plain(model.lot),
            "min_notional": plain(wanted.min_notional),
        },
        "notes": [*simulation.notes, _ONE_SAMPLE],
        "items": [_item(run) for run in simulation.runs],
    }


def _item(run: Simulated) -> dict[str, Any]:
    order = run.run.order
    return {
        "algorithm": run.label,
        "parameters": dict(run.algorithm),
        "status": order.status.value,
        "reason": order.reason and {"code": order.reason.code, "message": order.reason.message},
        **cost_figures(run.cost),
        "slices": len(run.run.children),
        "waves": run.run.waves,
        "notes": dict(run.run.notes),
        "child_orders": [
            {
                "slice": child.slice,
                "attempt": child.attempt,
                "status": child.status.value,
                "quantity": plain(child.quantity),
                "price": plain_or_none(child.price),
                "filled_quantity": plain(child.filled_quantity),
                "due_at": format_time(child.due_at),
                "sent_at": format_time_or_none(child.sent_at),
            }
            for child in run.run.children
        ],
        "fills": [
            {
                "quantity": plain(fill.quantity),
                "price": plain(fill.price),
                "fee": plain(fill.fee),
                "liquidity": fill.liquidity and fill.liquidity.value,
                "traded_at": format_time(fill.traded_at),
            }
            for fill in run.cost.facts.fills
        ],
    }


def rows_of(document: Document) -> list[dict[str, str]]:
    """A row each, without the single slices and fills."""
    rows = []
    for item in document["items"]:
        figures = {name: value for name, value in item.items() if name not in ("child_orders", "fills", "notes")}
        figures["parameters"] = _parameters(item)
        figures["reason"] = (item["reason"] or {}).get("code")
        rows.append(flat(figures))
    return rows


def view_of(document: Document) -> RenderableType:
    return Group(
        fields(_header(document)),
        "",
        table(COLUMNS, _rows(document)),
        "",
        *(f"- {note}." for note in _notes(document)),
    )


def page_of(simulation: Simulation, document: Document) -> str:
    """The comparison, and for each algorithm its schedule against its fills and its fills against the price."""
    parts = [
        f'<p class="soft">{_SIGNS}</p>',
        html_table(COLUMNS, _rows(document)),
        html_table(("", ""), _header(document)),
        "<ul>" + "".join(f"<li>{escape(note)}.</li>" for note in _notes(document)) + "</ul>",
        "<h2>Implementation shortfall</h2>",
        cost_bars("shortfall", "Shortfall in basis points", _figures(document, lambda item: item["shortfall"]["bps"])),
        "<h2>Slippage against arrival</h2>",
        cost_bars("slippage", "Slippage in basis points", _figures(document, lambda item: item["slippage_bps"])),
    ]
    market = _course(simulation)
    for number, run in enumerate(simulation.runs):
        parts += _charts(number, run, market, simulation.setting.end_at)
    return page(f"Simulation of {document['order']['symbol']}", *parts)


def _charts(number: int, run: Simulated, market: Sequence[tuple[datetime, Decimal]], until: datetime) -> list[str]:
    facts = run.cost.facts
    fills = [ChartFill(at=fill.traded_at, quantity=fill.quantity, price=fill.price) for fill in facts.fills]
    planned = [(child.due_at, child.quantity) for child in run.run.children if child.attempt == 1]
    return [
        f"<h2>{escape(run.label)}</h2>",
        schedule_chart(
            f"schedule-{number}", planned=planned, fills=fills, quantity=facts.quantity, base=facts.base, until=until
        ),
        price_chart(
            f"price-{number}",
            market=market,
            fills=fills,
            arrival=facts.arrival_price,
            average_price=run.cost.average_price,
            unit=f"{facts.quote} per {facts.base}",
        ),
    ]


def _course(simulation: Simulation) -> list[tuple[datetime, Decimal]]:
    """The last price at equal distances over the order's time."""
    step = (simulation.setting.end_at - simulation.setting.start_at) / _POINTS
    times = [simulation.setting.start_at + step * number for number in range(_POINTS)] + [simulation.setting.end_at]
    known = [(at, simulation.setting.file.tape.last_price(at)) for at in times]
    return [(at, price) for at, price in known if price is not None]


def _rows(document: Document) -> list[list[str | None]]:
    return [
        [
            item["algorithm"],
            _parameters(item),
            item["status"],
            percent(item["fill_rate"]),
            short(item["average_price"]),
            item["slippage_bps"],
            item["shortfall"]["bps"],
            item["vs_vwap_bps"],
            item["vs_twap_bps"],
            fees(item),
            percent(item["participation"]),
            percent(item["maker_share"]),
            str(item["slices"]),
            lasting(item["time_to_fill_s"]),
        ]
        for item in document["items"]
    ]


def _header(document: Document) -> list[tuple[str, str | None]]:
    order, model, trades = document["order"], document["model"], document["trades"]
    at = f" at {order['price']}" if order["price"] else ""
    first = document["items"][0]
    what = f"{order['side']} {order['quantity']} {order['symbol']}, {order['type']}{at}, {order['time_in_force']}"
    taking = f"half a spread of {model['spread_bps']} bps"
    if Decimal(model["impact_factor"]) and Decimal(model["volatility"]) and model["daily_volume"]:
        root = f"{model['impact_factor']} × {short(model['volatility'])} × √(quantity / {model['daily_volume']})"
        taking += f" and impact {root}, recovered in {model['recovery_s']} s"
    market = first["market"]
    averages = f"VWAP {short(market['vwap']) or '–'}, TWAP {short(market['twap']) or '–'}"
    span = f"{moment(trades['first_at'])} to {moment(trades['last_at'])} UTC"
    return [
        ("order", f"{what}, {order['fill_policy']['name']}"),
        ("time", f"{moment(order['start_at'])} to {moment(order['end_at'])} UTC"),
        ("prices", f"arrival {first['arrival_price']}, {averages}, last {market['last_price'] or '–'}"),
        ("taking", taking),
        ("resting", f"filled by trades through its price, by {percent(model['cap'])} of them at most"),
        ("fees", f"{model['taker_fee_bps']} bps taking, {model['maker_fee_bps']} bps resting"),
        ("venue", f"tick {model['tick']}, lot {model['lot']}, minimum {model['min_notional']}"),
        ("file", f"{trades['file']}: {trades['rows']} {trades['kind']}, {span}"),
    ]


def _notes(document: Document) -> list[str]:
    """What holds for all, and what a planner had to do without."""
    said = [
        f"{item['algorithm']}: {item['notes'][name]}"
        for item in document["items"]
        for name in ("fallback", "unknown_volume")
        if name in item["notes"]
    ]
    return [*said, *document["notes"]]


def _parameters(item: Document) -> str:
    """Those that say something, on one line."""
    left_out = {"name", "lookback_days"}
    shown = [
        f"{name}={value}"
        for name, value in item["parameters"].items()
        if name not in left_out and value not in ("0", False)
    ]
    text = " ".join(shown)
    return text if len(text) <= 60 else text[:59] + "…"


def _figures(document: Document, of: Any) -> list[tuple[str, str | None]]:
    return [(item["algorithm"], of(item)) for item in document["items"]]
