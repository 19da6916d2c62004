"""Freezes: new sends that a break has stopped, by asset of a venue account. They end with their break."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, bindparam, select

from storage.reconciliation_tables import breaks, freezes
from storage.upsert import upsert


@dataclass(frozen=True, slots=True, kw_only=True)
class Freeze:
    venue: str
    account: str
    asset: str
    break_id: str
    #: of the break
    message: str
    since: datetime

    def sentence(self) -> str:
        return (
            f"{self.asset} of {self.venue} ({self.account}) is frozen until a person decides on break {self.break_id}: "
            f"{self.message}"
        )


#: The columns of a freeze, and of its break the message. What lifts a freeze is its break's end, by a trigger.
_STANDING = (
    select(freezes, breaks.c.message)
    .join(breaks, breaks.c.id == freezes.c.break_id)
    .where(freezes.c.lifted_at.is_(None))
)
_MEETING = _STANDING.where(
    freezes.c.venue == bindparam("the_venue"),
    freezes.c.account == bindparam("the_account"),
    freezes.c.asset.in_([bindparam("base"), bindparam("quote")]),
).limit(1)


def freeze(conn: Connection, break_id: str, venue: str, account: str, assets: Sequence[str], *, now: datetime) -> None:
    """Stop new sends on some assets until the break is closed; doing it again changes nothing."""
    rows = [
        {"break_id": break_id, "asset": asset, "venue": venue, "account": account, "since": now}
        for asset in sorted(set(assets))
    ]
    if rows:
        conn.execute(upsert(conn, freezes).on_conflict_do_nothing(), rows)


def freeze_meeting(conn: Connection, venue: str, account: str, base: str, quote: str) -> Freeze | None:
    """A freeze that stops an order in these two assets, if any."""
    parameters = {"the_venue": venue, "the_account": account, "base": base, "quote": quote}
    row = conn.execute(_MEETING, parameters).mappings().one_or_none()
    return None if row is None else _freeze(row)


def standing_freezes(conn: Connection) -> list[Freeze]:
    return [_freeze(row) for row in conn.execute(_STANDING.order_by(freezes.c.since, freezes.c.asset)).mappings()]


def _freeze(row: object) -> Freeze:
    names = ("venue", "account", "asset", "break_id", "message", "since")
    return Freeze(**{name: row[name] for name in names})  # type: ignore[index]
