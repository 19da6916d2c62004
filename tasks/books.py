"""Taking a venue account's balances into our books: once at first use, and when a deposit has come in."""

import threading
import time
from decimal import Decimal

import structlog
from sqlalchemy import Connection, func, or_, select

from exchanges.evidence import Evidence, VenueError
from failpoints import failpoint
from models.money import ZERO, plain, subtract
from models.transitions import CHILD_LIVE
from storage import leases
from storage.engine import read, write
from storage.fills import last_booked_at
from storage.ledger import adopt_deposit, balances, is_opened, open_venue_account
from storage.movements import note_unexplained
from storage.order_tables import child_orders, orders
from tasks.ending import add_up
from tasks.heartbeat import heartbeat_of
from tasks.movements import book_what_is_told
from tasks.runtime import Runtime

log = structlog.get_logger()

#: How long another process is waited for that opens the books at this moment.
OPENING_PATIENCE_S = 3.0

_LIVE = [status.value for status in CHILD_LIVE]


def ensure_books_open(runtime: Runtime, venue: str, account: str) -> None:
    """Take over the balances of a venue account that our books do not know yet. Raises VenueError."""
    if (venue, account) in runtime.open_books:
        return
    give_up_at = time.monotonic() + OPENING_PATIENCE_S
    while not _is_open(runtime, venue, account):
        if _open(runtime, venue, account):
            break
        if time.monotonic() > give_up_at:
            raise VenueError(Evidence.AMBIGUOUS, "another process is taking over the account's balances")
        time.sleep(0.05)
    runtime.open_books.add((venue, account))


def _is_open(runtime: Runtime, venue: str, account: str) -> bool:
    with read(runtime.engine) as conn:
        return is_opened(conn, venue, account)


def _open(runtime: Runtime, venue: str, account: str) -> bool:
    name, epoch = _take(runtime, venue, account)
    if epoch is None:
        return False
    try:
        with heartbeat_of(runtime).keeping_lease(name, epoch):
            found = runtime.gateways.get(venue, account).balances()
        failpoint("books.read")
        with write(runtime.engine) as conn:
            if not leases.holds(conn, name, epoch):
                return False
            open_venue_account(conn, venue, account, found, at=runtime.now())
            failpoint("books.opened")
        return True
    finally:
        _give_back(runtime, name, epoch)


def adopt_deposit_if_any(runtime: Runtime, venue: str, account: str, asset: str) -> str:
    """Ask the venue once whether it has more of an asset than our books, and take that over if nothing blurs it.

    Returns what was found, as the end of a sentence. Raises VenueError.
    """
    name, epoch = _take(runtime, venue, account)
    if epoch is None:
        return "the account's balances are being read for another order"
    try:
        with read(runtime.engine) as conn:
            if _in_motion(conn, venue, account, asset):
                return "the venue was not asked for a deposit, since other orders move that asset now"
            booked = last_booked_at(conn, venue, account)
        with heartbeat_of(runtime).keeping_lease(name, epoch):
            found = {balance.asset: balance.total for balance in runtime.gateways.get(venue, account).balances()}
        theirs = found.get(asset, ZERO)
        if theirs > total_of(runtime, venue, account, asset):
            # What the venue's own lists explain is booked by its id; only the rest is taken over unexplained.
            book_what_is_told(runtime, venue, account)
        now = runtime.now()
        with write(runtime.engine) as conn:
            blurred = _in_motion(conn, venue, account, asset) or last_booked_at(conn, venue, account) != booked
            if blurred or not leases.holds(conn, name, epoch):
                return "the venue's balance moved while it was read"
            ours = add_up(held.total for held in balances(conn, venue, account) if held.asset == asset)
            if theirs <= ours:
                return f"the venue has {plain(theirs)} {asset} in all"
            amount = subtract(theirs, ours)
            key = f"deposit:{venue}:{account}:{asset}:{epoch}:{now.isoformat()}"
            entry_id = adopt_deposit(conn, venue=venue, account=account, asset=asset, amount=amount, key=key, at=now)
            note_unexplained(conn, entry_id, venue=venue, account=account, asset=asset, amount=amount, at=now)
        log.info("a deposit was taken over", venue=venue, account=account, asset=asset, amount=plain(amount))
        return f"a deposit of {plain(amount)} {asset} was taken over"
    finally:
        _give_back(runtime, name, epoch)


def total_of(runtime: Runtime, venue: str, account: str, asset: str) -> Decimal:
    """What our books have of an asset in all."""
    with read(runtime.engine) as conn:
        return add_up(held.total for held in balances(conn, venue, account) if held.asset == asset)


def _in_motion(conn: Connection, venue: str, account: str, asset: str) -> bool:
    """Whether anything of ours that moves the asset may be live at the venue."""
    statement = (
        select(func.count())
        .select_from(child_orders.join(orders, orders.c.id == child_orders.c.order_id))
        .where(
            child_orders.c.venue == venue,
            child_orders.c.account == account,
            child_orders.c.status.in_(_LIVE),
            or_(orders.c.base == asset, orders.c.quote == asset),
        )
    )
    return conn.execute(statement).scalar_one() > 0


def _take(runtime: Runtime, venue: str, account: str) -> tuple[str, int | None]:
    name = f"books:{venue}:{account}"
    owner = f"{runtime.owner}:{threading.get_ident()}"
    with write(runtime.engine) as conn:
        return name, leases.take(conn, name, owner=owner, lease_ms=runtime.settings.execution.lease_ms)


def _give_back(runtime: Runtime, name: str, epoch: int) -> None:
    with write(runtime.engine) as conn:
        leases.give_back(conn, name, epoch)
