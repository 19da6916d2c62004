"""One record: the rows that one transaction left, on one line, with a digest that joins it to the record before.

``SEQ DIGEST PREVIOUS ROWS\\n``, where ROWS is a JSON list of ``[table, key, row or null]``: the row as it was at the
commit, null where it was gone. DIGEST is SHA-256 over PREVIOUS, SEQ and ROWS.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

_DIGEST_LENGTH = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    seq: int
    digest: str
    previous: str
    #: JSON, as it stands in the file
    rows: bytes

    def changes(self) -> list[tuple[str, list[Any], list[Any] | None]]:
        """(table, key, row by the table's columns or None)."""
        return [(table, key, row) for table, key, row in json.loads(self.rows)]


def digest_of(previous: str, seq: int, rows: bytes) -> str:
    made = hashlib.sha256(f"{previous} {seq} ".encode())
    made.update(rows)
    return made.hexdigest()


def line(seq: int, digest: str, previous: str, rows: bytes) -> bytes:
    return b"%d %s %s %s\n" % (seq, digest.encode(), previous.encode(), rows)


def parse(text: bytes) -> Record | None:
    """The record of a line without its end; None for one that is not what was written."""
    parts = text.split(b" ", 3)
    if len(parts) != 4 or len(parts[1]) != _DIGEST_LENGTH or not parts[0].isdigit():
        return None
    try:
        digest, previous = parts[1].decode("ascii"), parts[2].decode("ascii")
    except UnicodeDecodeError:
        return None
    seq = int(parts[0])
    if digest_of(previous, seq, parts[3]) != digest:
        return None
    return Record(seq=seq, digest=digest, previous=previous, rows=parts[3])
