"""The mode of each venue account: fixed by its first order, since its books are of one kind of money."""

from datetime import datetime

from sqlalchemy import Connection, select

from models.vocabulary import Mode
from storage.dry_run_tables import venue_modes
from storage.upsert import upsert


def bind_mode(conn: Connection, venue: str, account: str, mode: Mode, now: datetime) -> Mode:
    """The account's mode from now on, which is ``mode`` unless it has another one already."""
    values = {"venue": venue, "account": account, "mode": mode, "since": now}
    row = upsert(conn, venue_modes).values(values)
    conn.execute(row.on_conflict_do_nothing(index_elements=["venue", "account"]))
    bound = mode_of(conn, venue, account)
    assert bound is not None
    return bound


def mode_of(conn: Connection, venue: str, account: str) -> Mode | None:
    """None while nothing was ever ordered there."""
    statement = select(venue_modes.c.mode).where(venue_modes.c.venue == venue, venue_modes.c.account == account)
    found: Mode | None = conn.execute(statement).scalar_one_or_none()
    return found


def other_mode(venue: str, account: str, *, bound: Mode, configured: Mode) -> str:
    """The sentence for an account that is configured for another mode than its orders so far had."""
    kind = {Mode.LIVE: "real money", Mode.DRY_RUN: "paper money", Mode.SANDBOX: "a sandbox's play money"}
    return (
        f"{venue}/{account} has orders and books of mode {bound.value} and is configured for {configured.value}: "
        f"{kind[bound]} and {kind[configured]} never share books. Nothing is sent. Put the section [venues.{venue}] back "
        f"to mode {bound.value}, and give the other mode a section with a name of its own, such as "
        f"[venues.{venue}-{configured.value.replace('_', '-')}] with the same ccxt_id"
    )
