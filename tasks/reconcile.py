"""Reconcile: one venue account of one run, step by step. A step is begun by a message and found by its row's time.

Looks and acting are under the account's lease, the one under which its books are opened and deposits adopted: nobody
else corrects at that time, and what two runs at once find they act on one after the other.
"""

import threading
from datetime import datetime, timedelta

import structlog
from redis.exceptions import RedisError
from sqlalchemy import Connection

from exchanges.evidence import VenueError
from failpoints import failpoint
from models.clock import parse_time
from models.reconciliation import STAGES_FINAL, AccountStage
from models.vocabulary import Mode
from storage import leases
from storage.alerts import Severity, record_alert
from storage.engine import read, write
from storage.ledger_reads import is_opened
from storage.orders import Stale
from storage.outbox import Kind, enqueue
from storage.reconciliations import (
    STEP_PATIENCE,
    Run,
    RunAccount,
    conclude_run,
    get_run,
    keep_look,
    look_of,
    move_account,
    overdue_accounts,
    run_account,
    take_overdue,
    unconcluded,
)
from storage.venue_states import closed_until
from tasks.heartbeat import heartbeat_of
from tasks.hot_books import Forgotten, copy_anew
from tasks.movements import book_what_is_told
from tasks.outcomes import MovedOn
from tasks.queues import VENUE
from tasks.reads import note_failed_read
from tasks.reconcile_act import act
from tasks.reconcile_look import first_seen, look_at
from tasks.runtime import Runtime
from tasks.step import step

log = structlog.get_logger()

TASK = "accounts.reconcile"

#: a message may come this much before its time: whole seconds of a broker, and clocks that differ
EARLY = timedelta(seconds=1)

#: how soon an account is tried again whose lease another has
BUSY_PAUSE = timedelta(seconds=2)

#: Accounts that a process reads at once. Each holds a thread for as long as its pages take, and orders need those too:
#: a night of many accounts must not leave them none.
AT_ONCE = 4
CROWDED_PAUSE = timedelta(seconds=5)
_places = threading.BoundedSemaphore(AT_ONCE)

#: tries of one step, about five minutes in all, after which nothing is concluded of the account in this run
MOST_ATTEMPTS = 6
FIRST_PAUSE_S = 5.0

#: rows that one sweep takes up
BATCH = 200


def reconcile_account(runtime: Runtime, *, run_id: str, venue: str, account: str) -> str:
    """The next step of one venue account in one run: the first look, or the second and what follows from both."""
    with read(runtime.engine) as conn:
        run, seen = get_run(conn, run_id), run_account(conn, run_id, venue, account)
        closed = closed_until(conn, venue, account)
    if run is None or seen is None or seen.stage in STAGES_FINAL:
        return "nothing to do: it is over"
    now = runtime.now()
    if seen.stage is AccountStage.LOOKED and seen.due_at is not None and seen.due_at > now + EARLY:
        return MovedOn("its second look has its time")
    if closed is not None and closed > now:
        return _again(runtime, seen, closed, f"{venue} wants to be left alone until {closed:%H:%M:%S}")
    skipped = _why_skipped(runtime, venue, account)
    if skipped is not None:
        return _end(runtime, seen, AccountStage.SKIPPED, skipped)
    if not _places.acquire(blocking=False):
        return _again(runtime, seen, now + CROWDED_PAUSE, f"{AT_ONCE} other accounts are being read", counts=False)
    try:
        return _read(runtime, run, seen, now)
    finally:
        _places.release()


