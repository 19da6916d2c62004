"""``steadfill backup`` and ``steadfill restore``: what they do on this machine, and what they say."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ops import state
from ops.roles import ROLES
from settings import Settings
from storage.backup import folder, manifest
from storage.backup.errors import BackupError
from storage.backup.folder import Kept
from storage.backup.heads import journal_state
from storage.backup.make import make_backup
from storage.backup.restore import Restored, drill, restore_postgresql, restore_sqlite
from storage.engine import make_engine
from storage.journal import keeper


def make(settings: Settings) -> dict[str, Any]:
    """One backup and the rotation. Raises BackupError."""
    made = make_backup(
        settings.database_url,
        settings.backup_folder,
        now=datetime.now(UTC),
        keep_daily=settings.backup.keep_daily,
        keep_weekly=settings.backup.keep_weekly,
        journal=settings.backup.journal,
    )
    return {**_shown(made.backup), **asdict(made.manifest), "removed": list(made.removed)}


def keep_journal(settings: Settings) -> str | None:
    """See to it that what is committed from here on can be replayed; what was done for that, None for nothing.

    Raises BackupError where it can't be.
    """
    target = sqlite_file(settings)
    if target is None:
        return None
    engine = make_engine(settings.database_url, pool_size=1)
    try:
        if not settings.backup.journal:
            keeper.end(engine, datetime.now(UTC))
            return None
        if journal_state(engine, settings.backup_folder, every_record=True).problem is None:
            return None
        keeper.end(engine, datetime.now(UTC))  # after a power cut, an upgrade or a restore: another history begins
    finally:
        engine.dispose()
    return f"a journal of changes begins, with the backup {make(settings)['name']}"


def listed(settings: Settings) -> list[dict[str, Any]]:
    """The finished backups, oldest first; what is wrong with a manifest is in ``problem``."""
    shown = []
    for kept in folder.kept(settings.backup_folder):
        about: dict[str, Any] = _shown(kept)
        try:
            found = manifest.read(kept.path)
            about |= {"database": found.database, "revision": found.revision, "bytes": found.bytes}
        except BackupError as error:
            about["problem"] = str(error)
        shown.append(about)
    return shown


def try_out(settings: Settings, name: str | None) -> dict[str, Any]:
    """A drill: restore into a place of its own, check, and leave everything as it was. Raises BackupError."""
    server = settings.database_url if settings.database_url.startswith("postgresql") else None
    return _told(drill(folder.find(settings.backup_folder, name), server=server))


def bring_back(settings: Settings, name: str | None, *, into: str | None, confirmed: bool) -> dict[str, Any]:
    """Restore, halted. Raises BackupError or AlreadyRunningError; then nothing has changed."""
    kept = folder.find(settings.backup_folder, name)
    now = datetime.now(UTC)
    reason = f"restored from the backup {kept.name}; look at open orders and trades since then, then `steadfill resume`"
    if into is not None:
        return _told(restore_postgresql(kept, into, now=now, reason=reason))
    target = sqlite_file(settings)
    if target is None:
        raise BackupError(
            "the configured database is PostgreSQL, and nothing is restored over one that is there: name an empty "
            "database with --into postgresql://…, then point STEADFILL_DATABASE_URL at it."
        )
    if target.exists() and not confirmed:
        raise BackupError(
            f"{target} is there. It would be set aside (never deleted), and the restored one would have what {kept.name} and "
            "the journal tell. Say --yes to go on, or --drill to try the backup without changing anything."
        )
    with state.roles_locked(settings.home, ROLES), folder.undisturbed(settings.backup_folder):
        state.end_leftovers(settings.home, ROLES)
        assert_unused(target)
        return _told(restore_sqlite(kept, target, now=now, reason=reason))


def assert_no_cut_restore(settings: Settings) -> None:
    """Raises BackupError where a restore died between the old file and the new one: an empty database would be made."""
    target = sqlite_file(settings)
    if target is None or target.exists():
        return
    aside = sorted(path for path in target.parent.glob(f"{target.name}.set-aside-*") if path.suffix != ".changes")
    if aside:
        raise BackupError(
            f"{target} is missing, and {aside[-1].name} was set aside: a restore was cut short. Nothing was started, since "
            "that would make an empty database. `steadfill restore` goes on from the newest backup."
        )


def sqlite_file(settings: Settings) -> Path | None:
    """The file of the configured database; None on PostgreSQL."""
    scheme, _, path = settings.database_url.partition(":///")
    return Path(path) if scheme == "sqlite" else None


def assert_unused(path: Path) -> None:
    """Raises BackupError while a process has the file open: it would go on writing to what was set aside.

    Looks in /proc, so on other systems than Linux it sees nothing, and the locks of `up` have to do.
    """
    wanted = {str(path.resolve()) + suffix for suffix in ("", "-wal", "-shm")}
    holders = set()
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        with contextlib.suppress(OSError):
            if str(link.readlink()) in wanted:
                holders.add(link.parts[2])
    if holders:
        raise BackupError(
            f"{path} is open in {len(holders)} processes (pid {', '.join(sorted(holders, key=int))}). Stop them first."
        )


def _shown(kept: Kept) -> dict[str, Any]:
    return {"name": kept.name, "path": str(kept.path)}


def _told(restored: Restored) -> dict[str, Any]:
    about: Mapping[str, Any] = asdict(restored.manifest)
    return {
        "name": restored.backup,
        "made_at": about["made_at"],
        "database": about["database"],
        "revision": about["revision"],
        "rows": restored.rows,
        "replayed": asdict(restored.replayed) if restored.replayed else None,
        "set_aside": str(restored.set_aside) if restored.set_aside else None,
    }
