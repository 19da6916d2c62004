"""``steadfill breaks list|show|accept|post|ignore``."""

import getpass
from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import quote

import typer
from rich.console import Group, RenderableType

from cli.client import connect
from cli.output import Json, as_json, console, fields, table
from cli.reconcile import breaks_table

breaks = typer.Typer(no_args_is_help=True, help="Differences between our books and the venues, and decisions on them.")

BreakId = Annotated[str, typer.Argument(metavar="ID", help="The break's id.")]
Note = Annotated[str, typer.Option(help="Why; kept on record.")]


@breaks.command("list")
def list_breaks(
    *,
    status: Annotated[str, typer.Option(help="open, corrected, accepted, posted, ignored or gone.")] = "open",
    everything: Annotated[bool, typer.Option("--all", help="In any status.")] = False,
    venue: Annotated[str | None, typer.Option(help="Only at this venue.")] = None,
    account: Annotated[str | None, typer.Option(help="Only of this account.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=500)] = 50,
    cursor: Annotated[str | None, typer.Option(help="next_cursor of the page before.")] = None,
    output_json: Json = False,
) -> None:
    """Breaks, the newest first."""
    wanted = None if everything else status
    answer = connect().get("/v1/breaks", status=wanted, venue=venue, account=account, limit=limit, cursor=cursor)
    if output_json:
        as_json(answer)
        return
    if answer["items"]:
        console().print(breaks_table(answer["items"]))
    else:
        console().print("There is no break." if everything else f"No break is {status}.")
    if answer["next_cursor"]:
        console().print(f"There are more: --cursor {answer['next_cursor']}")


@breaks.command("show")
def show(break_id: BreakId, *, output_json: Json = False) -> None:
    """One break: figures, what is frozen, the decision on it, and what was posted."""
    one = connect().get(f"/v1/breaks/{quote(break_id, safe='')}")
    if output_json:
        as_json(one)
    else:
        console().print(_view(one))


@breaks.command("accept")
def accept(break_id: BreakId, *, note: Note = "", output_json: Json = False) -> None:
    """The venue is right: our books become what it said, and what was frozen is free."""
    _decide(break_id, "accept", {"note": note}, output_json=output_json)


@breaks.command("ignore")
def ignore(
    break_id: BreakId,
    *,
    note: Annotated[str, typer.Option(help="Why; kept on record.")],
    output_json: Json = False,
) -> None:
    """It may stay as it is; the same difference is not told again."""
    _decide(break_id, "ignore", {"note": note}, output_json=output_json)


@breaks.command("post")
def post(
    break_id: BreakId,
    *,
    amount: Annotated[str, typer.Option(help="Added to what our books own of the asset; below zero: taken away.")],
    reason: Annotated[str, typer.Option(help="Why; kept on record and in the entry.")],
    output_json: Json = False,
) -> None:
    """Post an entry of your own and close the break."""
    _decide(break_id, "post", {"amount": amount, "reason": reason}, output_json=output_json)


def _decide(break_id: str, what: str, body: Mapping[str, Any], *, output_json: bool) -> None:
    one = connect().post(f"/v1/breaks/{quote(break_id, safe='')}/{what}", {**body, "by": _operator()})
    if output_json:
        as_json(one)
        return
    decision = one["decision"]
    posted = "".join(f"; posted {row['amount']} {row['asset']}" for row in one["posted"])
    console().print(f"{break_id}: {one['status']} by {decision['by']}{posted}")


def _operator() -> str | None:
    """Who types: the name that this machine has for them."""
    try:
        return getpass.getuser()[:64]
    except (KeyError, OSError):
        return None


def _view(one: Mapping[str, Any]) -> RenderableType:
    names = (
        "id", "kind", "status", "severity", "action", "frozen", "venue", "account", "asset", "symbol", "order_id",
        "venue_order_id", "ours", "cached", "theirs", "difference", "message", "found_at", "seen_at", "run_id",
    )  # fmt: skip
    pairs = [(name.replace("_", " "), one[name]) for name in names]
    decision = one["decision"] or {}
    pairs += [(f"decided {name}", decision.get(name)) for name in ("at", "by", "note")]
    parts: list[RenderableType] = [fields(pairs)]
    if one["posted"]:
        rows = [[row[name] for name in ("at", "asset", "amount", "by", "reason", "entry_id")] for row in one["posted"]]
        parts += ["", table(("posted at", "asset", ">amount", "by", "reason", ">entry"), rows)]
    if one["order_id"] and one["status"] == "open":
        parts.append(
            f"\nOf the order: `steadfill order show {one['order_id']}`; a send in doubt: `steadfill order resolve`."
        )
    return Group(*parts)
