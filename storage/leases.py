"""Named leases with epochs: one holder at a time, on the database's clock, taken over when the holder is gone."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import BigInteger, Connection, and_, bindparam, delete, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from storage.now import LEAP, db_now
from storage.service_tables import leases

_UNTIL = db_now(bindparam("lease_us", type_=BigInteger()))
_FREE = or_(leases.c.owner == bindparam("the_owner"), leases.c.until < db_now(), leases.c.until > db_now(LEAP))
_NEW = {"name": bindparam("the_name"), "owner": bindparam("the_owner"), "epoch": 1, "until": _UNTIL}
_SET = {"owner": bindparam("the_owner"), "epoch": leases.c.epoch + 1, "until": _UNTIL}
_TAKE = {
    "postgresql": postgresql.insert(leases)
    .values(_NEW)
    .on_conflict_do_update(index_elements=["name"], set_=_SET, where=_FREE)
    .returning(leases.c.epoch),
    "sqlite": sqlite.insert(leases)
    .values(_NEW)
    .on_conflict_do_update(index_elements=["name"], set_=_SET, where=_FREE)
    .returning(leases.c.epoch),
}
_GIVE_BACK = (
    update(leases)
    .where(and_(leases.c.name == bindparam("the_name"), leases.c.epoch == bindparam("the_epoch")))
    .values(until=db_now(bindparam("lease_us", type_=BigInteger())))
)
_END = (
    update(leases)
    .where(leases.c.name == bindparam("the_name"))
    .values(until=db_now(bindparam("lease_us", type_=BigInteger())))
)
_END_ALL = (
    update(leases)
    .where(and_(leases.c.owner == bindparam("the_owner"), leases.c.until >= db_now()))
    .values(until=db_now(bindparam("lease_us", type_=BigInteger())))
    .execution_options(preserve_rowcount=True)
)
_RENEW = (
    update(leases)
    .where(and_(leases.c.name == bindparam("the_name"), leases.c.epoch == bindparam("the_epoch")))
    .values(until=_UNTIL)
    .execution_options(preserve_rowcount=True)
)
_IS_HELD = select(leases.c.name).where(
    and_(leases.c.name == bindparam("the_name"), leases.c.until >= db_now(), leases.c.until <= db_now(LEAP))
)
_HOLDS = (
    update(leases)
    .where(
        and_(
            leases.c.name == bindparam("the_name"),
            leases.c.epoch == bindparam("the_epoch"),
            leases.c.until >= db_now(),
        )
    )
    .values(until=leases.c.until)
    .execution_options(preserve_rowcount=True)
)


def take(conn: Connection, name: str, *, owner: str, lease_ms: int) -> int | None:
    """The epoch under which the lease is ours for ``lease_ms``, or None while somebody else holds it."""
    return conn.execute(
        _TAKE[conn.dialect.name], {"the_name": name, "the_owner": owner, "lease_us": lease_ms * 1000}
    ).scalar_one_or_none()


def end(conn: Connection, name: str) -> None:
    """End a lease whoever holds it: for hints that have done their work."""
    conn.execute(_END, {"the_name": name, "lease_us": -1})


def end_all(conn: Connection, *, owner: str) -> int:
    """End every lease of a process that ends; returns how many."""
    return conn.execute(_END_ALL, {"the_owner": owner, "lease_us": -1}).rowcount


def forget_ended(conn: Connection, kinds: Sequence[str], before: datetime, limit: int) -> int:
    """Delete up to ``limit`` leases of these kinds (their names up to the colon) that ended before ``before``."""
    of_kind = or_(*(leases.c.name.startswith(f"{kind}:", autoescape=True) for kind in kinds))
    names = conn.execute(select(leases.c.name).where(of_kind, leases.c.until < before).limit(limit)).scalars().all()
    return conn.execute(delete(leases).where(leases.c.name.in_(names), leases.c.until < before)).rowcount


def holds(conn: Connection, name: str, epoch: int) -> bool:
    """Whether the lease is still held under ``epoch``; keeps others from taking it until the transaction ends."""
    return conn.execute(_HOLDS, {"the_name": name, "the_epoch": epoch}).rowcount == 1


def is_held(conn: Connection, name: str) -> bool:
    """Whether anybody holds it now; by the time that this is read it may be over."""
    return conn.execute(_IS_HELD, {"the_name": name}).first() is not None


def renew(conn: Connection, name: str, epoch: int, lease_ms: int) -> bool:
    """Extend a lease that is still ours; False when somebody else has taken it over."""
    parameters = {"the_name": name, "the_epoch": epoch, "lease_us": lease_ms * 1000}
    return conn.execute(_RENEW, parameters).rowcount == 1


def give_back(conn: Connection, name: str, epoch: int) -> None:
    """End a lease early; nothing happens when it is no longer ours."""
    conn.execute(_GIVE_BACK, {"the_name": name, "the_epoch": epoch, "lease_us": -1})
