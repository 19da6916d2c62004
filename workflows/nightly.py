"""Runs of reconciliation: begun by beat once a night or by a person, then a chord of first looks, one per venue account.

The chord is the fast path. Each account's row knows the time of its next step, and a sweep sends on what a lost message
left; the second looks have times of their own, and whoever ends the last account ends the run.
"""

import structlog
from celery import chord
from redis import RedisError

from failpoints import failpoint
from models.clock import format_time
from models.errors import FieldError, InvalidRequest
from models.reconciliation import STAGES_FINAL, RunScope
from storage.engine import read, write
from storage.outbox import Kind, Posting, enqueue
from storage.reconciliations import accounts_of, begin_run, conclude_run, day_slot
from tasks.app import app
from tasks.queues import HOUSEKEEPING, VENUE
from tasks.reconcile import TASK
from tasks.reconcile_orders import new_run_id
from tasks.runtime import Runtime
from tasks.step import step
from workflows.publisher import publisher_of

log = structlog.get_logger()

START = "reconciliations.start"


def nightly(runtime: Runtime) -> str:
    """Beat's: one run a night over every venue account, however many beats there are."""
    slot = day_slot(runtime.now())
    run_id, new = _begin(runtime, None, None, by="beat", slot=slot)
    return f"run {run_id} begins" if new else f"{slot} has its run already"


def request_reconciliation(runtime: Runtime, venue: str | None, account: str | None, *, by: str) -> str:
    """A run on demand over all venue accounts, those of a venue, or one; returns its id. Raises InvalidRequest."""
    if venue is not None and venue not in runtime.accounts:
        raise InvalidRequest([FieldError(field="venue", rule="must be a configured venue", value=venue)])
    if account is not None and venue is not None and account not in runtime.accounts[venue]:
        raise InvalidRequest([FieldError(field="account", rule=f"must be an account of {venue}", value=account)])
    run_id, _ = _begin(runtime, venue, account, by=by, slot=None)
    return run_id


def _begin(runtime: Runtime, venue: str | None, account: str | None, *, by: str, slot: str | None) -> tuple[str, bool]:
    places = [
        (name, one)
        for name, known in runtime.accounts.items()
        for one in known
        if venue in (None, name) and account in (None, one)
    ]
    run_id, now = new_run_id(runtime), runtime.now()
    posting: Posting | None = None
    with write(runtime.engine) as conn:
        new = begin_run(conn, run_id, RunScope.FULL, places, by=by, now=now, due_at=now, slot=slot)
        if new:
            posting = enqueue(conn, Kind.TASK, START, HOUSEKEEPING, {"run_id": run_id}, now=now)
            conclude_run(conn, run_id, now)  # one without accounts is over
    failpoint("reconcile.requested")
    if posting is not None:
        publisher_of(runtime).hand_over(posting)
    return run_id, new


def start(runtime: Runtime, *, run_id: str) -> str:
    """Publish the first look of each account as a chord."""
    with read(runtime.engine) as conn:
        waiting = [one for one in accounts_of(conn, run_id) if one.stage not in STAGES_FINAL]
    if not waiting:
        return "nothing is left to look at"
    header = []
    for one in waiting:
        kwargs = {"run_id": run_id, "venue": one.venue, "account": one.account}
        header.append(app.signature(TASK, kwargs=kwargs, immutable=True).set(queue=VENUE, retry=False))
    body = app.signature("reconciliations.conclude", kwargs={"run_id": run_id}, immutable=True)
    body.set(queue=HOUSEKEEPING, ignore_result=True)
    try:
        chord(header, app=app)(body)
    except (RedisError, NotImplementedError) as error:
        # Chords need the result backend. Without it each look goes out alone, and the last one ends the run.
        log.warning("a reconciliation begins without its chord", run_id=run_id, error=str(error))
        for one in header:
            one.apply_async(ignore_result=True)
    return f"{len(waiting)} accounts at {format_time(runtime.now())}"


nightly_task = step("reconciliations.nightly")(nightly)
start_task = step(START)(start)
