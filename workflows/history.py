"""An order's whole history: what the database has of it, behind what is in the archive's files."""

import socket
from typing import Any

from models.errors import NotFound, Unavailable
from storage.archive import Part, parts_of
from storage.archive_files import ArchiveProblem, read_line
from storage.documents import timeline
from storage.engine import read
from tasks.runtime import Runtime


def whole_timeline(runtime: Runtime, order_id: str) -> list[dict[str, Any]]:
    """Every transition of the order and its children, oldest first.

    Raises NotFound, and Unavailable where a file of the archive can't be read here.
    """
    with read(runtime.engine, snapshot=True) as conn:
        parts = parts_of(conn, order_id)
        items = timeline(conn, order_id)
    archived = [item for part in parts for item in _archived(runtime, part)]
    if not archived and not items:
        raise NotFound(f"There is no order {order_id}.")
    return archived + items


def _archived(runtime: Runtime, part: Part) -> list[dict[str, Any]]:
    try:
        history = read_line(runtime.settings.archive_folder, part.file, part.line, part.sha256)
    except ArchiveProblem as error:
        here = socket.gethostname()
        where = "" if part.host == here else f" It was written on {part.host}, and this is {here}."
        raise Unavailable(f"The order's history is archived, and {error}.{where}", code="ARCHIVE_UNREADABLE") from error
    items: list[dict[str, Any]] = history["timeline"]
    return items
