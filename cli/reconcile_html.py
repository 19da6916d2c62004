"""A run of reconciliation as one HTML file."""

from html import escape
from typing import Any

from cli.reconcile import BREAK_COLUMNS
from cli.report_html import html_table, page


def run_page(document: Any) -> str:
    """``document`` as the API gives it."""
    places = [[one["venue"], one["account"], one["stage"], one["message"]] for one in document["accounts"]]
    breaks = [[_text(one[name]) for name, _ in BREAK_COLUMNS] for one in document["breaks"]]
    words = [[one["id"], one["message"]] for one in document["breaks"]]
    ended = document["finished_at"] or "under way"
    status, began, by = (escape(document[name]) for name in ("status", "started_at", "by"))
    told = (
        f"{status}, begun {began} by {by}, ended {escape(ended)}. The difference is what has to be added to our books."
    )
    parts = [
        f'<p class="soft">{told}</p>',
        "<h2>Accounts</h2>",
        html_table(("venue", "account", "stage", "what came of it"), places),
        "<h2>Breaks</h2>",
    ]
    if breaks:
        parts += [html_table([title for _, title in BREAK_COLUMNS], breaks), "<h2>In words</h2>"]
        parts.append(html_table(("break", "what it is"), words))
    else:
        parts.append("<p>None: what was compared agrees.</p>")
    return page(f"Reconciliation {document['id']}", *parts)


def _text(value: Any) -> str | None:
    return None if value is None else str(value)
