"""Reading the books: balances per asset, what an order holds, whether an account has books."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from sqlalchemy import Connection, bindparam, select

from accounting.legs import OWNED, AccountKind
from models.money import ZERO, add
from storage.ledger_tables import ledger_accounts, order_holds, venue_accounts


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """One asset of one venue account, as our books have it."""

    venue: str
    account: str
    asset: str
    #: what the venue should say we have: held + available, and suspense where the venue's word went beyond them
    total: Decimal
    held: Decimal
    available: Decimal


def balances(conn: Connection, venue: str | None = None, account: str | None = None) -> list[Balance]:
    """Every asset that the books know, by venue, account and asset; narrowed to a venue or an account."""
    query = _OWNED_BY[venue is not None, account is not None]
    found: dict[tuple[str, str, str], dict[AccountKind, Decimal]] = {}
    for row in conn.execute(query, {"of_venue": venue, "of_account": account}):
        found.setdefault((row.venue, row.account, row.asset), {})[row.kind] = row.balance
    return [
        Balance(
            venue=at[0],
            account=at[1],
            asset=at[2],
            total=add(add(kinds[AccountKind.AVAILABLE], kinds[AccountKind.HOLD]), kinds[AccountKind.SUSPENSE]),
            held=kinds[AccountKind.HOLD],
            available=kinds[AccountKind.AVAILABLE],
        )
        for at, kinds in found.items()
    ]


def owned_of(
    conn: Connection, *, venue: str | None = None, account: str | None = None, asset: str | None = None
) -> dict[tuple[str, str, str], Decimal]:
    """The total of each (venue, account, asset) that the books know, narrowed to what is named."""
    query = _OWNED
    for column, value in (("venue", venue), ("account", account), ("asset", asset)):
        if value is not None:
            query = query.where(ledger_accounts.c[column] == value)
    found: dict[tuple[str, str, str], Decimal] = {}
    for row in conn.execute(query):
        place = (row.venue, row.account, row.asset)
        found[place] = add(found.get(place, ZERO), row.balance)
    return found


def held_for(conn: Connection, order_id: str) -> dict[str, Decimal]:
    """What is left of an order's holds, by asset; an asset whose hold is used up is not listed."""
    return {row.asset: row.amount for row in conn.execute(_HELD, {"held_by": order_id}) if row.amount != ZERO}


def is_opened(conn: Connection, venue: str, account: str) -> bool:
    """Whether the account's balances were taken over."""
    return opened_at(conn, venue, account) is not None


def opened_at(conn: Connection, venue: str, account: str) -> datetime | None:
    """When the account's balances were taken over; None where they were not."""
    found: datetime | None = conn.execute(_OPENED, {"of_venue": venue, "of_account": account}).scalar_one_or_none()
    return found


_OF_VENUE = ledger_accounts.c.venue == bindparam("of_venue")
_OF_ACCOUNT = ledger_accounts.c.account == bindparam("of_account")
_OWNED = (
    select(
        ledger_accounts.c.venue,
        ledger_accounts.c.account,
        ledger_accounts.c.asset,
        ledger_accounts.c.kind,
        ledger_accounts.c.balance,
    )
    .where(ledger_accounts.c.kind.in_(sorted(OWNED)))
    .order_by(ledger_accounts.c.venue, ledger_accounts.c.account, ledger_accounts.c.asset)
)
#: whether it is narrowed to a venue and to an account → the query
_OWNED_BY = {
    (False, False): _OWNED,
    (True, False): _OWNED.where(_OF_VENUE),
    (False, True): _OWNED.where(_OF_ACCOUNT),
    (True, True): _OWNED.where(_OF_VENUE, _OF_ACCOUNT),
}
_HELD = (
    select(ledger_accounts.c.asset, order_holds.c.amount)
    .join(ledger_accounts, ledger_accounts.c.id == order_holds.c.account_id)
    .where(order_holds.c.order_id == bindparam("held_by"))
)
_OPENED = select(venue_accounts.c.opened_at).where(
    venue_accounts.c.venue == bindparam("of_venue"), venue_accounts.c.account == bindparam("of_account")
)
