"""``steadfill order watch``: orders as they change."""

import sys
import time
from collections.abc import Callable
from typing import Annotated, Any

import typer
from rich.live import Live

from cli.client import connect
from cli.documents import FINAL, line, orders_table
from cli.output import as_json, console

#: seconds between looks
POLL_S = 0.5

#: orders shown where none is named
RECENT = 30


def watch(
    order: Annotated[
        list[str] | None, typer.Argument(help="Ids or client order ids; without: the newest orders.")
    ] = None,
    *,
    account: Annotated[str, typer.Option(help="The venue account.")] = "main",
    output_json: Annotated[bool, typer.Option("--json", help="Print the final documents as JSON.")] = False,
) -> None:
    """Show orders as they change, until all named ones have ended (Ctrl-C ends it sooner)."""
    client = connect()
    names = order or []

    def look() -> list[Any]:
        if names:
            return [client.order(name, account) for name in names]
        return list(client.get("/v1/orders", limit=RECENT)["items"])

    try:
        documents = _follow(look, forever=not names, quiet=output_json)
    except KeyboardInterrupt:
        return
    if output_json:
        as_json(documents)


def _follow(look: Callable[[], list[Any]], *, forever: bool, quiet: bool) -> list[Any]:
    documents = look()
    if quiet or not sys.stdout.isatty():
        seen: dict[str, int] = {}
        while True:
            for document in documents:
                if not quiet and seen.get(document["id"]) != document["version"]:
                    seen[document["id"]] = document["version"]
                    sys.stdout.write(line(document) + "\n")
                    sys.stdout.flush()
            if not forever and _ended(documents):
                return documents
            time.sleep(POLL_S)
            documents = look()
    with Live(orders_table(documents), console=console(), auto_refresh=False) as live:
        while forever or not _ended(documents):
            time.sleep(POLL_S)
            documents = look()
            live.update(orders_table(documents), refresh=True)
    return documents


def _ended(documents: list[Any]) -> bool:
    return all(document["status"] in FINAL for document in documents)
