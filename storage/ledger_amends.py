"""What an order holds is adjusted to an amendment: raised before anything changes, lowered once it has."""

from datetime import datetime
from decimal import Decimal

from sqlalchemy import Connection

from accounting.legs import AccountKind, AccountRef, Leg
from models.money import ZERO, plain, subtract
from storage.ledger import InsufficientFunds
from storage.ledger_posting import NewEntry, find_same, lock_accounts, post
from storage.ledger_reads import held_for
from storage.ledger_tables import EntryKind

__all__ = ["InsufficientFunds", "lower_hold", "raise_hold"]

_AVAILABLE, _HOLD = AccountKind.AVAILABLE, AccountKind.HOLD


def raise_hold(
    conn: Connection,
    *,
    order_id: str,
    venue: str,
    account: str,
    asset: str,
    to: Decimal,
    amendment_id: int,
    at: datetime,
) -> Decimal:
    """Let the order hold at least ``to``; returns what was added. Once for each amendment: again adds nothing.

    The caller holds the order's lock. Raises InsufficientFunds, and posts nothing, where available has less.
    """
    accounts = lock_accounts(conn, venue, account, (asset,), (_AVAILABLE, _HOLD))
    missing = subtract(to, held_for(conn, order_id).get(asset, ZERO))
    if missing <= 0:
        return ZERO
    entry = NewEntry(
        key=f"hold-raise:{order_id}:{amendment_id}",
        kind=EntryKind.HOLD,
        order_id=order_id,
        detail={"venue": venue, "account": account, "asset": asset, "to": plain(to)},
        legs=[Leg(debit=AccountRef(asset, _HOLD), credit=AccountRef(asset, _AVAILABLE), amount=missing)],
    )
    available = accounts[AccountRef(asset, _AVAILABLE)].balance
    if available < missing and find_same(conn, entry) is None:
        raise InsufficientFunds(asset=asset, needed=missing, available=available)
    return missing if post(conn, entry, accounts, at=at).new else ZERO


def lower_hold(
    conn: Connection,
    *,
    order_id: str,
    venue: str,
    account: str,
    asset: str,
    to: Decimal,
    amendment_id: int,
    at: datetime,
) -> Decimal:
    """Give back what the order holds beyond ``to``; returns how much. Once for each amendment: again gives nothing.

    The caller holds the order's lock.
    """
    accounts = lock_accounts(conn, venue, account, (asset,), (_AVAILABLE, _HOLD))
    spare = subtract(held_for(conn, order_id).get(asset, ZERO), to)
    if spare <= 0:
        return ZERO
    entry = NewEntry(
        key=f"hold-lower:{order_id}:{amendment_id}",
        kind=EntryKind.RELEASE,
        order_id=order_id,
        detail={"venue": venue, "account": account, "asset": asset, "to": plain(to)},
        legs=[Leg(debit=AccountRef(asset, _AVAILABLE), credit=AccountRef(asset, _HOLD), amount=spare)],
    )
    return spare if post(conn, entry, accounts, at=at).new else ZERO
