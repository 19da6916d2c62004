"""How the commands about this machine speak: a line per event, a table, JSON; complaints on standard error."""

import contextlib
import json
import sys
import time
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

#: so that the names of pieces stand in one column
_NAME_WIDTH = 14

_NAME_STYLES = {"up": "bold", "broker": "magenta", "beat": "blue", "api": "green", "paper": "yellow"}


def console() -> Console:
    return Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else 250)


def say(name: str, text: str) -> None:
    """One line of what goes on, with the time and the piece it is about."""
    line = Text.assemble(
        (time.strftime("%H:%M:%S "), "dim"), (f"{name:<{_NAME_WIDTH}} ", _NAME_STYLES.get(name, "cyan")), text
    )
    with contextlib.suppress(OSError):  # a full disk or a closed pipe ends no deployment
        console().print(line)


def complain(message: str) -> None:
    Console(stderr=True, highlight=False, soft_wrap=True).print(Text(message, style="red"))


def as_json(value: Any) -> None:
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def show_table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, no_wrap=column != columns[-1], overflow="fold")
    for row in rows:
        table.add_row(*(value if isinstance(value, Text) else Text(str(value)) for value in row))
    console().print(table)