def _read(runtime: Runtime, run: Run, seen: RunAccount, now: datetime) -> str:
    venue, account = seen.venue, seen.account
    name = f"books:{venue}:{account}"
    owner = f"{runtime.owner}:{threading.get_ident()}"
    with write(runtime.engine) as conn:
        epoch = leases.take(conn, name, owner=owner, lease_ms=runtime.settings.execution.lease_ms)
    if epoch is None:
        return _again(runtime, seen, now + BUSY_PAUSE, "somebody else is at the account's books", counts=False)
    failpoint("reconcile.leased")
    try:
        with heartbeat_of(runtime).keeping_lease(name, epoch):
            if seen.stage is AccountStage.PENDING:
                return _first(runtime, run, seen, name, epoch)
            return _second(runtime, run, seen, name, epoch)
    except VenueError as error:
        note_failed_read(runtime, venue, account, error)
        return _later(runtime, seen, error.message)
    finally:
        with write(runtime.engine) as conn:
            leases.give_back(conn, name, epoch)


def _first(runtime: Runtime, run: Run, seen: RunAccount, name: str, epoch: int) -> str:
    gateway = runtime.gateways.get(seen.venue, seen.account)
    book_what_is_told(runtime, seen.venue, seen.account)
    look = look_at(runtime, gateway, run.scope)
    failpoint("reconcile.first.looked")
    body = look.body()
    nothing = not body["balances"] and not body["orders"]
    now = runtime.now()
    settings = runtime.settings.reconciliation
    due_at = now + timedelta(seconds=settings.second_look_s)
    with write(runtime.engine) as conn:
        if not leases.holds(conn, name, epoch):
            return MovedOn("another process has taken the account's lease")
        if not move_account(
            conn, seen, AccountStage.LOOKED, now=now, due_at=due_at, looked_at=look.began_at, message="looked once"
        ):
            return MovedOn("another message was faster")
        keep_look(conn, seen, 1, body, at=now)
        announce(conn, seen, due_at, now)
    failpoint("reconcile.first.committed")
    return "nothing differs; a second look follows" if nothing else "looked once; what stands in the second is a break"


def _second(runtime: Runtime, run: Run, seen: RunAccount, name: str, epoch: int) -> str:
    gateway = runtime.gateways.get(seen.venue, seen.account)
    with read(runtime.engine) as conn:
        body = look_of(conn, seen, 1)
    first, began_at = first_seen(body), parse_time(body["began_at"])
    look = look_at(runtime, gateway, run.scope)
    failpoint("reconcile.second.looked")
    copied_wrong = look.copied_otherwise & first.copied_otherwise
    remade = _copy_anew(runtime, seen, copied_wrong) if copied_wrong else ""
    with write(runtime.engine) as conn:
        if not leases.holds(conn, name, epoch):
            return MovedOn("another process has taken the account's lease")
        now = runtime.now()
        keep_look(conn, seen, 2, look.body(), at=now)
        acted = act(conn, runtime, seen, run.scope, look, first, began_at)
        said = acted.sentence() + remade
        if not move_account(conn, seen, AccountStage.DONE, now=now, message=said):
            raise Stale(f"{seen.venue}/{seen.account} of run {run.id}")  # nothing of this is kept
        conclude_run(conn, run.id, now)
        failpoint("reconcile.acted")
    failpoint("reconcile.committed")
    log.info("reconciled", venue=seen.venue, account=seen.account, run_id=run.id, outcome=said)
    return said


def _copy_anew(runtime: Runtime, seen: RunAccount, wrong: frozenset[str]) -> str:
    """The hot copy is never the truth: what it had wrong in two looks is no break, and it is made again from the books.

    Returns the end of a sentence. A Redis that is away has no copy that anybody could read.
    """
    names = sorted({one.partition("=")[0] for one in wrong})
    shown = ", ".join(names[:10]) + (" …" if len(names) > 10 else "")
    log.warning("the hot copy differed from the books", venue=seen.venue, account=seen.account, wrong=shown)
    try:
        copy_anew(runtime, seen.venue, seen.account)
    except (Forgotten, RedisError, OSError) as error:
        return f"; the hot copy differed from the books ({shown}) and could not be made anew: {type(error).__name__}"
    return f"; the hot copy differed from the books and was made anew: {shown}"


