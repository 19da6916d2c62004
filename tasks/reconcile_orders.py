"""Open orders are compared every minute: a look per account, and a run of two more only where something differs."""

import secrets
import threading
from uuid import uuid4

from sqlalchemy import Connection

from exchanges.evidence import VenueError
from models.ids import ORDER_ID_RANDOM_BYTES, order_id
from models.reconciliation import RunScope
from models.vocabulary import Mode
from storage.breaks import newest_break
from storage.engine import read, write
from storage.leases import end, give_back, take
from storage.reconciliation_facts import places_with_live_orders
from storage.reconciliations import begin_run, run_account
from storage.venue_states import closed_until
from tasks.app import app
from tasks.heartbeat import heartbeat_of
from tasks.outcomes import MovedOn
from tasks.queues import VENUE
from tasks.reads import note_failed_read
from tasks.reconcile import announce
from tasks.reconcile_look import Look, look_at
from tasks.runtime import Runtime
from tasks.step import step

#: A hint that is not taken up within this time is given again; one behind a busy venue has younger ones behind it.
HINT_MS = 60_000
HINT_EXPIRES_S = 60


def compare_all(runtime: Runtime) -> str:
    """Start one comparison for each venue account with live orders of ours."""
    with read(runtime.engine) as conn:
        places = places_with_live_orders(conn)
    for venue, account in places:
        with write(runtime.engine) as conn:
            hint = take(conn, _hint(venue, account), owner=f"{runtime.owner}:{uuid4()}", lease_ms=HINT_MS)
        if hint is not None:
            kwargs = {"venue": venue, "account": account}
            app.send_task(
                "accounts.compare_orders",
                kwargs=kwargs,
                queue=VENUE,
                expires=HINT_EXPIRES_S,
                ignore_result=True,
                retry=False,
            )
    return f"{len(places)} accounts with live orders"


def compare_orders(runtime: Runtime, *, venue: str, account: str) -> str:
    """One look at the open orders of one account; what differs begins a run, whose two looks decide."""
    configured = runtime.settings.venues.get(venue)
    if configured is None or account not in configured.accounts or configured.mode is Mode.DRY_RUN:
        return "nothing to compare"
    name = f"compare:{venue}:{account}"
    with write(runtime.engine) as conn:
        owner = f"{runtime.owner}:{threading.get_ident()}"
        epoch = take(conn, name, owner=owner, lease_ms=runtime.settings.execution.lease_ms)
        closed = closed_until(conn, venue, account)
    if epoch is None:
        return MovedOn("somebody else is comparing")
    try:
        if closed is not None and closed > runtime.now():
            return f"{venue} wants to be left alone until {closed:%H:%M:%S}"
        with heartbeat_of(runtime).keeping_lease(name, epoch):
            look = look_at(runtime, runtime.gateways.get(venue, account), RunScope.ORDERS)
        return _begin(runtime, venue, account, look)
    except VenueError as error:
        note_failed_read(runtime, venue, account, error)
        return f"the venue could not be asked: {error.message}"
    finally:
        with write(runtime.engine) as conn:
            give_back(conn, name, epoch)
            end(conn, _hint(venue, account))


def _begin(runtime: Runtime, venue: str, account: str, look: Look) -> str:
    now = runtime.now()
    with write(runtime.engine) as conn:
        unknown = [one for one in look.orders if not _is_on_record(conn, venue, account, f"order:{one.key}")]
        if not unknown:
            return f"{look.figures['open_orders']} open orders, and nothing new differs"
        run_id = new_run_id(runtime)
        begin_run(conn, run_id, RunScope.ORDERS, [(venue, account)], by="beat", now=now, due_at=now)
        seen = run_account(conn, run_id, venue, account)
        assert seen is not None
        announce(conn, seen, now, now)
    return f"{len(unknown)} orders differ: run {run_id} looks twice"


def _is_on_record(conn: Connection, venue: str, account: str, key: str) -> bool:
    """A break that stands, or that a person has decided on, is not found anew each minute."""
    return newest_break(conn, venue, account, key) is not None


def new_run_id(runtime: Runtime) -> str:
    return order_id(runtime.now(), secrets.token_bytes(ORDER_ID_RANDOM_BYTES))


def _hint(venue: str, account: str) -> str:
    return f"hint:compare:{venue}:{account}"


compare_all_task = step("orders.compare_all")(compare_all)
compare_orders_task = step("accounts.compare_orders")(compare_orders)
