"""The books' operations. Each takes a connection inside ``storage.engine.write`` and the time that it is posted at.

What we initiate can be refused for want of funds; a venue's fill never. Every operation may be repeated: a key that
is in the books with the same content posts nothing, with other content it raises.

Locks are taken in one order everywhere: the order's row first, then accounts. A transaction that posts over several
assets calls ``lock_accounts`` for all of them first, or is begun again after ``storage.engine.is_conflict``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from sqlalchemy import Connection, bindparam, func, select, text

from accounting.fills import FillPosting, Funds, Shortfall, fill_legs
from accounting.legs import AccountKind, AccountRef, Leg
from models.money import ZERO, plain
from models.reports import VenueBalance
from storage.ledger_invariants import invariants
from storage.ledger_posting import EntryConflict, Locked, NewEntry, find_same, lock_accounts, post
from storage.ledger_reads import Balance, balances, held_for, is_opened
from storage.ledger_tables import EntryKind, ledger_accounts, ledger_entries, order_holds
from storage.types import Timestamp

__all__ = [
    "FILL_KINDS",
    "Balance",
    "EntryConflict",
    "FillConflict",
    "FillPosting",
    "InsufficientFunds",
    "PostedFill",
    "Released",
    "Shortfall",
    "adopt_deposit",
    "balances",
    "held_for",
    "invariants",
    "is_opened",
    "lock_accounts",
    "open_venue_account",
    "place_hold",
    "post_fill",
    "release_hold",
]

_AVAILABLE, _HOLD, _EXTERNAL, _SUSPENSE = (
    AccountKind.AVAILABLE,
    AccountKind.HOLD,
    AccountKind.EXTERNAL,
    AccountKind.SUSPENSE,
)
#: the accounts that a fill, whatever it is, may touch in each of its assets
FILL_KINDS = (_AVAILABLE, _HOLD, AccountKind.CLEARING, AccountKind.FEE, _SUSPENSE)


class InsufficientFunds(Exception):
    """The books have less than is needed. Nothing was posted."""

    def __init__(self, *, asset: str, needed: Decimal, available: Decimal) -> None:
        super().__init__(f"{plain(needed)} {asset} are needed and {plain(available)} {asset} are available")
        self.asset = asset
        self.needed = needed
        self.available = available


class FillConflict(EntryConflict):
    """A trade that is in the books was told again with other content: a critical break, never skipped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Released:
    """What went back from an order's hold, by asset; empty where nothing was left."""

    amounts: dict[str, Decimal]


@dataclass(frozen=True, slots=True, kw_only=True)
class PostedFill:
    entry_id: int
    #: False: this trade was in the books already
    new: bool
    #: what the books could not cover; alert on each of them as critical
    shortfalls: tuple[Shortfall, ...]


def open_venue_account(
    conn: Connection, venue: str, account: str, venue_balances: Iterable[VenueBalance], *, at: datetime
) -> bool:
    """Take over a venue account's balances as opening entries; False when that was done before, and nothing changes.

    What is locked there now is held as ``foreign``: by orders that aren't ours.
    """
    if (
        conn.execute(_OPEN[conn.dialect.name], {"venue": venue, "account": account, "opened_at": at}).one_or_none()
        is None
    ):
        return False
    found = {balance.asset: balance for balance in venue_balances if balance.free != 0 or balance.used != 0}
    if not found:
        return True
    accounts = lock_accounts(conn, venue, account, found, (_AVAILABLE, _HOLD, _EXTERNAL, _SUSPENSE))
    for asset, balance in sorted(found.items()):
        # A venue that says "below zero" is booked as it says, where a person sees it.
        sides = (
            (_AVAILABLE if balance.free > 0 else _SUSPENSE, balance.free),
            (_HOLD if balance.used > 0 else _SUSPENSE, balance.used),
        )
        entry = NewEntry(
            key=f"open:{venue}:{account}:{asset}",
            kind=EntryKind.OPENING,
            order_id=None,
            detail={"free": plain(balance.free), "used": plain(balance.used)},
            legs=[_in_or_out(asset, kind, amount) for kind, amount in sides if amount != 0],
        )
        post(conn, entry, accounts, at=at)
    return True


def place_hold(
    conn: Connection,
    *,
    order_id: str,
    venue: str,
    account: str,
    asset: str,
    amount: Decimal,
    at: datetime,
    key: str | None = None,
) -> None:
    """Move ``amount`` from what is available to the order's hold. Raises InsufficientFunds.

    ``key`` defaults to one hold per order and asset; an amendment that needs more names its own.
    """
    entry = NewEntry(
        key=key or f"hold:{order_id}:{asset}",
        kind=EntryKind.HOLD,
        order_id=order_id,
        detail={"venue": venue, "account": account, "asset": asset, "amount": plain(amount)},
        legs=[Leg(debit=AccountRef(asset, _HOLD), credit=AccountRef(asset, _AVAILABLE), amount=amount)],
    )
    accounts = lock_accounts(conn, venue, account, (asset,), (_AVAILABLE, _HOLD))
    _require(conn, entry, accounts, asset, amount)
    post(conn, entry, accounts, at=at)


