"""Whether the archive's folder has what the database says it has."""

from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import select

from cli.errors import CommandError
from cli.report_orders import open_database
from storage.archive_files import ArchivedFile
from storage.cleanup_tables import archive_files


def unlike_the_database(files: Sequence[ArchivedFile], folder: Path) -> str | None:
    """None where both agree; a sentence where the database can't be asked. Raises CommandError at a difference."""
    try:
        with open_database() as conn:
            recorded = conn.execute(select(archive_files).order_by(archive_files.c.name)).all()
    except CommandError as error:
        return f"The database was not compared: {error}"
    found = {file.name: file.sha256 for file in files}
    for row in recorded:
        if row.name not in found:
            raise CommandError(
                f"The archive's file {row.name} is missing in {folder}: histories of {row.orders} orders are not to be had "
                f"here. It was written on {row.host}. Bring it back, with its manifest, from a copy of that folder."
            )
        if found[row.name] != row.sha256:
            raise CommandError(
                f"The archive's file {row.name} in {folder} is another one than was archived: the database has the "
                f"SHA-256 {row.sha256}. Bring back the file with its manifest from a copy of that folder."
            )
    return None
