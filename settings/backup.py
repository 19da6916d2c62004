"""``[backup]``: copies of the database."""

from pathlib import Path

from pydantic import Field, field_validator

from settings.section import Section


class Backup(Section):
    #: where they are kept; by default ``backups`` in the home folder. Another disk survives this one
    folder: Path | None = None
    #: false: beat makes none
    nightly: bool = True
    #: on SQLite: what is committed after a backup is kept in a file of its own as well, before it is answered
    journal: bool = True
    #: the hour of day, in UTC, at which beat makes one
    hour: int = Field(default=3, ge=0, le=23)
    #: the newest of each of so many days, and of each of so many weeks, are kept
    keep_daily: int = Field(default=7, ge=1, le=3_650)
    keep_weekly: int = Field(default=4, ge=0, le=520)

    @field_validator("folder")
    @classmethod
    def _absolute(cls, value: Path | None) -> Path | None:
        """Several processes use it, and not all are started in one folder."""
        path = value.expanduser() if value is not None else None
        if path is not None and not path.is_absolute():
            raise ValueError("must be an absolute path, since processes that are started elsewhere use it")
        return path
