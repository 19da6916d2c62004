"""Whether what is committed now could be replayed: a journal, whole, and a backup that it goes on from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine, select

from storage.engine import read
from storage.journal.files import chains, first_record, last_record, missing_segment, segment_path
from storage.journal.keeper import head_of
from storage.journal.replay import broken_at
from storage.journal.writer import Head
from storage.journal_tables import journal_head


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalState:
    #: where it stands; None: none is kept
    head: Head | None
    #: where it stood in the newest backup of its history; None: there is none
    base: Head | None
    #: why what is committed now could not be replayed, as a sentence without its full stop; None: it could
    problem: str | None

    def sentence(self) -> str:
        """How long it has been kept, where there is no problem."""
        assert self.head is not None
        return f"whole, kept since {self.head.chain}, at record {self.head.seq}"


def state_of(
    engine: Engine, database: Path, backups: Sequence[Head | None], *, every_record: bool = False
) -> JournalState:
    """Beside running writers, without their lock. ``backups``: where the journal stood in each, the oldest first.

    ``every_record``: read all that a restore would replay, too; up to a gigabyte.
    """
    with read(engine) as conn:
        head = head_of(conn)
        before = None if head is None else conn.execute(select(journal_head.c.segment_after)).scalar_one()
    if head is None:
        return JournalState(head=None, base=None, problem="none is kept")
    base = next((one for one in reversed(backups) if one is not None and one.chain == head.chain), None)
    problem = "no backup is there that it goes on from" if base is None else None
    problem = problem or _of_files(database, head, base or head, before or 0)
    if problem is None and base is not None and every_record:
        problem = broken_at(base, head, database)
    return JournalState(head=head, base=base, problem=problem)


def _of_files(database: Path, head: Head, base: Head, before: int) -> str | None:
    """By names, and by the first and the last record of the file that is written now.

    Its head was read first: since then writers may have gone on, and the file never ends before it.
    """
    gone = missing_segment(database, head.chain, base.segment, head.segment)
    if gone is not None:
        return f"its file {gone.name} is gone"
    if any(chain > head.chain for chain in chains(database)):
        return "a later one was begun and not gone on with"
    path = segment_path(database, head.chain, head.segment)
    first, last = first_record(path), last_record(path)
    if first is None or last is None:
        return None if head.seq == before else f"records {before + 1} to {head.seq} are not in {path.name}"
    if first.seq != before + 1:
        return f"records {before + 1} to {first.seq - 1} are not in {path.name}"
    if last.seq < head.seq or (last.seq == head.seq and last.digest != head.digest):
        return f"{path.name} ends at record {last.seq}, and the database stands at {head.seq}"
    return None
