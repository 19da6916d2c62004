"""Stops on new sends: for everything, a venue, or one of its accounts."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
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
#: where the database's file was found damaged under running processes, until it is restored
DAMAGE = "damage"


_OUR_OWN = (RESTORE, INCOMPLETE_RESTORE, DAMAGE)


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
        return self.by in _OUR_OWN

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


def halt_for_restore(conn: Connection, halt: Halt) -> None:
    """Halt everything in the place of what an earlier restore or a damage left, but a person's own halt stays theirs.

    Where somebody still has to look at an incomplete restore this one is incomplete as well: lifting it by itself would
    lift that. Its time is this restore's, so that a reconciliation before it counts for nothing.
    """
    present = halt_meeting(conn, ALL, ALL)
    if present is not None and present.ends_nothing:
        lift_halt(conn, ALL, ALL)
        if present.by == INCOMPLETE_RESTORE:
            halt = replace(halt, by=INCOMPLETE_RESTORE, reason=f"{halt.reason}; before that: {present.reason}")
    set_halt(conn, halt)


def lift_halt(conn: Connection, venue: str, account: str) -> bool:
    """Lift the halt of exactly this scope; False when there is none."""
    return conn.execute(_DELETE, {"the_venue": venue, "the_account": account}).rowcount > 0


def halt_meeting(conn: Connection, venue: str, account: str) -> Halt | None:
    """A halt that covers the venue account, if any."""
    row = conn.execute(_MEETING, {"the_venue": venue, "the_account": account}).mappings().one_or_none()
    return None if row is None else Halt(**row)


def active_halts(conn: Connection) -> Sequence[Halt]:
    return [Halt(**row) for row in conn.execute(select(halts).order_by(halts.c.since)).mappings()]
