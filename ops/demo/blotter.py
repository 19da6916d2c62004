"""The demo's live view: a table that moves on a terminal, plain lines elsewhere."""

import sys
import time
from collections import Counter, deque
from collections.abc import Mapping
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from ops.demo.verdict import FINAL, Verdict

#: rows and announcements on the screen
ROWS = 16
NEWS = 7
#: columns where the output is no terminal
_PIPE_WIDTH = 140
#: lines of the view that are neither
_OTHER_LINES = 6

_STYLES = {
    "FILLED": "green",
    "PARTIALLY_FILLED": "cyan",
    "WORKING": "cyan",
    "DENIED": "yellow",
    "REJECTED": "yellow",
    "CANCELED": "blue",
    "EXPIRED": "blue",
    "FAILED": "bold red",
}


class Blotter:
    """``quiet`` shows nothing, for output that a program reads."""

    def __init__(self, *, total: int, quiet: bool) -> None:
        self._console = Console(highlight=False, width=None if sys.stdout.isatty() else _PIPE_WIDTH)
        self._total = total
        self._quiet = quiet
        self._began = time.monotonic()
        self._news: deque[Text] = deque(maxlen=NEWS)
        self._documents: dict[str, Mapping[str, Any]] = {}
        self._changed: list[str] = []
        self._live: Live | None = None

    def open(self) -> None:
        """Begin the live view; until then and without a terminal there are lines."""
        self._began = time.monotonic()
        if not self._quiet and self._console.is_terminal:
            self._live = Live(self._view(), console=self._console, refresh_per_second=8)
            self._live.start()

    def close(self) -> None:
        if self._live is not None:
            self._live.update(self._view(), refresh=True)
            self._live.stop()
            self._live = None

    def tell(self, text: str, style: str = "") -> None:
        """An announcement, such as a fault or a kill."""
        line = Text(f"{time.monotonic() - self._began:6.1f} s  {text}", style=style)
        self._news.append(line)
        self._show(line)

    def update(self, documents: Mapping[str, Mapping[str, Any]]) -> None:
        for name, document in documents.items():
            before = self._documents.get(name)
            if before is not None and before["version"] == document["version"]:
                continue
            self._documents[name] = document
            if name in self._changed:
                self._changed.remove(name)
            self._changed.append(name)
            if before is None or before["status"] != document["status"]:
                self._show(_line(document, time.monotonic() - self._began))
        if self._live is not None:
            self._live.update(self._view())

    def verdict(self, verdict: Verdict, seconds: float) -> None:
        if self._quiet:
            return
        table = Table(box=None, pad_edge=False, show_header=False)
        for check in verdict.checks:
            table.add_row(_mark(not check.wrong), Text(check.name, style="bold"), Text(check.figure, overflow="fold"))
            for wrong in check.wrong[:10]:
                table.add_row("", "", Text(wrong, style="red", overflow="fold"))
        end = (
            "Every order once, every fill booked, nothing lost."
            if verdict.good
            else "NOT as promised: see what is marked."
        )
        self._console.print()
        self._console.print(Text("Verdict, from the venue's own log", style="bold"))
        self._console.print(table)
        self._console.print(
            Text(f"{end} ({seconds:.0f} s of trading)", style="bold green" if verdict.good else "bold red")
        )

    def _show(self, line: Text) -> None:
        if self._live is None and not self._quiet:
            self._console.print(line, soft_wrap=True)  # a program that reads lines gets whole ones

    def _view(self) -> RenderableType:
        documents = self._documents.values()
        counts = Counter(document["status"] for document in documents)
        done = sum(count for status, count in counts.items() if status in FINAL)
        fills = sum(len(document["fills"]) for document in documents)
        head = Table.grid(padding=(0, 2))
        bar = ProgressBar(total=self._total, completed=done, width=40)
        head.add_row(
            bar,
            Text(f"{done}/{self._total} final"),
            Text(f"{fills} fills"),
            Text(f"{time.monotonic() - self._began:.0f} s"),
        )
        states = Text("  ").join(
            Text(f"{count} {status}", style=_STYLES.get(status, "")) for status, count in counts.most_common()
        )
        orders = Table(box=None, pad_edge=False, header_style="dim")
        for column, justify in _COLUMNS:
            orders.add_column(column, justify=justify, no_wrap=True)
        rows = max(3, min(ROWS, self._console.height - NEWS - _OTHER_LINES))
        for name in self._changed[-rows:]:
            orders.add_row(*_row(self._documents[name]))
        return Group(head, states, "", orders, "", *self._news)


_COLUMNS: tuple[tuple[str, Any], ...] = (
    ("order", "left"), ("kind", "left"), ("symbol", "left"), ("side", "left"), ("quantity", "right"), ("filled", "right"),
    ("price", "right"), ("average", "right"), ("status", "left"), ("reason", "left"),
)  # fmt: skip


def _row(document: Mapping[str, Any]) -> list[Text]:
    names = ("symbol", "side", "quantity", "filled_quantity", "price", "average_price")
    values = [
        document["client_order_id"],
        (document.get("tags") or {}).get("demo"),
        *(document.get(name) for name in names),
    ]
    status = document["status"]
    reason = (document.get("reason") or {}).get("code")
    return [
        *(Text(_short(value)) for value in values),
        Text(status, style=_STYLES.get(status, "")),
        Text(_short(reason)),
    ]


def _short(value: object) -> str:
    return "–" if value is None else str(value)[:18]


def _line(document: Mapping[str, Any], at_s: float) -> Text:
    reason = (document.get("reason") or {}).get("code")
    kind = (document.get("tags") or {}).get("demo", "")
    text = (
        f"{at_s:6.1f} s  {document['client_order_id']} {kind:<11} {document['symbol']} {document['side']:<4} "
        f"{document['filled_quantity']}/{document['quantity']} "
    )
    return Text.assemble(
        text, (document["status"], _STYLES.get(document["status"], "")), f" {reason}" if reason else ""
    )


def _mark(good: bool) -> Text:
    return Text("ok  ", style="green") if good else Text("NO  ", style="bold red")
