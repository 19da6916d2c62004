"""``steadfill reconcile``: begin a run and wait for its report, or show one that is over."""

import time
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Group, RenderableType

from cli.client import Client, connect
from cli.errors import CommandError
from cli.output import Json, as_json, console, fields, table

#: seconds between two looks whether a run is over
LOOK_EVERY_S = 0.5

#: columns of breaks, and whether their words stand to the right
BREAK_COLUMNS = (
    ("id", "id"),
    ("kind", "kind"),
    ("venue", "venue"),
    ("account", "account"),
    ("asset", "asset"),
    ("ours", ">ours"),
    ("theirs", ">theirs"),
    ("difference", ">difference"),
    ("severity", "severity"),
    ("action", "action"),
    ("status", "status"),
    ("found_at", "found"),
)


def reconcile(
    *,
    venue: Annotated[str | None, typer.Option(help="Only this venue.")] = None,
    account: Annotated[str | None, typer.Option(help="Only this account.")] = None,
    run: Annotated[str | None, typer.Option("--id", help="Show this run and begin none; `last`: the newest.")] = None,
    wait_s: Annotated[float, typer.Option(help="How long to wait for the end; 0: only begin.", min=0)] = 120,
    html: Annotated[Path | None, typer.Option(help="Write the report into this file, as a page.")] = None,
    output_json: Json = False,
) -> None:
    """Compare our books with the venues: trades are read again first, then balances and orders, twice."""
    client = connect()
    if run is None:
        body = {name: value for name, value in (("venue", venue), ("account", account)) if value is not None}
        run = str(client.post("/v1/reconciliations", body)["id"])
        if wait_s == 0:
            as_json({"id": run}) if output_json else console().print(f"Run {run} has begun.")
            return
        document = _when_over(client, run, wait_s)
    else:
        document = client.get(f"/v1/reconciliations/{_named(client, run)}")
    if html is not None:
        _write(html, document)
    if output_json:
        as_json(document)
    elif html is None:
        console().print(view(document))
    if document["status"] == "failed":
        raise CommandError(f"Run {run} could not look at every account: see above. Nothing was concluded of those.")


def _named(client: Client, run: str) -> str:
    if run != "last":
        return run
    items = client.get("/v1/reconciliations", limit=1)["items"]
    if not items:
        raise CommandError("There was no reconciliation yet. `steadfill reconcile` begins one.")
    return str(items[0]["id"])


def _when_over(client: Client, run: str, wait_s: float) -> Any:
    give_up_at = time.monotonic() + wait_s
    while True:
        document = client.get(f"/v1/reconciliations/{run}")
        if document["status"] != "running":
            return document
        if time.monotonic() > give_up_at:
            raise CommandError(
                f"Run {run} is still under way after {wait_s:.0f} s. It goes on; see it with `steadfill reconcile --id {run}`. "
                "Where no worker runs it waits for one: `steadfill ps`."
            )
        time.sleep(LOOK_EVERY_S)


def view(document: Any) -> RenderableType:
    """A run for a terminal."""
    pairs = [(name.replace("_", " "), document[name]) for name in ("id", "status", "by", "started_at", "finished_at")]
    places = [[one[name] for name in ("venue", "account", "stage", "message")] for one in document["accounts"]]
    parts: list[RenderableType] = [
        fields(pairs),
        "",
        table(("venue", "account", "stage", "what came of it"), places),
        "",
        breaks_table(document["breaks"]) if document["breaks"] else "No break: what was compared agrees.",
    ]
    if any(one["frozen"] for one in document["breaks"]):
        parts.append("\nFrozen assets wait for you: `steadfill breaks show ID`, then accept, post or ignore.")
    return Group(*parts)


def breaks_table(items: list[Any]) -> RenderableType:
    rows = [[_cell(name, item[name]) for name, _ in BREAK_COLUMNS] for item in items]
    return table([title for _, title in BREAK_COLUMNS], rows)


def _cell(name: str, value: Any) -> Any:
    return str(value)[:19].replace("T", " ") if name == "found_at" else value


def _write(file: Path, document: Any) -> None:
    from cli.reconcile_html import run_page  # drawing takes a moment to load

    try:
        file.write_text(run_page(document), encoding="utf-8")
    except OSError as error:
        raise CommandError(f"{file} can't be written: {error.strerror}. Name another file.") from None
    typer.echo(f"The report is in {file}.", err=True)
