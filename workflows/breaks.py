"""A person's decision on a break: the venue is right, an entry of their own, or it may stay. What it froze is free then."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal

from sqlalchemy import Connection

from accounting.legs import AccountKind, AccountRef
from failpoints import failpoint
from models.clock import format_time
from models.errors import Conflict, NotFound, shown
from models.money import ZERO, plain, subtract
from models.reconciliation import BREAK_TRANSITIONS, BreakKind, BreakStatus
from storage import leases
from storage.breaks import Break, close_break, corrections_of, get_break
from storage.engine import read, write
from storage.ledger import InsufficientFunds
from storage.ledger_corrections import lock_for_correction, post_correction, release_suspense
from storage.ledger_posting import Locked
from storage.reconciliation_facts import assets_booked_since, came_or_left_at, motion
from storage.reconciliations import later_look
from tasks.runtime import Runtime

#: A look at an account takes a second or two, and a person who decides meanwhile waits for it; the API answers within 12 s.
LEASE_PATIENCE_S = 4.0
LEASE_PAUSE_S = 0.1

#: what a decision does to the books
Work = Callable[[Connection, Break], None]


class DecidedBefore(Conflict):
    """The break is closed, and in another way."""

    code = "BREAK_DECIDED"


class InMotion(Conflict):
    """Orders of ours may move the asset at this moment: what would be posted could be a fill in disguise."""

    code = "ASSET_IN_MOTION"


class NoLongerStands(Conflict):
    """The difference may be another one by now, or none: what would be posted could be in the books already."""

    code = "BREAK_STALE"


def accept(runtime: Runtime, break_id: str, *, by: str, note: str) -> tuple[Break, bool]:
    """The venue is right: our books become what it said. Returns the break, and whether this call closed it.

    Of an order or a position nothing is posted: it says that a person has dealt with it. Raises Conflict where the
    difference may have become another one since it was seen.
    """

    def work(conn: Connection, found: Break) -> None:
        now = runtime.now()
        if found.kind is not BreakKind.BALANCE or not found.difference:
            return
        asset, locked = _still(conn, runtime, found)
        reason = note or "accepted: the venue is right"
        if found.status is BreakStatus.CORRECTED:
            if found.difference > 0:
                release_suspense(conn, found, asset, found.difference, locked, by=by, reason=reason, now=now)
            return
        _assert_stands(conn, found, asset, found.difference)
        post_correction(conn, found, asset, found.difference, locked, by=by, reason=reason, automatic=False, now=now)

    return _decide(runtime, break_id, BreakStatus.ACCEPTED, work, by=by, note=note)


def post(runtime: Runtime, break_id: str, amount: Decimal, *, by: str, reason: str) -> tuple[Break, bool]:
    """An entry of a person's own: ``amount`` is added to what our books own of the break's asset, below zero taken away.

    Raises Conflict for a break of an order, when more is taken away than is available, and as ``accept`` does.
    """

    def work(conn: Connection, found: Break) -> None:
        if found.kind is not BreakKind.BALANCE:
            what = "an order" if found.kind is BreakKind.ORDER else "a position"
            raise Conflict(
                f"break {break_id} is of {what}: accept or ignore it, and post to the break of the asset's balance"
            )
        asset, locked = _still(conn, runtime, found)
        _assert_stands(conn, found, asset, found.difference or ZERO)
        available = locked[AccountRef(asset, AccountKind.AVAILABLE)].balance
        if amount < 0 and available < amount.copy_abs():
            raise Conflict(str(InsufficientFunds(asset=asset, needed=amount.copy_abs(), available=available)))
        now = runtime.now()
        post_correction(conn, found, asset, amount, locked, by=by, reason=reason, automatic=False, now=now)

    closed, new = _decide(runtime, break_id, BreakStatus.POSTED, work, by=by, note=f"{plain(amount)}: {reason}")
    if not new:
        with read(runtime.engine) as conn:
            posted = [row["amount"] for row in corrections_of(conn, break_id)]
        if posted != [amount]:
            raise DecidedBefore(f"break {break_id} is posted: with {', '.join(map(plain, posted))}. Nothing was done")
    return closed, new


def ignore(runtime: Runtime, break_id: str, *, by: str, note: str) -> tuple[Break, bool]:
    """It may stay: the same difference is not told again, another one is."""
    return _decide(runtime, break_id, BreakStatus.IGNORED, lambda _conn, _found: None, by=by, note=note)


def _decide(
    runtime: Runtime, break_id: str, status: BreakStatus, work: Work, *, by: str, note: str
) -> tuple[Break, bool]:
    with write(runtime.engine) as conn:
        found = get_break(conn, break_id)
    if found is None:
        raise NotFound(f"There is no break {shown(break_id)}. They are listed by `steadfill breaks list --all`.")
    with _lease(runtime, found.venue, found.account) as (name, epoch), write(runtime.engine) as conn:
        if not leases.holds(conn, name, epoch):
            raise InMotion("the account's books went to another process meanwhile; do it again")
        found = get_break(conn, break_id, lock=True)
        assert found is not None
        if found.status is status:
            return found, False
        if status not in BREAK_TRANSITIONS[found.status]:
            raise DecidedBefore(f"break {break_id} is {found.status}: it was decided on before. Nothing was done")
        work(conn, found)
        close_break(conn, found, status, by=by, note=note, now=runtime.now())
        failpoint("reconcile.decided")
        found = get_break(conn, break_id)
        assert found is not None
    return found, True


def _still(conn: Connection, runtime: Runtime, found: Break) -> tuple[str, Locked]:
    """The break's asset and its locked accounts, while no request of ours is on its way and nothing was just booked."""
    assert found.asset is not None
    locked = lock_for_correction(conn, found.venue, found.account, [found.asset])
    configured = runtime.settings.venues.get(found.venue)
    lag = timedelta(milliseconds=configured.visibility_lag_ms if configured else 0)
    just = assets_booked_since(conn, found.venue, found.account, runtime.now() - lag)
    if found.asset in just or found.asset in motion(conn, found.venue, found.account).in_doubt:
        raise InMotion(
            f"orders of ours move {found.asset} of {found.venue} ({found.account}) at this moment, so that nobody can tell a "
            "correction from a fill. Nothing was done; do it again in some seconds, or cancel those orders first"
        )
    return found.asset, locked


