"""Booking what came into a venue account or left it, once by the venue's id; and what was taken over before it was told.

A rise that an order needed is taken over before its reason is known (``adopt_deposit``), and a correction does likewise. When the venue's own list tells of
the deposit later, as much of it as was taken over is not booked a second time: ``unexplained_moves`` remembers. Only a
movement that had begun by then can be the reason; in doubt less is booked, and the rest shows as a rise again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from sqlalchemy import Connection, bindparam, insert, select, update

from accounting.fills import Shortfall
from accounting.legs import AccountKind, AccountRef
from accounting.movements import MOVEMENT_KINDS, Explained, movement_legs, returned_legs
from models.money import ZERO, add, plain, subtract
from models.movement import Movement, MovementStatus
from storage.ledger_posting import Locked, NewEntry, find_same, lock_accounts, post
from storage.ledger_tables import EntryKind, ledger_entries, venue_accounts
from storage.movement_tables import unexplained_moves
from storage.types import Timestamp

#: how far the venue's clock, by which a movement began, may be ahead of ours, by which it was taken over
CLOCKS_DIFFER_BY = timedelta(seconds=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class PostedMovement:
    #: None: nothing is booked for it
    entry_id: int | None
    #: False: it was in the books already, or is none of theirs
    new: bool
    #: what was in the books as an unexplained rise or fall, in the movement's sign
    explained: Decimal = ZERO
    #: what the books could not cover: alert on it as critical
    shortfall: Shortfall | None = None


NOTHING = PostedMovement(entry_id=None, new=False)


def opened_at(conn: Connection, venue: str, account: str) -> datetime | None:
    """When the account's balances were taken over; None: it has no books."""
    at: datetime | None = conn.execute(_OPENED, {"of_venue": venue, "of_account": account}).scalar_one_or_none()
    return at


def post_movement(conn: Connection, venue: str, account: str, movement: Movement, *, at: datetime) -> PostedMovement:
    """Book a movement, whatever the books hold; doing it again books nothing.

    One from before the books were opened is in the opening. A withdrawal that fails after it was booked is booked back.
    Raises EntryConflict when it was booked with other content.
    """
    opened = opened_at(conn, venue, account)
    if opened is None or movement.is_before(opened):
        return NOTHING
    accounts = lock_accounts(conn, venue, account, (movement.asset,), MOVEMENT_KINDS)
    entry = _entry(venue, account, movement)
    known = find_same(conn, entry)
    if known is not None:
        return _after_booking(conn, entry, movement, accounts, known, at)
    if not movement.counts:
        return NOTHING
    explained = _explain(conn, venue, account, movement)
    booked = movement_legs(
        movement,
        available=accounts[AccountRef(movement.asset, AccountKind.AVAILABLE)].balance,
        suspense=accounts[AccountRef(movement.asset, AccountKind.SUSPENSE)].balance,
        explained=explained,
    )
    posted = post(conn, replace(entry, legs=booked.legs), accounts, at=at)
    return PostedMovement(entry_id=posted.entry_id, new=True, explained=explained.total, shortfall=booked.shortfall)


def note_unexplained(
    conn: Connection, entry_id: int, *, venue: str, account: str, asset: str, amount: Decimal, at: datetime
) -> None:
    """Remember that an entry took over a rise (above zero) or fall whose reason the venue has not told yet."""
    values = {
        "entry_id": entry_id,
        "venue": venue,
        "account": account,
        "asset": asset,
        "amount": amount,
        "unexplained": amount,
        "taken_at": at,
    }
    conn.execute(insert(unexplained_moves), values)


def unexplained(conn: Connection, venue: str, account: str, asset: str) -> Decimal:
    """What was taken over of an asset and no movement has explained: rises less falls."""
    total = ZERO
    for row in conn.execute(_UNEXPLAINED, {**_place(venue, account, asset), "begun": _EVER}):
        total = add(total, row.unexplained)
    return total


def _after_booking(
    conn: Connection, entry: NewEntry, movement: Movement, accounts: Locked, known: int, at: datetime
) -> PostedMovement:
    if movement.status is not MovementStatus.FAILED or movement.amount > 0:
        return PostedMovement(entry_id=known, new=False)
    back = NewEntry(
        key=f"{entry.key}:returned",
        kind=entry.kind,
        order_id=None,
        detail={**entry.detail, "returned": True},
        legs=returned_legs(movement),
    )
    posted = post(conn, back, accounts, at=at)
    return PostedMovement(entry_id=posted.entry_id, new=posted.new)


def _explain(conn: Connection, venue: str, account: str, movement: Movement) -> Explained:
    """Take the movement off what was taken over unexplained, the oldest first; returns how much, in its sign."""
    left, adopted, corrected = movement.amount, ZERO, ZERO
    rows = conn.execute(
        _UNEXPLAINED, {**_place(venue, account, movement.asset), "begun": movement.begun_at - CLOCKS_DIFFER_BY}
    ).all()
    for row in rows:
        if left == 0 or (row.unexplained > 0) != (left > 0):
            continue
        part = min(row.unexplained, left) if left > 0 else max(row.unexplained, left)
        conn.execute(_EXPLAIN, {"of_entry": row.entry_id, "rest": subtract(row.unexplained, part)})
        left = subtract(left, part)
        if row.kind is EntryKind.CORRECTION:
            corrected = add(corrected, part)
        else:
            adopted = add(adopted, part)
    return Explained(adopted=adopted, corrected=corrected)


def _entry(venue: str, account: str, movement: Movement) -> NewEntry:
    detail: Mapping[str, str] = {
        "venue": venue,
        "account": account,
        "movement": movement.kind.value,
        "id": movement.venue_id,
        "asset": movement.asset,
        "amount": plain(movement.amount),
        "fee": plain(movement.fee),
    }
    key = f"movement:{venue}:{account}:{movement.kind.value}:{movement.venue_id}"
    return NewEntry(key=key, kind=EntryKind.DEPOSIT, order_id=None, detail=detail, legs=())


def _place(venue: str, account: str, asset: str) -> dict[str, str]:
    return {"of_venue": venue, "of_account": account, "of_asset": asset}


_EVER = datetime(1970, 1, 1, tzinfo=UTC)
_OPENED = select(venue_accounts.c.opened_at).where(
    venue_accounts.c.venue == bindparam("of_venue"), venue_accounts.c.account == bindparam("of_account")
)
_UNEXPLAINED = (
    select(unexplained_moves.c.entry_id, unexplained_moves.c.unexplained, ledger_entries.c.kind)
    .join(ledger_entries, ledger_entries.c.id == unexplained_moves.c.entry_id)
    .where(
        unexplained_moves.c.venue == bindparam("of_venue"),
        unexplained_moves.c.account == bindparam("of_account"),
        unexplained_moves.c.asset == bindparam("of_asset"),
        unexplained_moves.c.unexplained != ZERO,
        unexplained_moves.c.taken_at >= bindparam("begun", type_=Timestamp()),
    )
    .order_by(unexplained_moves.c.taken_at, unexplained_moves.c.entry_id)
)
_EXPLAIN = (
    update(unexplained_moves)
    .where(unexplained_moves.c.entry_id == bindparam("of_entry"))
    .values(unexplained=bindparam("rest", type_=unexplained_moves.c.unexplained.type))
)
