"""How commands show what they read: a table for people, JSON for programs."""

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]

#: columns where the output is no terminal, so that a pipe never gets cut words
_PIPE_WIDTH = 250

#: how a status looks on a terminal
STYLES = {
    "FILLED": "green",
    "PARTIALLY_FILLED": "cyan",
    "WORKING": "cyan",
    "DENIED": "yellow",
    "REJECTED": "yellow",
    "CANCELED": "dim",
    "EXPIRED": "dim",
    "UNKNOWN": "bold magenta",
    "FAILED": "bold red",
    "open": "red",
    "closed": "green",
}


def console() -> Console:
    return Console(
        width=None if sys.stdout.isatty() else _PIPE_WIDTH, highlight=False, soft_wrap=not sys.stdout.isatty()
    )


def as_json(value: Any) -> None:
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> Table:
    """Columns after a ``>`` in their name stand to the right."""
    made = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        made.add_column(column.removeprefix(">"), justify="right" if column.startswith(">") else "left", no_wrap=True)
    for row in rows:
        made.add_row(*(cell(value) for value in row))
    return made


def cell(value: Any) -> Text:
    text = "–" if value is None or value == "" else str(value)
    return Text(text, style=STYLES.get(text, ""))


def fields(pairs: Iterable[tuple[str, Any]]) -> Table:
    """Names on the left, values on the right; what is not set is left out."""
    made = Table(box=None, pad_edge=False, show_header=False)
    made.add_column(style="bold", no_wrap=True)
    made.add_column(overflow="fold")
    for name, value in pairs:
        if value is not None and value != "":
            made.add_row(name, cell(value))
    return made


def complain(message: str) -> None:
    """On standard error, where it does not mix with what a program reads."""
    Console(stderr=True, highlight=False, soft_wrap=True).print(Text(message, style="red"))