def announce(conn: Connection, seen: RunAccount, due_at: datetime, now: datetime) -> None:
    """A hint for the time of the next step; the sweep reads the row when it is lost."""
    kwargs = {"run_id": seen.run_id, "venue": seen.venue, "account": seen.account}
    enqueue(conn, Kind.TASK, TASK, VENUE, kwargs, now=now, due_at=due_at)


def _why_skipped(runtime: Runtime, venue: str, account: str) -> str | None:
    configured = runtime.settings.venues.get(venue)
    if configured is None or account not in configured.accounts:
        return f"{venue} ({account}) is not configured here"
    if configured.mode is Mode.DRY_RUN:
        return "a dry run has books of its own, and no venue to compare them with"
    with read(runtime.engine) as conn:
        if not is_opened(conn, venue, account):
            return "its books are not open: nothing was ever ordered there"
    return None


def _end(runtime: Runtime, seen: RunAccount, stage: AccountStage, why: str) -> str:
    now = runtime.now()
    with write(runtime.engine) as conn:
        if not move_account(conn, seen, stage, now=now, message=why):
            return MovedOn("another message was faster")
        conclude_run(conn, seen.run_id, now)
    return f"{stage}: {why}"


def _again(runtime: Runtime, seen: RunAccount, at: datetime, why: str, *, counts: bool = True) -> str:
    """Put the same step off; ``counts``: as one more attempt in vain."""
    now = runtime.now()
    attempts = seen.attempts + counts
    if attempts >= MOST_ATTEMPTS:
        return _give_up(runtime, seen, why)
    with write(runtime.engine) as conn:
        if not move_account(conn, seen, seen.stage, now=now, due_at=at, message=why, attempts=attempts):
            return MovedOn("another message was faster")
        announce(conn, seen, at, now)
    return f"again in {(at - now).total_seconds():.1f} s: {why}"


def _later(runtime: Runtime, seen: RunAccount, why: str) -> str:
    pause = timedelta(seconds=FIRST_PAUSE_S * 2**seen.attempts)
    return _again(runtime, seen, runtime.now() + pause, f"the venue could not be asked: {why}")


def _give_up(runtime: Runtime, seen: RunAccount, why: str) -> str:
    """A missing answer is no answer: nothing is concluded of the account, and a person hears of it."""
    with write(runtime.engine) as conn:
        record_alert(
            conn,
            f"reconciliation:{seen.run_id}:{seen.venue}:{seen.account}",
            kind="RECONCILIATION_FAILED",
            severity=Severity.WARNING,
            message=(
                f"{seen.venue} ({seen.account}) could not be reconciled: {why}. Nothing was concluded of it; start another "
                "run with `steadfill reconcile` once the venue answers."
            ),
            detail={"run_id": seen.run_id, "venue": seen.venue, "account": seen.account},
            now=runtime.now(),
        )
    return _end(runtime, seen, AccountStage.FAILED, why)


def sweep(runtime: Runtime) -> str:
    """Send on accounts whose message is lost, and end runs whose last account ended without doing so."""
    now = runtime.now()
    taken = 0
    with read(runtime.engine) as conn:
        overdue = overdue_accounts(conn, now - STEP_PATIENCE, BATCH)
        left = unconcluded(conn, now - STEP_PATIENCE, BATCH)
    for seen in overdue:
        with write(runtime.engine) as conn:
            if take_overdue(conn, seen, now):
                announce(conn, seen, now, now)
                taken += 1
    for run_id in left:
        with write(runtime.engine) as conn:
            conclude_run(conn, run_id, now)
    return f"{taken} accounts sent on"


def conclude(runtime: Runtime, *, run_id: str) -> str:
    """End the run if all its accounts are over: what the chord of its first looks calls, too early as a rule."""
    with write(runtime.engine) as conn:
        return "the run is over" if conclude_run(conn, run_id, runtime.now()) else "not over yet, or over before"


reconcile_task = step(TASK)(reconcile_account)
sweep_task = step("reconciliations.sweep")(sweep)
conclude_task = step("reconciliations.conclude")(conclude)
