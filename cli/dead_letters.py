"""``steadfill dead-letters list|show|replay|discard``."""

import getpass
import json
from collections.abc import Mapping
from typing import Annotated, Any

import typer
from rich.console import Group, RenderableType
from rich.text import Text

from cli.client import connect
from cli.output import Json, as_json, console, fields, table

dead_letters = typer.Typer(
    no_args_is_help=True, help="Messages that could not be accepted, or that ended their worker again and again."
)

Number = Annotated[int, typer.Argument(help="The letter's number.", min=1)]
Note = Annotated[str, typer.Option(help="Why; kept on record.")]


@dead_letters.command("list")
def list_letters(
    *,
    status: Annotated[str | None, typer.Option(help="open, replayed or discarded; open without it.")] = "open",
    everything: Annotated[bool, typer.Option("--all", help="Those that were decided on, too.")] = False,
    code: Annotated[str | None, typer.Option(help="As POISON.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=500)] = 50,
    before: Annotated[int | None, typer.Option(help="next_before of the page before.", min=1)] = None,
    output_json: Json = False,
) -> None:
    """Dead letters, the newest first."""
    wanted = None if everything else status
    page = connect().get("/v1/dead-letters", status=wanted, code=code, limit=limit, before=before)
    if output_json:
        as_json(page)
        return
    names = ("id", "status", "task", "queue", "code", "count", "order_id", "created_at")
    columns = (">id", "status", "task", "queue", "code", ">count", "order", "since")
    rows = [[_cell(name, item[name]) for name in names] for item in page["items"]]
    console().print(
        table(columns, rows)
        if rows
        else "There is no dead letter that nobody has decided on."
        if not everything
        else "There is no dead letter."
    )
    if page["next_before"]:
        console().print(f"There may be more: --before {page['next_before']}")


@dead_letters.command("show")
def show(number: Number, *, output_json: Json = False) -> None:
    """One dead letter: why, its body, and what happened to its message."""
    letter = connect().get(f"/v1/dead-letters/{number}")
    if output_json:
        as_json(letter)
    else:
        console().print(_view(letter))


@dead_letters.command("replay")
def replay(number: Number, *, note: Note = "", output_json: Json = False) -> None:
    """Do again what it was about, from where things stand now. Once more does no harm."""
    _decide(number, "replay", note, output_json=output_json)


@dead_letters.command("discard")
def discard(
    number: Number, *, note: Annotated[str, typer.Option(help="Why; kept on record.")], output_json: Json = False
) -> None:
    """Lay it aside for good."""
    _decide(number, "discard", note, output_json=output_json)


def _decide(number: int, what: str, note: str, *, output_json: bool) -> None:
    letter = connect().post(f"/v1/dead-letters/{number}/{what}", {"note": note, "by": _operator()})
    if output_json:
        as_json(letter)
        return
    decision = letter["decision"]
    console().print(f"{number}: {letter['status']} by {decision['by']}, {decision['outcome']}")


def _operator() -> str | None:
    """Who types: the name that this machine has for them."""
    try:
        return getpass.getuser()[:64]
    except (KeyError, OSError):
        return None


def _view(letter: Mapping[str, Any]) -> RenderableType:
    decision = letter["decision"] or {}
    names = (
        "id",
        "status",
        "task",
        "queue",
        "message_id",
        "order_id",
        "child_id",
        "code",
        "message",
        "deliveries",
        "kept",
    )
    pairs = [(name.replace("_", " "), letter[name]) for name in names]
    pairs += [("since", letter["created_at"]), ("count", letter["count"])]
    pairs += [
        (name, decision.get(key))
        for name, key in (("decided at", "at"), ("by", "by"), ("note", "note"), ("outcome", "outcome"))
    ]
    parts: list[RenderableType] = [fields(pairs), "", Text(json.dumps(letter["body"], indent=2, ensure_ascii=False))]
    if letter["events"]:
        rows = [
            [
                event["at"],
                event["event"],
                event["worker"],
                event["pid"],
                json.dumps(event["detail"]) if event["detail"] else None,
            ]
            for event in letter["events"]
        ]
        parts += ["", table(("at", "event", "worker", ">pid", "detail"), rows)]
    return Group(*parts)


def _cell(name: str, value: Any) -> Any:
    return str(value)[:19].replace("T", " ") if name == "created_at" else value
