"""What shows that more was committed than a backup and its journal tell: files that are gone, a later history, the database."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path

from storage.journal.files import chains, missing_segment, segments
from storage.journal.writer import Head, read_head


def untold(database: Path, head: Head, reached: int, newer: Sequence[Head | None]) -> str | None:
    """A sentence where the records after ``head``, told up to number ``reached``, are not all; None where nothing shows that.

    ``newer``: where the journal stood in each later backup, None for one that was made without. An absence proves nothing by
    itself, so the file of a segment is made before anything needs it, and a later history before it begins.
    """
    same = [one for one in newer if one is not None and one.chain == head.chain]
    last = max([head.segment, *(one.segment for one in same)]) + 1  # each backup lays out the one after its own
    gone = missing_segment(database, head.chain, head.segment, max(last, _last_present(database, head.chain)))
    if gone is not None:
        return f"the journal's file {gone.name} is gone, and with it what was committed from record {reached + 1} on"
    if len(same) < len(newer) or any(chain > head.chain for chain in chains(database)):
        return (
            f"this backup's journal ended at record {reached} and another one was begun, or none, so what was committed after "
            "that is in a later backup only"
        )
    return _by_the_database(database, head, reached)


def _last_present(database: Path, chain: str) -> int:
    present = segments(database, chain)
    return int(present[-1].name.removesuffix(".changes").rpartition("-")[2]) if present else 0


def _by_the_database(database: Path, head: Head, reached: int) -> str | None:
    """It is damaged, or is being given up, and may still say how far it had come."""
    try:
        connection = sqlite3.connect(f"{database.resolve().as_uri()}?mode=ro", uri=True)
        try:
            if connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'journal_head'").fetchone() is None:
                return None
            stood = read_head(connection)
        finally:
            connection.close()
    except sqlite3.Error:
        return None
    if stood is None or stood.chain != head.chain:
        return f"the database that is set aside kept another journal, or none, so what came after record {reached} is not told"
    if stood.seq > reached:
        return f"the database that is set aside had come to record {stood.seq}, and its journal ends at {reached}"
    return None