def _assert_stands(conn: Connection, found: Break, asset: str, difference: Decimal) -> None:
    """The caller has locked the asset's accounts. Raises NoLongerStands."""
    came_or_left = came_or_left_at(conn, found.venue, found.account, asset)
    if came_or_left is not None and came_or_left >= found.seen_at:
        raise NoLongerStands(
            f"{asset} came into the books of {found.venue} ({found.account}) or left them since the difference was seen: "
            f"{format_time(came_or_left)}, by a deposit, a withdrawal or a correction. Nothing was done; `steadfill "
            "reconcile` shows what still differs"
        )
    later = later_look(conn, found.venue, found.account, found.seen_at)
    if later is None or asset in later[1]["blurred"]:
        return
    run_id, body = later
    now = next((one for one in body["balances"] if one["asset"] == asset), {"ours": "0", "theirs": "0"})
    if subtract(Decimal(now["theirs"]), Decimal(now["ours"])) != difference:
        raise NoLongerStands(
            f"run {run_id}, which is later, saw {plain(difference)} {asset} no more. Nothing was done; ignore the break, "
            "which frees the asset, or reconcile again for what differs now"
        )


@contextmanager
def _lease(runtime: Runtime, venue: str, account: str) -> Iterator[tuple[str, int]]:
    """The lease of the account's books, for one short transaction. Raises InMotion where another keeps it."""
    name = f"books:{venue}:{account}"
    owner = f"{runtime.owner}:{threading.get_ident()}"
    give_up_at = time.monotonic() + LEASE_PATIENCE_S
    while True:
        with write(runtime.engine) as conn:
            epoch = leases.take(conn, name, owner=owner, lease_ms=runtime.settings.execution.lease_ms)
        if epoch is not None or time.monotonic() > give_up_at:
            break
        time.sleep(LEASE_PAUSE_S)
    if epoch is None:
        raise InMotion(
            f"the books of {venue} ({account}) are being compared at this moment; do it again in some seconds"
        )
    try:
        yield name, epoch
    finally:
        with write(runtime.engine) as conn:
            leases.give_back(conn, name, epoch)
