"""Streams as rows: what the process that streams says of each venue account, and until when that may be believed."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, select

from storage.stream_tables import streams
from storage.upsert import upserts

_COLUMNS = tuple(column.name for column in streams.c)
_KEY = ("venue", "account")
_TELL = upserts(
    streams,
    lambda insert: insert.values({name: bindparam(name) for name in _COLUMNS}).on_conflict_do_update(
        index_elements=list(_KEY), set_={name: insert.excluded[name] for name in _COLUMNS if name not in _KEY}
    ),
)
_HEALTHY = select(streams.c.healthy_until).where(
    streams.c.venue == bindparam("venue"), streams.c.account == bindparam("account")
)


def tell_stream(conn: Connection, values: Mapping[str, Any]) -> None:
    """Keep what is said of one venue account; ``values`` names every column."""
    conn.execute(_TELL[conn.dialect.name], dict(values))


def healthy_until(conn: Connection, venue: str, account: str) -> datetime | None:
    """Until when the stream counts as healthy; None where it does not."""
    return conn.execute(_HEALTHY, {"venue": venue, "account": account}).scalar_one_or_none()


def list_streams(conn: Connection) -> Sequence[dict[str, Any]]:
    return [dict(row) for row in conn.execute(select(streams)).mappings()]
