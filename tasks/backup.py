"""Backup: the nightly copy of the database, an hourly look at its file, and an alert where either goes wrong."""

import sqlite3
from contextlib import suppress
from pathlib import Path

import structlog
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from storage.alerts import Severity, record_alert
from storage.backup.damage import damage_of
from storage.backup.errors import BackupError, Corrupt
from storage.backup.heads import journal_state
from storage.backup.make import make_backup
from storage.engine import write
from storage.halts import ALL, DAMAGE, Halt, set_halt
from storage.journal import keeper
from storage.journal.keeper import journal_bytes
from tasks.runtime import Runtime
from tasks.step import step

log = structlog.get_logger()

#: Seconds that a backup may take: ten thousand times what a small one does, and far under a day.
LONGEST_S = 3_600

#: A journal larger than this is begun anew before its night: replaying it would take minutes.
JOURNAL_BYTES = 1 << 30

#: what a damaged database says to a write; the journal asks the driver itself
_NO_WRITE = (SQLAlchemyError, sqlite3.Error)


def backup(runtime: Runtime) -> str:
    """One backup and the rotation. What goes wrong is an alert, since no order waits for it."""
    settings = runtime.settings
    now = runtime.now()
    try:
        made = make_backup(
            settings.database_url,
            settings.backup_folder,
            now=now,
            keep_daily=settings.backup.keep_daily,
            keep_weekly=settings.backup.keep_weekly,
            journal=settings.backup.journal,
        )
    except BackupError as error:
        return _alert(runtime, error)
    return f"{made.backup.name}: {made.manifest.bytes} bytes; {len(made.removed)} older ones removed"


def examine(runtime: Runtime) -> str:
    """A look at a SQLite file while it is in use; a journal that has grown large gets a new backup to begin from."""
    url = make_url(runtime.settings.database_url)
    if url.get_backend_name() != "sqlite":
        return "PostgreSQL looks after its own pages"
    path = Path(str(url.database))
    damage = damage_of(path)
    if damage is not None:
        _halt(runtime, damage)
        return _alert(
            runtime,
            Corrupt(
                f"the database {path} is damaged: {damage}. Nothing more is sent. Stop `steadfill up` and start it again: it "
                "sets the file aside and restores the newest backup and the journal. Nothing is repaired while it runs."
            ),
        )
    if not runtime.settings.backup.journal:
        return "sound; no journal is wanted"
    state = journal_state(runtime.engine, runtime.settings.backup_folder, every_record=True)
    if state.head is None:  # pieces that are started one by one have begun none
        return f"a journal begins: {backup(runtime)}"
    if state.problem is not None:
        return _begin_anew(runtime, state.problem)
    size = journal_bytes(runtime.engine, path)
    if size > JOURNAL_BYTES:
        return f"a journal of {size} bytes: {backup(runtime)}"
    return f"sound; a journal of {size} bytes"


def _halt(runtime: Runtime, damage: str) -> None:
    """What is read from a damaged file may be anything: nothing new is sent by it. Orders wait, until it is restored."""
    reason = f"the database's file is damaged ({damage[:80]}): stop `steadfill up` and start it again"
    halt = Halt(venue=ALL, account=ALL, reason=reason, by=DAMAGE, since=runtime.now())
    with suppress(*_NO_WRITE), write(runtime.engine) as conn:  # where it takes none no intent is written either
        set_halt(conn, halt)


def _begin_anew(runtime: Runtime, problem: str) -> str:
    """A journal that could not be replayed is none: a new one begins, with a backup of what is there."""
    message = (
        f"the journal of changes can't be relied on: {problem}. Had the database been lost, what was committed since the last "
        "backup would have been too. A new one begins with a new backup. If nobody removed files, look at the disk."
    )
    log.error("alert", kind="JOURNAL_BROKEN", message=message)
    with write(runtime.engine) as conn:
        record_alert(
            conn, "journal:broken", kind="JOURNAL_BROKEN", severity=Severity.CRITICAL,
            message=message, detail={}, now=runtime.now(),
        )  # fmt: skip
    keeper.end(runtime.engine, runtime.now())
    return f"JOURNAL_BROKEN: {problem}; {backup(runtime)}"


def _alert(runtime: Runtime, error: BackupError) -> str:
    damaged = isinstance(error, Corrupt)
    kind = "DATABASE_CORRUPT" if damaged else "BACKUP_FAILED"
    severity = Severity.CRITICAL if damaged else Severity.WARNING
    log.error("alert", kind=kind, message=str(error))
    with suppress(*_NO_WRITE), write(runtime.engine) as conn:  # a damaged database may not take it; the log has it
        record_alert(
            conn, f"backup:{kind}", kind=kind, severity=severity, message=str(error), detail={}, now=runtime.now()
        )
    return f"{kind}: {error}"


backup_task = step("storage.backup")(backup)
examine_task = step("storage.examine")(examine)
for task in (backup_task, examine_task):
    task.soft_time_limit = LONGEST_S
    task.time_limit = LONGEST_S + 60
