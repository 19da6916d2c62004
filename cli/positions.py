"""``steadfill positions``."""

import sys
from typing import Annotated, Any

import typer

from cli.client import connect
from cli.csv_rows import csv_text
from cli.output import Json, as_json, console, table

#: ``>``: to the right
_COLUMNS = (
    "venue", "account", "strategy", "mode", "asset", ">quantity", ">average_cost", "cost_asset", ">realized_pnl", ">unrealized_pnl",
    ">price", ">price_age_s", "fees_apart",
)  # fmt: skip


def positions(
    *,
    venue: Annotated[str | None, typer.Option(help="Only this venue.")] = None,
    account: Annotated[str | None, typer.Option(help="Only this account.")] = None,
    asset: Annotated[str | None, typer.Option(help="Only this base asset.")] = None,
    cost_asset: Annotated[str | None, typer.Option(help="Only what was paid for in this asset.")] = None,
    strategy: Annotated[str | None, typer.Option(help="Only orders with this tag `strategy`.")] = None,
    at: Annotated[str | None, typer.Option(help="RFC 3339: as they stood then.")] = None,
    method: Annotated[str | None, typer.Option(help="average or fifo: what a unit that is sold had cost.")] = None,
    fees: Annotated[str | None, typer.Option(help="included or apart: fees in the cost asset.")] = None,
    by: Annotated[str | None, typer.Option(help="What sums are split by: venue, account, strategy.")] = None,
    output_json: Json = False,
    output_csv: Annotated[bool, typer.Option("--csv", help="Print CSV, for spreadsheets.")] = False,
    prove: Annotated[
        bool, typer.Option("--prove", help="Make every position again from the ledger, and compare.")
    ] = False,
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="Put in place what the ledger makes of every position.")
    ] = False,
) -> None:
    """What our fills have made of each asset: quantity, average cost, realized and unrealized profit, fees."""
    if sum((output_json, output_csv, prove, rebuild)) > 1 and not (output_json and prove and not rebuild):
        raise typer.BadParameter("--json, --csv, --prove and --rebuild are different things to do: name one of them")
    if prove or rebuild:
        from cli.positions_proof import prove_positions, rebuild_positions

        if rebuild:
            rebuild_positions()
        else:
            prove_positions(output_json=output_json)
        return
    answer = connect().get(
        "/v1/positions", venue=venue, account=account, asset=asset, cost_asset=cost_asset, strategy=strategy, at=at,
        method=method, fees=fees, by=by,
    )  # fmt: skip
    if output_json:
        as_json(answer)
    elif output_csv:
        sys.stdout.write(csv_text([_flat(item) for item in answer["items"]]))
    else:
        _show(answer)


def _flat(item: dict[str, Any]) -> dict[str, str]:
    """One row of CSV: every field as text, fees as ASSET=AMOUNT."""
    flat = {**item, "fees": _amounts(item["fees"]), "fees_apart": _apart(item)}
    return {name: "" if value is None else str(value) for name, value in flat.items()}


def _show(answer: dict[str, Any]) -> None:
    items = answer["items"]
    if not items:
        console().print("Nothing has traded yet, so there are no positions.")
        return
    names = [column.removeprefix(">") for column in _COLUMNS]
    rows = [
        [{**item, "fees_apart": _apart(item), "price_age_s": _seconds(item)}.get(name) for name in names]
        for item in items
    ]
    out = console()
    out.print(table([column.replace("_", " ") for column in _COLUMNS], rows))
    for item in items:
        if item["note"]:
            out.print(f"{item['asset']}/{item['cost_asset']}: {item['note']}")
    for holding in answer["holdings"] or ():
        if holding["cost_unknown"] != "0":
            out.print(
                f"{holding['cost_unknown']} {holding['asset']} of {holding['total']} at {holding['venue']} "
                f"({holding['account']}) came or went without a fill in it: their cost is not known."
            )
    out.print(f"By {answer['method']} cost, fees {answer['fees']}.")


def _seconds(item: dict[str, Any]) -> str | None:
    return None if item["price_age_s"] is None else f"{item['price_age_s']:.0f}"


def _apart(item: dict[str, Any]) -> str:
    return _amounts({fee["asset"]: fee["amount"] for fee in item["fees_apart"]})


def _amounts(amounts: dict[str, str]) -> str:
    return " ".join(f"{asset}={amount}" for asset, amount in amounts.items())
