"""Where the journal stood in each backup, by their manifests, and whether it goes on from there."""

from __future__ import annotations

import contextlib
from pathlib import Path

from sqlalchemy import Engine

from storage.backup import manifest as manifests
from storage.backup.errors import BackupError
from storage.backup.folder import kept
from storage.journal.state import JournalState, state_of
from storage.journal.writer import Head


def heads(folder: Path, *, after: str = "") -> list[Head | None]:
    """Of each backup whose name is greater, the oldest first; None for one that was made without a journal.

    One whose manifest can't be read is no backup, and is left out.
    """
    found: list[Head | None] = []
    for one in kept(folder):
        if one.name > after:
            with contextlib.suppress(BackupError):
                journal = manifests.read(one.path).journal
                found.append(None if journal is None else Head(**journal))
    return found


def journal_state(engine: Engine, folder: Path, *, every_record: bool = False) -> JournalState:
    """Of a SQLite database with its backups in ``folder``."""
    try:
        return state_of(engine, Path(str(engine.url.database)), heads(folder), every_record=every_record)
    except OSError as error:
        return JournalState(head=None, base=None, problem=f"its files can't be looked at ({error})")
