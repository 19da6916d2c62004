"""Reports as one HTML file: no script, nothing from a network (the page forbids both), readable in light and dark."""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from html import escape
from typing import Any

from cli.charts import CSS, Bar, bar_chart
from cli.cost_charts import ChartFill, price_chart, schedule_chart
from cli.report_tables import (
    GROUP_COLUMNS,
    ORDER_COLUMNS,
    group_rows,
    order_pairs,
    order_rows,
)
from models.clock import format_time
from models.money import plain
from storage.costs import CostedOrder

Document = Mapping[str, Any]

PAGE_CSS = (
    CSS
    + """
html { background: Canvas; color: CanvasText; font: 15px/1.5 system-ui, sans-serif; }
body { margin: 2rem auto; max-width: 76rem; padding: 0 1rem; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { border-bottom: 1px solid var(--grid); padding: .2rem .7rem .2rem 0; text-align: left; vertical-align: top; }
th.number, td.number { text-align: right; }
.wide { overflow-x: auto; } .soft { color: var(--soft); }
"""
).strip()

#: nothing is loaded and nothing runs, whatever an order's words say
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"

_SIGNS = "Positive is a cost, negative a gain. What is not known is –."


def order_page(order: CostedOrder, document: Document) -> str:
    """One order: its figures, schedule against fills, price, and both as tables."""
    facts = order.cost.facts
    fills = [ChartFill(at=fill.traded_at, quantity=fill.quantity, price=fill.price) for fill in facts.fills]
    until = facts.ended_at or max([fill.at for fill in fills], default=facts.created_at)
    pairs, parts = order_pairs(document)
    return page(
        f"Order {order.client_order_id}",
        f'<p class="soft">{_SIGNS}</p>',
        _pairs(pairs),
        "<h2>Implementation shortfall</h2>",
        html_table(("part", f">{facts.quote}"), parts),
        "<h2>Schedule and fills</h2>",
        schedule_chart(
            "schedule",
            planned=[(one.due_at, one.quantity) for one in order.slices],
            fills=fills,
            quantity=facts.quantity,
            base=facts.base,
            until=until,
        ),
        _details(
            "Slices",
            html_table(
                ("due", f">{facts.base}"), [(format_time(one.due_at), plain(one.quantity)) for one in order.slices]
            ),
        ),
        "<h2>Price</h2>",
        price_chart(
            "price",
            market=[(point.open_at + point.length, point.close) for point in order.path],
            fills=fills,
            arrival=facts.arrival_price,
            average_price=order.cost.average_price,
            unit=f"{facts.quote} per {facts.base}",
        ),
        _details(
            "Fills",
            html_table(
                ("at", f">{facts.base}", ">price", ">fee", "fee in", "liquidity"),
                [
                    (
                        format_time(fill.traded_at),
                        plain(fill.quantity),
                        plain(fill.price),
                        plain(fill.fee),
                        fill.fee_asset,
                        fill.liquidity and fill.liquidity.value,
                    )
                    for fill in facts.fills
                ],
            ),
        ),
        _details(
            "Market",
            html_table(
                ("candle from", ">close", ">volume"),
                [(format_time(point.open_at), plain(point.close), plain(point.volume)) for point in order.path],
            ),
        ),
    )


def orders_page(documents: Sequence[Document], totals: Sequence[Document], note: str) -> str:
    """Orders and their sum."""
    return page(
        "Orders",
        f'<p class="soft">{_SIGNS} {escape(note)}</p>',
        html_table(ORDER_COLUMNS, order_rows(documents)),
        "<h2>Together</h2>",
        html_table(GROUP_COLUMNS, group_rows(totals)),
    )


def groups_page(keys: Sequence[str], documents: Sequence[Document]) -> str:
    """Groups, and their slippage and shortfall as bars."""
    return page(
        f"Orders by {', '.join(keys)}",
        f'<p class="soft">{_SIGNS} Averages are weighted by notional.</p>',
        html_table((*keys, *GROUP_COLUMNS), group_rows(documents)),
        "<h2>Slippage against arrival</h2>",
        cost_bars("slippage", "Slippage in basis points", [(_named(one), one["slippage_bps"]) for one in documents]),
        "<h2>Implementation shortfall</h2>",
        cost_bars(
            "shortfall", "Shortfall in basis points", [(_named(one), one["shortfall"]["bps"]) for one in documents]
        ),
    )


def cost_bars(name: str, title: str, figures: Sequence[tuple[str, str | None]]) -> str:
    """One bar each, of basis points."""
    bars = [
        Bar(label=label, value=None if text is None else Decimal(text), text="not known" if text is None else text)
        for label, text in figures
    ]
    return bar_chart(name, title=title, summary="; ".join(f"{bar.label}: {bar.text}" for bar in bars) + ".", bars=bars)


def page(title: str, *parts: str) -> str:
    """A whole page around parts that are HTML; only ``title`` is escaped here."""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>\n{PAGE_CSS}\n</style>\n</head>\n<body>\n<h1>{escape(title)}</h1>\n"
        + "\n".join(parts)
        + "\n</body>\n</html>\n"
    )


def html_table(columns: Sequence[str], rows: Iterable[Sequence[str | None]]) -> str:
    """Columns after a ``>`` in their name stand to the right; every cell is escaped."""
    looks = [' class="number"' if column.startswith(">") else "" for column in columns]
    head = "".join(
        f'<th scope="col"{look}>{escape(column.removeprefix(">"))}</th>'
        for column, look in zip(columns, looks, strict=True)
    )
    body = "".join(
        "<tr>" + "".join(f"<td{look}>{_cell(cell)}</td>" for cell, look in zip(row, looks, strict=True)) + "</tr>"
        for row in rows
    )
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _pairs(pairs: Iterable[tuple[str, str | None]]) -> str:
    rows = "".join(
        f'<tr><th scope="row">{escape(name)}</th><td>{escape(text)}</td></tr>' for name, text in pairs if text
    )
    return f"<table><tbody>{rows}</tbody></table>"


def _details(name: str, content: str) -> str:
    return f"<details><summary>{escape(name)}</summary>{content}</details>"


def _cell(text: str | None) -> str:
    return "–" if text is None or text == "" else escape(text)


def _named(document: Document) -> str:
    return ", ".join("–" if value is None else value for value in document["by"].values()) + f" ({document['quote']})"
