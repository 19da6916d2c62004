"""Where reading a symbol's trades goes on."""

from datetime import datetime

from sqlalchemy import Connection, bindparam, select

from storage.attention import Watched
from storage.service_tables import track_cursors
from storage.upsert import upserts

_SINCE = select(track_cursors.c.since).where(
    track_cursors.c.venue == bindparam("venue"),
    track_cursors.c.account == bindparam("account"),
    track_cursors.c.symbol == bindparam("symbol"),
)

_MOVE = upserts(
    track_cursors,
    lambda insert: insert.values(
        {name: bindparam(name) for name in ("venue", "account", "symbol", "since")}
    ).on_conflict_do_update(index_elements=["venue", "account", "symbol"], set_={"since": insert.excluded.since}),
)


def cursor_of(conn: Connection, place: Watched) -> datetime | None:
    return conn.execute(
        _SINCE, {"venue": place.venue, "account": place.account, "symbol": place.symbol}
    ).scalar_one_or_none()


def move_cursor(conn: Connection, place: Watched, since: datetime) -> None:
    values = {"venue": place.venue, "account": place.account, "symbol": place.symbol, "since": since}
    conn.execute(_MOVE[conn.dialect.name], values)
