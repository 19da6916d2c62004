"""Corrections of the books because of breaks: the entry, and the row that says why and counts against the day's cap."""

from datetime import datetime, timedelta
from decimal import Decimal

from sqlalchemy import Connection, insert, select

from accounting.correction import correction_legs
from accounting.legs import AccountKind, AccountRef, Leg
from models.money import ZERO, add, plain
from storage.breaks import Break
from storage.ledger_posting import Locked, NewEntry, lock_accounts, post
from storage.ledger_tables import EntryKind
from storage.movements import note_unexplained
from storage.reconciliation_tables import corrections

#: what a correction may touch in its asset
CORRECTION_KINDS = (AccountKind.AVAILABLE, AccountKind.HOLD, AccountKind.EXTERNAL, AccountKind.SUSPENSE)

A_DAY = timedelta(hours=24)


def lock_for_correction(conn: Connection, venue: str, account: str, assets: list[str]) -> Locked:
    return lock_accounts(conn, venue, account, assets, CORRECTION_KINDS)


def owned(locked: Locked, asset: str) -> Decimal:
    """Our total of an asset, from its locked accounts."""
    kinds = (AccountKind.AVAILABLE, AccountKind.HOLD, AccountKind.SUSPENSE)
    total = ZERO
    for kind in kinds:
        total = add(total, locked[AccountRef(asset, kind)].balance)
    return total


def corrected_within_a_day(conn: Connection, venue: str, account: str, asset: str, now: datetime) -> Decimal:
    """What was corrected by itself in an asset in the last 24 hours, signs left out."""
    query = select(corrections.c.amount).where(
        corrections.c.venue == venue,
        corrections.c.account == account,
        corrections.c.asset == asset,
        corrections.c.posted_at > now - A_DAY,
        corrections.c.automatic == 1,
    )
    total = ZERO
    for amount in conn.execute(query).scalars():
        total = add(total, amount.copy_abs())
    return total


def post_correction(
    conn: Connection,
    found: Break,
    asset: str,
    amount: Decimal,
    locked: Locked,
    *,
    by: str,
    reason: str,
    automatic: bool,
    now: datetime,
) -> int:
    """Add ``amount``, which is not zero, to what our books own of an asset; returns the entry's id.

    Once per break: the entry's key is the break's, and the same again posts nothing.
    """
    legs = correction_legs(
        asset,
        amount,
        available=locked[AccountRef(asset, AccountKind.AVAILABLE)].balance,
        suspense=locked[AccountRef(asset, AccountKind.SUSPENSE)].balance,
        explained=not automatic,
    )
    return _post(conn, found, asset, amount, legs, locked, by=by, reason=reason, automatic=automatic, now=now)


def release_suspense(
    conn: Connection, found: Break, asset: str, amount: Decimal, locked: Locked, *, by: str, reason: str, now: datetime
) -> int | None:
    """Make available what a correction by itself put into suspense, as far as it still is there; None where it is not."""
    waiting = locked[AccountRef(asset, AccountKind.SUSPENSE)].balance
    free = min(amount, waiting)
    if free <= 0:
        return None
    leg = Leg(
        debit=AccountRef(asset, AccountKind.AVAILABLE), credit=AccountRef(asset, AccountKind.SUSPENSE), amount=free
    )
    return _post(conn, found, asset, ZERO, (leg,), locked, by=by, reason=reason, automatic=False, now=now)


def _post(
    conn: Connection,
    found: Break,
    asset: str,
    amount: Decimal,
    legs: tuple[Leg, ...],
    locked: Locked,
    *,
    by: str,
    reason: str,
    automatic: bool,
    now: datetime,
) -> int:
    what = "correction" if amount != 0 else "release"
    entry = NewEntry(
        key=f"{what}:{found.id}",
        kind=EntryKind.CORRECTION,
        order_id=None,
        detail={
            "venue": found.venue,
            "account": found.account,
            "asset": asset,
            "amount": plain(amount),
            "break": found.id,
            "by": by,
            "reason": reason,
        },
        legs=legs,
    )
    posted = post(conn, entry, locked, at=now)
    if posted.new:
        row = {
            "break_id": found.id,
            "entry_id": posted.entry_id,
            "venue": found.venue,
            "account": found.account,
            "asset": asset,
            "amount": amount,
            "automatic": int(automatic),
            "posted_by": by,
            "reason": reason,
            "posted_at": now,
        }
        conn.execute(insert(corrections), row)
        if amount != 0:  # a deposit that the venue tells of later is not booked a second time
            note_unexplained(
                conn, posted.entry_id, venue=found.venue, account=found.account, asset=asset, amount=amount, at=now
            )
    return posted.entry_id
