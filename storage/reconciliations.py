"""Runs of reconciliation, how far each venue account of a run is, and what its looks saw."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, func, insert, or_, select, update

from models.reconciliation import STAGES_FINAL, AccountStage, RunScope, RunStatus
from storage.reconciliation_tables import reconciliation_accounts as accounts
from storage.reconciliation_tables import reconciliation_looks as looks
from storage.reconciliation_tables import reconciliations as runs
from storage.upsert import upsert

#: A step that has not begun this long after its time has lost its message.
STEP_PATIENCE = timedelta(seconds=30)

_FINAL = [stage.value for stage in STAGES_FINAL]


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    id: str
    scope: RunScope
    status: RunStatus
    by: str
    started_at: datetime
    finished_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunAccount:
    """One venue account of one run."""

    run_id: str
    venue: str
    account: str
    stage: AccountStage
    #: when its next step may begin; None once it is over
    due_at: datetime | None
    #: steps that failed since the last one that did not
    attempts: int
    message: str
    #: when its first look began
    looked_at: datetime | None


def begin_run(
    conn: Connection,
    run_id: str,
    scope: RunScope,
    places: Sequence[tuple[str, str]],
    *,
    by: str,
    now: datetime,
    due_at: datetime,
    slot: str | None = None,
) -> bool:
    """A run over venue accounts, (venue, account) each; False when another one has taken its slot."""
    values = {
        "id": run_id,
        "slot": slot,
        "scope": scope,
        "status": RunStatus.RUNNING,
        "started_by": by,
        "started_at": now,
    }
    statement = upsert(conn, runs).values(values).on_conflict_do_nothing(index_elements=["slot"]).returning(runs.c.id)
    if conn.execute(statement).scalar_one_or_none() is None:
        return False
    rows = [
        {
            "run_id": run_id,
            "venue": venue,
            "account": account,
            "stage": AccountStage.PENDING,
            "due_at": due_at,
            "updated_at": now,
        }
        for venue, account in sorted(places)
    ]
    if rows:
        conn.execute(insert(accounts), rows)
    return True


def get_run(conn: Connection, run_id: str) -> Run | None:
    row = conn.execute(select(runs).where(runs.c.id == run_id)).mappings().one_or_none()
    return None if row is None else _run(row)


def list_runs(conn: Connection, limit: int, after: Run | None = None) -> list[Run]:
    """The newest first; those that come behind ``after`` in that order."""
    query = select(runs).order_by(runs.c.started_at.desc(), runs.c.id.desc()).limit(limit)
    if after is not None:
        earlier = runs.c.started_at < after.started_at
        query = query.where(or_(earlier, (runs.c.started_at == after.started_at) & (runs.c.id < after.id)))
    return [_run(row) for row in conn.execute(query).mappings()]


def last_full_run(conn: Connection, venue: str, account: str) -> datetime | None:
    """When the newest full run that has looked at the account to the end began."""
    query = (
        select(func.max(runs.c.started_at))
        .join(accounts, accounts.c.run_id == runs.c.id)
        .where(
            accounts.c.venue == venue,
            accounts.c.account == account,
            accounts.c.stage == AccountStage.DONE,
            runs.c.scope == RunScope.FULL,
        )
    )
    newest: datetime | None = conn.execute(query).scalar_one()
    return newest


def accounts_of(conn: Connection, run_id: str) -> list[RunAccount]:
    query = select(accounts).where(accounts.c.run_id == run_id).order_by(accounts.c.venue, accounts.c.account)
    return [_account(row) for row in conn.execute(query).mappings()]


def run_account(conn: Connection, run_id: str, venue: str, account: str) -> RunAccount | None:
    row = conn.execute(select(accounts).where(*_is(run_id, venue, account))).mappings().one_or_none()
    return None if row is None else _account(row)


def move_account(
    conn: Connection,
    seen: RunAccount,
    stage: AccountStage,
    *,
    now: datetime,
    due_at: datetime | None = None,
    message: str = "",
    attempts: int = 0,
    looked_at: datetime | None = None,
) -> bool:
    """Move an account from where it was seen; False when somebody else has moved it meanwhile."""
    statement = (
        update(accounts)
        .where(*_is(seen.run_id, seen.venue, seen.account), accounts.c.stage == seen.stage)
        .values(
            stage=stage,
            due_at=due_at,
            message=message,
            attempts=attempts,
            looked_at=looked_at or seen.looked_at,
            updated_at=now,
        )
        .execution_options(preserve_rowcount=True)
    )
    return conn.execute(statement).rowcount == 1


def overdue_accounts(conn: Connection, before: datetime, limit: int) -> list[RunAccount]:
    """Those whose next step should have begun by then: its message is lost."""
    query = select(accounts).where(accounts.c.due_at < before).order_by(accounts.c.due_at).limit(limit)
    return [_account(row) for row in conn.execute(query).mappings()]


def take_overdue(conn: Connection, seen: RunAccount, until: datetime) -> bool:
    """Take one up, and leave it alone until then; False when another process was faster."""
    statement = (
        update(accounts)
        .where(*_is(seen.run_id, seen.venue, seen.account), accounts.c.due_at == seen.due_at)
        .values(due_at=until)
        .execution_options(preserve_rowcount=True)
    )
    return conn.execute(statement).rowcount == 1


def keep_look(conn: Connection, seen: RunAccount, number: int, body: Mapping[str, Any], *, at: datetime) -> None:
    values = {"run_id": seen.run_id, "venue": seen.venue, "account": seen.account, "number": number}
    conn.execute(insert(looks), {**values, "body": dict(body), "at": at})


def look_of(conn: Connection, seen: RunAccount, number: int) -> Mapping[str, Any]:
    """What a look saw; it has to be there."""
    where = (looks.c.run_id == seen.run_id, looks.c.venue == seen.venue, looks.c.account == seen.account)
    body: Mapping[str, Any] = conn.execute(select(looks.c.body).where(*where, looks.c.number == number)).scalar_one()
    return body


def later_look(conn: Connection, venue: str, account: str, after: datetime) -> tuple[str, Mapping[str, Any]] | None:
    """The newest second look of a full run at an account that ended after a moment: its run's id and what it saw."""
    query = (
        select(looks.c.run_id, looks.c.body)
        .join(runs, runs.c.id == looks.c.run_id)
        .where(looks.c.venue == venue, looks.c.account == account, looks.c.number == 2, looks.c.at > after)
        .where(runs.c.scope == RunScope.FULL)
        .order_by(looks.c.at.desc())
        .limit(1)
    )
    row = conn.execute(query).one_or_none()
    return None if row is None else (row.run_id, row.body)


