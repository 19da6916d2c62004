"""What the deployment's own runs of `verify` saw, one row each."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, insert, select

from storage.seal_tables import ledger_verifications
from storage.verify.report import Report


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    finished_at: datetime
    entries: int
    #: ``sequence:hash``; None: nothing was sealed yet
    head: str | None
    #: the rows that failed, first of each kind; 0: all was true
    failures: int


def record_verification(conn: Connection, report: Report, *, started_at: datetime, finished_at: datetime) -> None:
    conn.execute(
        insert(ledger_verifications).values(
            started_at=started_at,
            finished_at=finished_at,
            entries=report.entries,
            head=report.head,
            findings=[failure.document() for failure in report.failures],
        )
    )


def last_verification(conn: Connection) -> Verification | None:
    """The newest run."""
    row = conn.execute(_LAST).one_or_none()
    if row is None:
        return None
    return Verification(finished_at=row.finished_at, entries=row.entries, head=row.head, failures=len(row.findings))


_LAST = select(ledger_verifications).order_by(ledger_verifications.c.id.desc()).limit(1)
