"""Stops on new sends: for everything, a venue, or one of its accounts."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, bindparam, delete, select

from storage.service_tables import halts
from storage.upsert import upsert

#: stands for every venue, or every account of a venue
ALL = ""

#: who halts after a restore: lifted by itself once all is reconciled
RESTORE = "restore"
#: … and where something that was answered may be missing: a person lifts it
INCOMPLETE_RESTORE = "incomplete restore"


@dataclass(frozen=True, slots=True, kw_only=True)
class Halt:
    venue: str
    account: str
    reason: str
    by: str
    since: datetime

    @property
    def ends_nothing(self) -> bool:
        """Orders wait it out, as long as their own time allows: nobody asked for them to be stopped."""
        return self.by in (RESTORE, INCOMPLETE_RESTORE)

    def sentence(self) -> str:
        scope = f"venue {self.venue}" if self.venue else "all venues"
        scope += f", account {self.account}" if self.account else ""
        return f"new sends are halted for {scope}" + (f": {self.reason}" if self.reason else "")


_MEETING = (
    select(halts)
    .where(
        halts.c.venue.in_([ALL, bindparam("the_venue")]),
        halts.c.account.in_([ALL, bindparam("the_account")]),
    )
    .limit(1)
)
_DELETE = delete(halts).where(halts.c.venue == bindparam("the_venue"), halts.c.account == bindparam("the_account"))


def set_halt(conn: Connection, halt: Halt) -> None:
    """Halt a scope; halting it again keeps the first reason and time."""
    values = {
        "venue": halt.venue, "account": halt.account, "reason": halt.reason, "by": halt.by, "since": halt.since
    }  # fmt: skip
    conn.execute(upsert(conn, halts).values(values).on_conflict_do_nothing())


def lift_halt(conn: Connection, venue: str, account: str) -> bool:
    """Lift the halt of exactly this scope; False when there is none."""
    return conn.execute(_DELETE, {"the_venue": venue, "the_account": account}).rowcount > 0


def halt_meeting(conn: Connection, venue: str, account: str) -> Halt | None:
    """A halt that covers the venue account, if any."""
    row = conn.execute(_MEETING, {"the_venue": venue, "the_account": account}).mappings().one_or_none()
    return None if row is None else Halt(**row)


def active_halts(conn: Connection) -> Sequence[Halt]:
    return [Halt(**row) for row in conn.execute(select(halts).order_by(halts.c.since)).mappings()]
