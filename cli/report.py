"""``steadfill report``: what orders cost, one by one or in groups; as a table, JSON, CSV or an HTML file."""

import difflib
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Annotated

import typer

from cli.csv_rows import csv_text
from cli.output import Json, as_json, console
from cli.page_file import write_page
from models.clock import parse_time
from models.money import NotADecimal, parse_decimal

Prices = Mapping[tuple[str, str], Decimal]


def report(
    order: Annotated[
        str | None, typer.Argument(help="An order's id or client order id; without: those that ended.")
    ] = None,
    *,
    by: Annotated[
        list[str] | None,
        typer.Option(help="Group by venue, account, symbol, side, algorithm, day or tag:KEY; several times for more."),
    ] = None,
    since: Annotated[str | None, typer.Option(help="RFC 3339; orders taken from then on.")] = None,
    until: Annotated[str | None, typer.Option(help="RFC 3339; orders taken before.")] = None,
    venue: Annotated[str | None, typer.Option()] = None,
    account: Annotated[
        str | None, typer.Option(help="The venue account; of a client order id main without it.")
    ] = None,
    symbol: Annotated[str | None, typer.Option(help="As BTC/USDT.")] = None,
    algorithm: Annotated[str | None, typer.Option(help="As twap.")] = None,
    tag: Annotated[list[str] | None, typer.Option(help="NAME=VALUE; several times for all of them.")] = None,
    fee_price: Annotated[
        list[str] | None, typer.Option(help="BNB/USDT=600: what a fee in BNB is worth to orders in USDT.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="Orders shown where none is named.")] = 100,
    output_json: Json = False,
    output_csv: Annotated[bool, typer.Option("--csv", help="Print CSV, for spreadsheets.")] = False,
    html: Annotated[str | None, typer.Option(help="Write one HTML file with charts; - for standard output.")] = None,
) -> None:
    """What orders cost: slippage, implementation shortfall and its parts, against the market's averages, fees, times.

    Reads the deployment's database and not its API, so it works while nothing runs.
    """
    from cli.report_show import Shown, groups_shown, order_shown, orders_shown

    if sum((output_json, output_csv, html is not None)) > 1:
        raise typer.BadParameter("--json, --csv and --html are three ways to show one report: name one of them")
    keys = _keys(by or ())
    prices = _prices(fee_price or ())
    filters = {
        "venue": venue, "symbol": symbol, "algorithm": algorithm, "tags": _tags(tag or ()),
        "since": _time("--since", since), "until": _time("--until", until),
    }  # fmt: skip
    shown: Shown
    if order is not None:
        if keys or any(filters.values()):
            raise typer.BadParameter("a named order stands for itself: leave --by and the filters out, or the order")
        shown = order_shown(order, account or "main", prices)
    elif keys:
        shown = groups_shown(keys, {**filters, "account": account, "fee_prices": prices})
    else:
        shown = orders_shown({**filters, "account": account, "fee_prices": prices}, limit)
    if output_json:
        as_json(shown.document)
    elif output_csv:
        sys.stdout.write(csv_text(shown.rows))
    elif html is not None:
        write_page(html, shown.html())
    else:
        console().print(shown.view())


def _keys(given: Sequence[str]) -> tuple[str, ...]:
    from cli.report_orders import KEYS

    for key in given:
        if key in KEYS or (key.startswith("tag:") and key != "tag:"):
            continue
        near = difflib.get_close_matches(key, KEYS, 1)
        meant = f"; did you mean {near[0]}?" if near else ""
        raise typer.BadParameter(f"--by takes {', '.join(KEYS)} or tag:KEY, not {key}{meant}")
    return tuple(dict.fromkeys(given))


def _tags(given: Sequence[str]) -> tuple[tuple[str, str], ...]:
    pairs = [text.partition("=") for text in given]
    for (name, separator, _), text in zip(pairs, given, strict=True):
        if not separator or not name:
            raise typer.BadParameter(f"a tag is NAME=VALUE, not {text}")
    return tuple((name, value) for name, _, value in pairs)


def _prices(given: Sequence[str]) -> Prices:
    prices = {}
    for text in given:
        pair, _, price = text.partition("=")
        asset, separator, quote = pair.partition("/")
        try:
            if not (asset and separator and quote):
                raise NotADecimal("an asset and a quote asset must stand before the price")
            prices[asset, quote] = parse_decimal(price)
        except NotADecimal as error:
            raise typer.BadParameter(
                f"--fee-price is ASSET/QUOTE=PRICE, as BNB/USDT=600, not {text}: {error}"
            ) from None
    return prices


def _time(name: str, text: str | None) -> datetime | None:
    try:
        return None if text is None else parse_time(text)
    except ValueError as error:
        raise typer.BadParameter(f"{name} {error}, not {text}") from None
