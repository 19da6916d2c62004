"""A report on a terminal: one order at length, orders and groups as rows."""

from collections.abc import Mapping, Sequence
from decimal import Context, Decimal
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table

from cli.output import fields, table
from models.money import plain

Document = Mapping[str, Any]

_SHORT = Context(prec=10)

ORDER_COLUMNS = (
    "order", "symbol", "side", "algorithm", "status", ">filled", ">average", ">slippage bps", ">shortfall bps",
    ">vs VWAP bps", ">vs TWAP bps", ">fees", ">participation", ">maker", ">time to fill", "ended",
)  # fmt: skip
GROUP_COLUMNS = (
    ">orders", ">filled", ">notional", ">slippage", ">slippage bps", ">shortfall", ">shortfall bps", ">vs VWAP bps",
    ">vs TWAP bps", ">fees", ">participation", ">maker", ">time to fill",
)  # fmt: skip


def order_rows(documents: Sequence[Document]) -> list[list[str | None]]:
    """Cells under ``ORDER_COLUMNS``; None where a figure is not known."""
    return [
        [
            document["client_order_id"],
            document["symbol"],
            document["side"],
            document["algorithm"],
            document["status"],
            percent(document["fill_rate"]),
            short(document["average_price"]),
            document["slippage_bps"],
            document["shortfall"]["bps"],
            document["vs_vwap_bps"],
            document["vs_twap_bps"],
            fees(document),
            percent(document["participation"]),
            percent(document["maker_share"]),
            lasting(document["time_to_fill_s"]),
            moment(document["ended_at"]),
        ]
        for document in documents
    ]


def group_rows(documents: Sequence[Document]) -> list[list[str | None]]:
    """Cells under the groups' keys and ``GROUP_COLUMNS``."""
    return [
        [
            *document["by"].values(),
            str(document["orders"]),
            percent(document["fill_rate"]),
            f"{short(document['filled_notional'])} {document['quote']}",
            short(document["slippage"]),
            document["slippage_bps"],
            short(document["shortfall"]["total"]),
            document["shortfall"]["bps"],
            document["vs_vwap_bps"],
            document["vs_twap_bps"],
            fees(document),
            percent(document["participation"]),
            percent(document["maker_share"]),
            lasting(document["time_to_fill_s"]),
        ]
        for document in documents
    ]


def orders_table(documents: Sequence[Document]) -> Table:
    return table(ORDER_COLUMNS, order_rows(documents))


def groups_table(keys: Sequence[str], documents: Sequence[Document]) -> Table:
    return table((*keys, *GROUP_COLUMNS), group_rows(documents))


def order_view(document: Document) -> RenderableType:
    """Everything that is known of one order; the parts of its shortfall beneath it."""
    pairs, parts = order_pairs(document)
    return Group(fields(pairs), "", table(("shortfall", f">{document['quote']}"), parts))


def order_pairs(document: Document) -> tuple[list[tuple[str, str | None]], list[tuple[str, str | None]]]:
    """Names and figures of one order, and the parts of its shortfall."""
    base, quote, market = document["base"], document["quote"], document["market"]
    pairs = [
        ("order", f"{document['client_order_id']} ({document['order_id']})"),
        ("status", document["status"]),
        ("venue", f"{document['venue']} ({document['account']})"),
        ("what", f"{document['side']} {document['quantity']} {base} for {quote}, {document['algorithm']}"),
        ("filled", f"{document['filled_quantity']} {base} ({percent(document['fill_rate'])})"),
        ("decision price", document["decision_price"]),
        ("arrival price", document["arrival_price"]),
        ("average price", short(document["average_price"])),
        ("final price", document["final_price"]),
        ("slippage", _bps(document["slippage_bps"])),
        ("shortfall", _bps(document["shortfall"]["bps"])),
        ("market VWAP", _against(market["vwap"], document["vs_vwap_bps"])),
        ("market TWAP", _against(market["twap"], document["vs_twap_bps"])),
        ("market volume", market["volume"] and f"{short(market['volume'])} {base}"),
        ("market from", market["start_at"] and f"{moment(market['start_at'])} to {moment(market['end_at'])}"),
        ("market", document.get("market_problem") or (None if market["start_at"] else "not known yet")),
        ("participation", percent(document["participation"])),
        ("maker", percent(document["maker_share"])),
        ("sent after", lasting(document["time_to_send_s"])),
        ("first fill after", lasting(document["time_to_first_fill_s"])),
        ("filled after", lasting(document["time_to_fill_s"])),
        ("fees without a value", _amounts(document["unvalued_fees"])),
    ]
    names = ("delay", "impact", "execution", "opportunity", "fees", "total")
    return pairs, [(name, short(document["shortfall"][name])) for name in names]


def short(text: str | None) -> str | None:
    """A number to ten significant digits, for eyes; JSON and CSV have all of them."""
    return None if text is None else plain(_SHORT.create_decimal(text))


def percent(text: str | None) -> str | None:
    return None if text is None else f"{Decimal(text).scaleb(2, context=_SHORT):.2f} %"


def lasting(seconds: str | None) -> str | None:
    """``4.21 s``, or hours, minutes and seconds where it took longer."""
    if seconds is None:
        return None
    whole = int(Decimal(seconds))
    if whole < 120:
        return f"{Decimal(seconds):.2f} s"
    return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"


def moment(time: str | None) -> str | None:
    return None if time is None else time[:19].replace("T", " ")


def fees(document: Document) -> str | None:
    """What has a value in quote, and the rest by asset."""
    unvalued = _amounts(document["unvalued_fees"])
    return " + ".join(filter(None, (short(document["fees"]), unvalued)))


def _amounts(amounts: Mapping[str, str]) -> str:
    return " + ".join(f"{short(amount)} {asset}" for asset, amount in amounts.items())


def _bps(text: str | None) -> str | None:
    return text and f"{text} bps"


def _against(price: str | None, bps: str | None) -> str | None:
    if price is None:
        return None
    return f"{short(price)} (the order: {bps} bps)" if bps is not None else short(price)
