"""A damaged SQLite file at the start: set aside, restored from the newest good backup and the journal, halted."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from ops.backup import assert_unused, sqlite_file
from ops.supervisor import Say, StartError
from settings import Settings
from storage.backup import folder
from storage.backup.damage import damage_of
from storage.backup.errors import BackupError
from storage.backup.folder import Kept
from storage.backup.restore import Restored, restore_sqlite

RUNBOOK = "docs/backup.md, database corrupt"


def recover_if_damaged(settings: Settings, say: Say) -> None:
    """Raises StartError where the database is damaged and no backup can take its place; then nothing has changed."""
    target = sqlite_file(settings)
    if target is None:
        return
    kept = folder.kept(settings.backup_folder)
    damage = damage_of(target) if target.exists() else "it is missing" if kept else None
    if damage is None:
        return
    say("up", f"the database {target} is damaged: {damage}")
    if not kept:
        raise StartError(
            f"The database {target} is damaged: {damage}. There is no backup in {settings.backup_folder}, so nothing was "
            f"started and nothing was changed. Bring a backup there, or move the file away to begin anew ({RUNBOOK})."
        )
    try:
        assert_unused(target)
        with folder.undisturbed(settings.backup_folder):
            _restore_newest(kept, target, damage, say)
    except BackupError as error:
        raise StartError(f"The database {target} is damaged: {damage}. It can't be replaced: {error}") from None


def _restore_newest(kept: list[Kept], target: Path, damage: str, say: Say) -> None:
    now = datetime.now(UTC)
    refused = []
    for one in reversed(kept):
        reason = f"the database was damaged ({damage[:80]}) and restored from the backup {one.name}"
        try:
            restored = restore_sqlite(one, target, now=now, reason=reason)
        except BackupError as error:
            say("up", f"the backup {one.name} can't be used: {error}")
            refused.append(one.name)
            continue
        say("up", _told(restored))
        return
    raise StartError(
        f"The database {target} is damaged: {damage}. None of the backups {', '.join(refused)} can take its place; nothing "
        f"was started and the file is as it was. Bring another backup ({RUNBOOK})."
    )


def _told(restored: Restored) -> str:
    replayed = restored.replayed
    assert replayed is not None
    aside = f"; the damaged file is {restored.set_aside}" if restored.set_aside else ""
    if replayed.gap is not None:
        return f"restored from {restored.backup}, INCOMPLETE: {replayed.gap}{aside}. Halted until a person resumes"
    return (
        f"restored from {restored.backup} and {replayed.records} transactions of its journal{aside}. "
        "Halted until open orders and trades are compared with the venues"
    )
