"""``[retention]``: what is kept for how long, beside the feed and messages, which have sections of their own."""

from pathlib import Path

from pydantic import Field, field_validator

from settings.section import Section


class Retention(Section):
    #: days after an order closed until its history goes into the archive's files and out of the database; 0: never
    archive_after_days: int = Field(default=0, ge=0, le=36_500)
    #: the folder of those files; ``archive`` in home where none is named
    archive_dir: Path | None = None
    #: days that a warning is kept after it came last; what is critical stays
    warning_days: int = Field(default=180, ge=1, le=36_500)
    #: days that an ended order of a dry run is kept by the simulated venue; our own order stays
    dry_run_days: int = Field(default=90, ge=7, le=36_500)

    @field_validator("archive_dir")
    @classmethod
    def _absolute(cls, value: Path | None) -> Path | None:
        if value is None:
            return None
        if not value.expanduser().is_absolute():
            raise ValueError("must be an absolute path, since several processes write and read there")
        return value.expanduser()
