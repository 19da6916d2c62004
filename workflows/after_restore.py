"""After a restore: nothing is sent until every venue account was reconciled; then the restore's halt is lifted."""

from datetime import timedelta

import structlog
from sqlalchemy import func, select

from models.reconciliation import BreakSeverity, BreakStatus, RunStatus
from models.vocabulary import ChildStatus
from storage.alerts import Severity, record_alert
from storage.engine import read, write
from storage.halts import ALL, INCOMPLETE_RESTORE, RESTORE, Halt, active_halts, lift_halt
from storage.order_tables import child_orders
from storage.reconciliation_tables import breaks
from storage.reconciliations import Run, list_runs
from tasks.runtime import Runtime
from tasks.step import step
from workflows.nightly import request_reconciliation

log = structlog.get_logger()

#: runs that are looked through for the restore's own: others are begun every minute
_RUNS = 500

#: how soon another run is begun where one could not ask a venue
_AGAIN = timedelta(seconds=30)

_UNDECIDED = select(func.count()).select_from(child_orders).where(child_orders.c.status == ChildStatus.SUBMITTING)
_CRITICAL = (
    select(func.count())
    .select_from(breaks)
    .where(breaks.c.status == BreakStatus.OPEN, breaks.c.severity == BreakSeverity.CRITICAL)
)


def finish_restore(runtime: Runtime) -> str:
    """One look: begin the reconciliation, wait for it, or lift the halt. A person may lift it at any time.

    Where something may be missing the person needs to see what the venues have and our books lack, so it is reconciled too.
    """
    with read(runtime.engine) as conn:
        halt = next((one for one in active_halts(conn) if one.by in (RESTORE, INCOMPLETE_RESTORE)), None)
        if halt is None:
            return "nothing was restored"
        undecided = conn.execute(_UNDECIDED).scalar_one()
        run = next((one for one in list_runs(conn, _RUNS) if one.by == RESTORE and one.started_at >= halt.since), None)
    if undecided:
        return f"{undecided} sends have to be looked up first"
    if run is None or (run.status is RunStatus.FAILED and runtime.now() - run.started_at > _AGAIN):
        return f"run {request_reconciliation(runtime, None, None, by=RESTORE)} begins"
    if run.status is not RunStatus.DONE:
        return f"run {run.id} is {run.status}"
    if halt.by == INCOMPLETE_RESTORE:
        return f"reconciled by run {run.id}; a person looks at it and resumes"
    return _resume(runtime, halt, run)


def _resume(runtime: Runtime, halt: Halt, run: Run) -> str:
    now = runtime.now()
    with write(runtime.engine) as conn:
        critical = conn.execute(_CRITICAL).scalar_one()
        if critical:
            message = (
                f"{halt.reason}. Reconciling found {critical} critical breaks, so everything stays halted: look at "
                "`steadfill breaks list`, decide each, and sending goes on by itself; or `steadfill resume`."
            )
            detail = {"run": run.id, "breaks": critical}
            record_alert(
                conn, f"restore:{run.id}", kind="RESTORE_NEEDS_PERSON", severity=Severity.CRITICAL,
                message=message, detail=detail, now=now,
            )  # fmt: skip
            return f"{critical} critical breaks wait for a person"
        standing = [one for one in active_halts(conn) if one == halt]
        if not standing or not lift_halt(conn, ALL, ALL):
            return "somebody else has lifted the halt"
    log.warning("sending goes on after a restore", reason=halt.reason, run=run.id)
    return "resumed"


finish_restore_task = step("orders.finish_restore")(finish_restore)
