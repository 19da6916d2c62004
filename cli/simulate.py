"""``steadfill simulate``: one order with each algorithm against trades of the past, and what each would have cost."""

import sys
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any

import typer

from cli.output import Json, as_json, console
from models.algorithm import MAX_DURATION_S
from models.clock import parse_time
from models.errors import Malformed
from models.exact_json import loads_exact
from models.money import NotADecimal, parse_decimal, plain


def simulate(
    trades: Annotated[str, typer.Option(help="CSV, also gzipped: ts_ms,price,qty[,taker_side] or ts_ms,o,h,l,c,v.")],
    side: Annotated[str, typer.Option(help="buy or sell.")],
    quantity: Annotated[str, typer.Option(help="In the base asset.")],
    *,
    price: Annotated[str | None, typer.Option(help="For limit orders.")] = None,
    order_type: Annotated[
        str | None, typer.Option("--type", help="market or limit; limit where there is a price.")
    ] = None,
    time_in_force: Annotated[str, typer.Option(help="GTC, IOC or FOK.")] = "GTC",
    symbol: Annotated[str, typer.Option(help="What the file is of; for the output only.")] = "BASE/QUOTE",
    start: Annotated[str | None, typer.Option(help="RFC 3339; without: so that the order ends with the file.")] = None,
    duration: Annotated[
        str | None, typer.Option(help="Seconds; what is open then expires. Without: half the file, at most an hour.")
    ] = None,
    algorithm: Annotated[
        list[str] | None, typer.Option(help="A name, or JSON with parameters; several times to compare.")
    ] = None,
    fill_policy: Annotated[str, typer.Option(help="A name, or JSON with parameters.")] = "accept_partial",
    fee_bps: Annotated[str, typer.Option(help="Fee of who takes, in basis points of quote.")] = "10",
    maker_fee_bps: Annotated[
        str | None, typer.Option(help="Fee of who rested; negative is a rebate; without: as --fee-bps.")
    ] = None,
    spread_bps: Annotated[str | None, typer.Option(help="Between bid and ask; without: estimated.")] = None,
    impact: Annotated[str, typer.Option(help="Factor of the square-root impact; 0 for none.")] = "1",
    recovery: Annotated[str, typer.Option(help="Seconds until the book has what was taken from it.")] = "60",
    cap: Annotated[str, typer.Option(help="Share of a trade that a resting slice gets, up to 1.")] = "0.1",
    tick: Annotated[str | None, typer.Option(help="Price step; without: the finest in the file.")] = None,
    lot: Annotated[str | None, typer.Option(help="Quantity step; without: the finest in the file.")] = None,
    min_notional: Annotated[str, typer.Option(help="The venue's minimum for a slice, in quote.")] = "0",
    output_json: Json = False,
    output_csv: Annotated[bool, typer.Option("--csv", help="Print CSV, for spreadsheets.")] = False,
    html: Annotated[str | None, typer.Option(help="Write one HTML file with charts; - for standard output.")] = None,
) -> None:
    """Replay trades of the past and run one order with each algorithm, by the planners that run live.

    Needs no deployment and sends nothing. What is assumed of the market stands under the table.
    """
    from cli.csv_rows import csv_text
    from cli.page_file import write_page
    from cli.simulate_run import simulate as run
    from cli.simulate_setting import Wanted
    from cli.simulate_show import document_of, page_of, rows_of, view_of
    from cli.simulate_tape import read_tape

    if sum((output_json, output_csv, html is not None)) > 1:
        raise typer.BadParameter("--json, --csv and --html are three ways to show one comparison: name one of them")
    kind = order_type or ("market" if price is None else "limit")
    request = {"symbol": symbol, "side": side, "type": kind, "quantity": quantity, "time_in_force": time_in_force}
    request |= {"price": price} if price is not None else {}
    taker_bps = _number("--fee-bps", fee_bps)
    share = _above_zero("--cap", cap)
    if share > 1:
        raise typer.BadParameter(f"--cap must be at most 1, the whole of a trade, not {cap}")
    wanted = Wanted(
        request={**request, "fill_policy": _policy(fill_policy)},
        algorithms=tuple(algorithm or ()),
        start=None if start is None else _time("--start", start),
        duration_s=None if duration is None else _seconds("--duration", _above_zero("--duration", duration)),
        tick=None if tick is None else _above_zero("--tick", tick),
        lot=None if lot is None else _above_zero("--lot", lot),
        min_notional=_number("--min-notional", min_notional),
        taker_bps=taker_bps,
        maker_bps=taker_bps if maker_fee_bps is None else _number("--maker-fee-bps", maker_fee_bps, signed=True),
        spread_bps=None if spread_bps is None else _number("--spread-bps", spread_bps),
        impact_factor=_number("--impact", impact),
        recovery_s=_seconds("--recovery", _number("--recovery", recovery)),
        cap=share,
    )
    simulation = run(read_tape(trades), wanted)
    document = document_of(simulation)
    if output_json:
        as_json(document)
    elif output_csv:
        sys.stdout.write(csv_text(rows_of(document)))
    elif html is not None:
        write_page(html, page_of(simulation, document))
    else:
        console().print(view_of(document))


def _policy(text: str) -> Any:
    """``wait_for_complete``, or ``{"name": "wait_for_complete", …}``; its rules are those of a request."""
    if not text.lstrip().startswith("{"):
        return {"name": text}
    try:
        return loads_exact(text.encode())
    except Malformed as error:
        raise typer.BadParameter(f"--fill-policy {text}: {error}") from None


def _number(name: str, text: str, *, signed: bool = False) -> Decimal:
    try:
        number = parse_decimal(text.removeprefix("-") if signed else text)
    except NotADecimal as error:
        raise typer.BadParameter(f"{name} {error}, not {text}") from None
    return -number if signed and text.startswith("-") else number


def _above_zero(name: str, text: str) -> Decimal:
    number = _number(name, text)
    if not number:
        raise typer.BadParameter(f"{name} must be above 0")
    return number


def _seconds(name: str, number: Decimal) -> Decimal:
    if number > MAX_DURATION_S:
        raise typer.BadParameter(f"{name} must be at most {plain(MAX_DURATION_S)} seconds, not {plain(number)}")
    return number


def _time(name: str, text: str) -> datetime:
    try:
        return parse_time(text)
    except ValueError as error:
        raise typer.BadParameter(f"{name} {error}, not {text}") from None
