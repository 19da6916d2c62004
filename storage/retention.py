"""Retention of small tables: old warnings, and the orders of dry runs that ended long ago."""

from datetime import datetime

from sqlalchemy import Connection, bindparam, delete, exists, func, or_, select, tuple_

from models.reports import VenueStatus
from models.transitions import CHILD_FINAL
from storage.alerts import Severity
from storage.cleanup_records import CleanupRecord
from storage.dry_run_tables import dry_run_orders, dry_run_trades
from storage.order_tables import child_orders
from storage.service_tables import alerts
from storage.types import Timestamp

#: rows that one transaction deletes
BATCH = 1_000

#: A child of ours that is not final, or ended since: what rested for a year and filled today is not old.
_IN_USE = exists().where(
    child_orders.c.venue == dry_run_orders.c.venue,
    child_orders.c.account == dry_run_orders.c.account,
    child_orders.c.venue_client_order_id == dry_run_orders.c.client_order_id,
    or_(
        child_orders.c.status.not_in([status.value for status in CHILD_FINAL]),
        child_orders.c.updated_at >= bindparam("before", type_=Timestamp()),
    ),
)
_KEY = (dry_run_orders.c.venue, dry_run_orders.c.account, dry_run_orders.c.id)


def forget_warnings(conn: Connection, before: datetime, record: CleanupRecord) -> int:
    """Delete a batch of warnings that came last before ``before``; what is critical stays. Returns how many."""
    old = select(alerts.c.id).where(alerts.c.severity == Severity.WARNING.value, alerts.c.last_at < before).limit(BATCH)
    which = alerts.c.id.in_(conn.execute(old).scalars().all())
    oldest, newest = conn.execute(select(func.min(alerts.c.last_at), func.max(alerts.c.last_at)).where(which)).one()
    count = conn.execute(delete(alerts).where(which, alerts.c.last_at < before)).rowcount
    record.removed(conn, "alerts", count, oldest=oldest, newest=newest)
    return count


def forget_dry_runs(conn: Connection, before: datetime, record: CleanupRecord) -> int:
    """Delete a batch of simulated orders that ended, with their trades; returns how many orders.

    What the trades did to the simulated balances stays: those are sums. One whose child of ours is live, or ended since
    ``before``, stays as well.
    """
    ended = dry_run_orders.c.status != VenueStatus.OPEN
    old = select(*_KEY, dry_run_orders.c.created_at).where(ended, dry_run_orders.c.created_at < before, ~_IN_USE)
    found = conn.execute(old.limit(BATCH), {"before": before}).all()
    if not found:
        return 0
    keys = [(row.venue, row.account, row.id) for row in found]
    of = dry_run_trades.c
    trades = conn.execute(delete(dry_run_trades).where(tuple_(of.venue, of.account, of.order_id).in_(keys))).rowcount
    gone = conn.execute(delete(dry_run_orders).where(tuple_(*_KEY).in_(keys))).rowcount
    times = [row.created_at for row in found]
    record.removed(conn, "dry_run_trades", trades)
    record.removed(conn, "dry_run_orders", gone, oldest=min(times), newest=max(times))
    return gone