def looks_of(conn: Connection, run_id: str) -> list[Mapping[str, Any]]:
    query = select(looks).where(looks.c.run_id == run_id).order_by(looks.c.venue, looks.c.account, looks.c.number)
    return [dict(row) for row in conn.execute(query).mappings()]


def conclude_run(conn: Connection, run_id: str, now: datetime) -> bool:
    """End a run whose accounts are all over; True for the one call that does."""
    open_ones = select(accounts.c.run_id).where(accounts.c.run_id == runs.c.id, accounts.c.stage.not_in(_FINAL))
    failed = select(accounts.c.run_id).where(accounts.c.run_id == run_id, accounts.c.stage == AccountStage.FAILED)
    status = RunStatus.FAILED if conn.execute(failed.limit(1)).first() is not None else RunStatus.DONE
    statement = (
        update(runs)
        .where(runs.c.id == run_id, runs.c.status == RunStatus.RUNNING, ~open_ones.exists())
        .values(status=status, finished_at=now)
        .execution_options(preserve_rowcount=True)
    )
    return conn.execute(statement).rowcount == 1


def unconcluded(conn: Connection, before: datetime, limit: int) -> list[str]:
    """Runs begun before then that are still under way."""
    query = select(runs.c.id).where(runs.c.status == RunStatus.RUNNING, runs.c.started_at < before).limit(limit)
    return list(conn.execute(query).scalars())


def day_slot(now: datetime) -> str:
    """What makes a night's run the only one, however many beats there are."""
    return f"nightly:{now:%Y-%m-%d}"


def last_finished(conn: Connection) -> Mapping[tuple[str, str], datetime]:
    """By venue account, when the newest full run over it ended well."""
    query = (
        select(accounts.c.venue, accounts.c.account, func.max(accounts.c.updated_at))
        .join(runs, runs.c.id == accounts.c.run_id)
        .where(accounts.c.stage == AccountStage.DONE, runs.c.scope == RunScope.FULL)
        .group_by(accounts.c.venue, accounts.c.account)
    )
    return {(row[0], row[1]): row[2] for row in conn.execute(query)}


def _is(run_id: str, venue: str, account: str) -> tuple[Any, ...]:
    return accounts.c.run_id == run_id, accounts.c.venue == venue, accounts.c.account == account


def _run(row: Mapping[Any, Any]) -> Run:
    return Run(
        id=row["id"],
        scope=row["scope"],
        status=row["status"],
        by=row["started_by"],
        started_at=row["started_at"],
        finished_at=row["finished_at"],
    )


def _account(row: Mapping[Any, Any]) -> RunAccount:
    names = ("run_id", "venue", "account", "stage", "due_at", "attempts", "message", "looked_at")
    return RunAccount(**{name: row[name] for name in names})
