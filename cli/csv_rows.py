"""Rows as CSV that a spreadsheet opens and does not run."""

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

from models.money import NotADecimal, parse_decimal


def csv_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """A header and a row each; nothing at all for no rows."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    out = io.StringIO()
    writer = csv.DictWriter(out, names, lineterminator="\n")
    if rows:
        writer.writeheader()
        writer.writerows({name: _harmless(text) for name, text in row.items()} for row in rows)
    return out.getvalue()


def _harmless(text: str) -> str:
    """A spreadsheet runs what begins like a formula: only numbers may begin so."""
    if text[:1] in ("=", "+", "-", "@", "\t", "\r"):
        try:
            parse_decimal(text.removeprefix("-"))
        except NotADecimal:
            return f"'{text}"
    return text