def release_hold(conn: Connection, *, order_id: str, at: datetime) -> Released:
    """Move whatever is left of the order's holds back to available. Doing it again releases nothing."""
    places = conn.execute(_HELD_WHERE, {"held_by": order_id}).all()
    if not places:
        return Released(amounts={})
    (venue, account), *others = {(place.venue, place.account) for place in places}
    if others:
        raise ValueError(f"order {order_id} holds at several venue accounts: an order has one")
    accounts = lock_accounts(conn, venue, account, {place.asset for place in places}, (_AVAILABLE, _HOLD))
    left = {asset: amount for asset, amount in held_for(conn, order_id).items() if amount > 0}
    if left:
        number = conn.execute(_RELEASES, {"released_order": order_id}).scalar_one() + 1
        entry = NewEntry(
            key=f"hold-release:{order_id}:{number}",
            kind=EntryKind.RELEASE,
            order_id=order_id,
            detail={asset: plain(amount) for asset, amount in left.items()},
            legs=[
                Leg(debit=AccountRef(asset, _AVAILABLE), credit=AccountRef(asset, _HOLD), amount=amount)
                for asset, amount in sorted(left.items())
            ],
        )
        post(conn, entry, accounts, at=at)
    return Released(amounts=left)


def post_fill(conn: Connection, fill: FillPosting, *, at: datetime) -> PostedFill:
    """Book a trade, whatever the books hold. Raises FillConflict when it was booked with other content."""
    accounts = lock_accounts(conn, fill.venue, fill.account, fill.assets, FILL_KINDS)
    held = held_for(conn, fill.order_id)
    funds = {
        asset: Funds(held=held.get(asset, ZERO), available=accounts[AccountRef(asset, _AVAILABLE)].balance)
        for asset in fill.assets
    }
    booked = fill_legs(fill, funds)
    entry = NewEntry(key=fill.key, kind=EntryKind.FILL, order_id=fill.order_id, detail=fill.content(), legs=booked.legs)
    try:
        posted = post(conn, entry, accounts, at=at)
    except EntryConflict as conflict:
        raise FillConflict(conflict.key, conflict.existing, conflict.posted) from None
    return PostedFill(entry_id=posted.entry_id, new=posted.new, shortfalls=booked.shortfalls if posted.new else ())


def adopt_deposit(
    conn: Connection, *, venue: str, account: str, asset: str, amount: Decimal, key: str, at: datetime
) -> int:
    """Book what came from outside (or, below zero, left to it); returns the entry's id.

    Only with nothing in flight on the asset, see DESIGN. Raises InsufficientFunds for a withdrawal above available.
    """
    entry = NewEntry(
        key=key,
        kind=EntryKind.DEPOSIT,
        order_id=None,
        detail={"venue": venue, "account": account, "asset": asset, "amount": plain(amount)},
        legs=[_in_or_out(asset, _AVAILABLE, amount)],
    )
    accounts = lock_accounts(conn, venue, account, (asset,), (_AVAILABLE, _EXTERNAL))
    if amount < 0:
        _require(conn, entry, accounts, asset, amount.copy_abs())
    return post(conn, entry, accounts, at=at).entry_id


def _in_or_out(asset: str, kind: AccountKind, amount: Decimal) -> Leg:
    """From the world outside to one of our accounts, or the other way where the amount is below zero."""
    ours, outside = AccountRef(asset, kind), AccountRef(asset, _EXTERNAL)
    if amount > 0:
        return Leg(debit=ours, credit=outside, amount=amount)
    return Leg(debit=outside, credit=ours, amount=amount.copy_abs())


def _require(conn: Connection, entry: NewEntry, accounts: Locked, asset: str, amount: Decimal) -> None:
    """Refuse an entry that available can't pay, unless it is in the books already."""
    available = accounts[AccountRef(asset, _AVAILABLE)].balance
    if available < amount and find_same(conn, entry) is None:
        raise InsufficientFunds(asset=asset, needed=amount, available=available)


_OPEN = {
    "postgresql": text(
        "INSERT INTO venue_accounts (venue, account, opened_at) VALUES (:venue, :account, :opened_at) "
        "ON CONFLICT DO NOTHING RETURNING venue"
    ).bindparams(bindparam("opened_at", type_=Timestamp())),
    "sqlite": text(
        "INSERT INTO venue_accounts (venue, account, opened_at) SELECT :venue, :account, :opened_at "
        "WHERE NOT EXISTS (SELECT 1 FROM venue_accounts WHERE venue = :venue AND account = :account) RETURNING venue"
    ).bindparams(bindparam("opened_at", type_=Timestamp())),
}

_HELD_WHERE = (
    select(ledger_accounts.c.venue, ledger_accounts.c.account, ledger_accounts.c.asset)
    .join(order_holds, order_holds.c.account_id == ledger_accounts.c.id)
    .where(order_holds.c.order_id == bindparam("held_by"), order_holds.c.amount != ZERO)
)
_RELEASES = (
    select(func.count())
    .select_from(ledger_entries)
    .where(ledger_entries.c.order_id == bindparam("released_order"), ledger_entries.c.kind == EntryKind.RELEASE)
)
