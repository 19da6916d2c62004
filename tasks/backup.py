"""Backup: the nightly copy of the database, an hourly look at its file, and an alert where either goes wrong."""

from contextlib import suppress
from pathlib import Path

import structlog
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from storage.alerts import Severity, record_alert
from storage.backup.damage import damage_of
from storage.backup.errors import BackupError, Corrupt
from storage.backup.make import make_backup
from storage.engine import write
from storage.journal.keeper import journal_bytes
from tasks.runtime import Runtime
from tasks.step import step

log = structlog.get_logger()

#: Seconds that a backup may take: ten thousand times what a small one does, and far under a day.
LONGEST_S = 3_600

#: A journal larger than this is begun anew before its night: replaying it would take minutes.
JOURNAL_BYTES = 1 << 30


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
        return _alert(
            runtime,
            Corrupt(
                f"the database {path} is damaged: {damage}. Stop `steadfill up` and start it again: it sets the file aside and "
                "restores the newest backup and the journal. Nothing is repaired while it runs."
            ),
        )
    size = journal_bytes(runtime.engine, path)
    if size > JOURNAL_BYTES:
        return f"a journal of {size} bytes: {backup(runtime)}"
    return f"sound; a journal of {size} bytes"


def _alert(runtime: Runtime, error: BackupError) -> str:
    damaged = isinstance(error, Corrupt)
    kind = "DATABASE_CORRUPT" if damaged else "BACKUP_FAILED"
    severity = Severity.CRITICAL if damaged else Severity.WARNING
    log.error("alert", kind=kind, message=str(error))
    with suppress(SQLAlchemyError), write(runtime.engine) as conn:  # a damaged database may not take it; the log has it
        record_alert(
            conn, f"backup:{kind}", kind=kind, severity=severity, message=str(error), detail={}, now=runtime.now()
        )
    return f"{kind}: {error}"


backup_task = step("storage.backup")(backup)
examine_task = step("storage.examine")(examine)
for task in (backup_task, examine_task):
    task.soft_time_limit = LONGEST_S
    task.time_limit = LONGEST_S + 60
