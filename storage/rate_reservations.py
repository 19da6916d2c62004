"""The slots of a venue account's rate in the database: for a deployment without Redis, and while Redis is away."""

from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection, Engine, bindparam, select, text, update

from models.clock import micros
from risk.lane import Lane
from risk.reservation import RatePlan, Reserved, Slot, close, hold, reserve
from storage.engine import database_time, read, write
from storage.protection_tables import rate_reservations
from storage.upsert import upserts

_THIS = (
    rate_reservations.c.venue == bindparam("the_venue"),
    rate_reservations.c.account == bindparam("the_account"),
)
_STATE = ("ordinary_us", "urgent_us", "held_until_us", "closed_until_us")
_SEEN = select(*(rate_reservations.c[name] for name in _STATE)).where(*_THIS)
_LOCKED = _SEEN.with_for_update()
_NEW = upserts(
    rate_reservations,
    lambda new: new.values({name: bindparam(name) for name in ("venue", "account")}).on_conflict_do_nothing(),
)
#: A slot that a crash of the server forgets costs one request too many; waiting for the disk costs each of them.
_NEED_NOT_LAST = text("SET LOCAL synchronous_commit = off")
_KEEP = update(rate_reservations).where(*_THIS).values({name: bindparam(name) for name in _STATE})


class DatabaseReservations:
    """A locked row a venue account, so that slots are given in turn; the clock is the database's."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def reserve(
        self,
        venue: str,
        account: str,
        plan: RatePlan,
        lane: Lane,
        weight: int,
        *,
        within_us: int,
        now_us: int | None = None,
    ) -> Slot:
        """A slot at most ``within_us`` from now, or one that is not granted and says when it would have been.

        ``now_us`` stands in for the store's clock.
        """
        with write(self._engine) as conn:
            if conn.dialect.name == "postgresql":
                conn.execute(_NEED_NOT_LAST)
            before = _locked(conn, venue, account)
            now_us = _now_us(conn) if now_us is None else now_us
            after, slot = reserve(before, plan, lane, weight, now_us=now_us, latest_us=now_us + within_us)
            _keep(conn, venue, account, before, after)
        return slot

    def shut(
        self, venue: str, account: str, *, for_us: int, ordinary_only: bool = False, now_us: int | None = None
    ) -> None:
        """No slot before ``for_us`` from now, or none for what is ordinary; never opens what is shut for longer."""
        with write(self._engine) as conn:
            before = _locked(conn, venue, account)
            until_us = (_now_us(conn) if now_us is None else now_us) + for_us
            after = hold(before, until_us) if ordinary_only else close(before, until_us)
            _keep(conn, venue, account, before, after)

    def read(self, venue: str, account: str) -> Reserved:
        with read(self._engine) as conn:
            row = conn.execute(_SEEN, {"the_venue": venue, "the_account": account}).one_or_none()
        return Reserved() if row is None else Reserved(**row._mapping)  # noqa: SLF001 - SQLAlchemy's own name

    def now_us(self) -> int:
        with read(self._engine) as conn:
            return _now_us(conn)


def _now_us(conn: Connection) -> int:
    """Read once the row is ours: a time from before the wait for it would be too early."""
    return micros(database_time(conn))


def _locked(conn: Connection, venue: str, account: str) -> Reserved:
    this: dict[str, Any] = {"the_venue": venue, "the_account": account}
    row = conn.execute(_LOCKED, this).one_or_none()
    if row is None:
        conn.execute(_NEW[conn.dialect.name], {"venue": venue, "account": account})
        row = conn.execute(_LOCKED, this).one()
    return Reserved(**row._mapping)  # noqa: SLF001 - SQLAlchemy's own name for a row's columns


def _keep(conn: Connection, venue: str, account: str, before: Reserved, after: Reserved) -> None:
    if after != before:
        conn.execute(_KEEP, {"the_venue": venue, "the_account": account, **asdict(after)})
