"""The three reports: one order, a list of orders, groups; each as a document, as rows, on a terminal and as a page."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import islice
from typing import Any

from rich.console import Group, RenderableType

from cli.errors import CommandError
from cli.report_figures import flat, group_document, order_document
from cli.report_html import groups_page, order_page, orders_page
from cli.report_orders import grouped, open_database
from cli.report_tables import groups_table, order_view, orders_table
from storage.costs import CostFilter, cost_of, costs
from storage.documents import find_order_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    document: Mapping[str, Any]
    rows: Sequence[Mapping[str, str]]
    view: Callable[[], RenderableType]
    html: Callable[[], str]


def order_shown(name: str, account: str, prices: Mapping[tuple[str, str], Decimal]) -> Shown:
    """One order, by our id or its client order id. Raises CommandError where there is none."""
    with open_database() as conn:
        order = cost_of(conn, name, prices)
        if order is None:
            order_id = find_order_id(conn, account, name.removeprefix("client:"))
            order = cost_of(conn, order_id, prices) if order_id is not None else None
    if order is None:
        raise CommandError(
            f"No order has the id or client order id {name} in account {account}. `steadfill order list` shows them; "
            "--account names another account."
        )
    found = order
    document = order_document(found)
    return Shown(
        document=document,
        rows=[flat(document)],
        view=lambda: order_view(document),
        html=lambda: order_page(found, document),
    )


def orders_shown(filters: Mapping[str, Any], limit: int) -> Shown:
    """The newest orders that ended, and their sum."""
    with open_database() as conn:
        found = list(islice(costs(conn, CostFilter(**filters)), limit + 1))
    orders, more = found[:limit], len(found) > limit
    documents = [order_document(order) for order in orders]
    totals = [group_document({}, total) for _, total in grouped(orders, ())]
    note = f"These are the newest {limit}; there are more: --limit, or --by for sums of all." if more else ""

    def view() -> RenderableType:
        if not documents:
            return "No order that ended matches."
        return Group(orders_table(documents), "", groups_table((), totals), *filter(None, [note]))

    return Shown(
        document={"items": documents, "total": totals, "more": more},
        rows=[flat(document) for document in documents],
        view=view,
        html=lambda: orders_page(documents, totals, note),
    )


def groups_shown(keys: Sequence[str], filters: Mapping[str, Any]) -> Shown:
    """Sums and notional-weighted averages of all orders that match."""
    with open_database() as conn:
        groups = grouped(costs(conn, CostFilter(**filters)), keys)
    documents = [group_document(dict(zip(keys, key, strict=True)), group) for key, group in groups]
    return Shown(
        document={"by": list(keys), "items": documents},
        rows=[flat(document) for document in documents],
        view=lambda: groups_table(keys, documents) if documents else "No order that ended matches.",
        html=lambda: groups_page(keys, documents),
    )
