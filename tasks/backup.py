"""Backup: the nightly copy of the database, and an alert where it can't be made."""

from contextlib import suppress

import structlog
from sqlalchemy.exc import SQLAlchemyError

from storage.alerts import Severity, record_alert
from storage.backup.errors import BackupError, Corrupt
from storage.backup.make import make_backup
from storage.engine import write
from tasks.runtime import Runtime
from tasks.step import step

log = structlog.get_logger()

#: Seconds that a backup may take: ten thousand times what a small one does, and far under a day.
LONGEST_S = 3_600


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


def _alert(runtime: Runtime, error: BackupError) -> str:
    damaged = isinstance(error, Corrupt)
    kind = "DATABASE_CORRUPT" if damaged else "BACKUP_FAILED"
    severity = Severity.CRITICAL if damaged else Severity.WARNING
    log.error("alert", kind=kind, message=str(error))
    with suppress(SQLAlchemyError), write(runtime.engine) as conn:  # a damaged database may not take it; the log has it
        record_alert(
            conn, f"backup:{kind}", kind=kind, severity=severity, message=str(error), detail={}, now=runtime.now()
        )
    return f"no backup: {error}"


backup_task = step("storage.backup")(backup)
backup_task.soft_time_limit = LONGEST_S
backup_task.time_limit = LONGEST_S + 60
