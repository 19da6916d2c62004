"""A run of the checks, put together: what was looked at, what holds, and the first row of each kind that does not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, text

from storage.seals import chain_state
from storage.verify.checks import CHECKS
from storage.verify.findings import Advice, Check, Finding

#: further failing rows of one kind that are counted: where there are more, their number tells nothing
MOST_COUNTED = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """What does not hold, by the first row of which it does not."""

    first: Finding
    advice: Advice
    #: rows like it, the first included
    rows: int

    def document(self) -> dict[str, Any]:
        return {
            "check": self.first.check,
            "row": self.first.row,
            "problem": self.first.problem,
            "means": self.advice.means,
            "todo": self.advice.todo,
            "rows": self.rows,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    entries: int
    seals: int
    #: entries that wait for their seal: not yet protected by the chain
    unsealed: int
    #: ``sequence:hash``, to be noted outside of the database; None: nothing is sealed yet
    head: str | None
    #: what was checked → what holds while nothing is found
    proved: dict[str, str]
    #: empty: all is true. In the order of the checks
    failures: Sequence[Failure]

    @property
    def good(self) -> bool:
        return not self.failures

    def document(self) -> dict[str, Any]:
        """As `steadfill verify --json` shows it."""
        return {
            "status": "ok" if self.good else "failed",
            "entries": self.entries,
            "seals": self.seals,
            "unsealed": self.unsealed,
            "head": self.head,
            "checks": [
                {"name": name, "proves": proves, "status": "failed" if name in self._failed else "ok"}
                for name, proves in self.proved.items()
            ],
            "failures": [failure.document() for failure in self.failures],
        }

    @property
    def _failed(self) -> set[str]:
        return {failure.first.check for failure in self.failures}


def verify(conn: Connection, checks: Sequence[Check] = CHECKS) -> Report:
    """Run every check. Use ``storage.engine.read(engine, snapshot=True)``: all of them must see one moment."""
    if conn.dialect.name == "postgresql":
        from storage import postgresql

        postgresql.take_all_time(conn)
    state = chain_state(conn)
    failures: list[Failure] = []
    proved: dict[str, str] = {}
    for check in checks:
        proved |= {name: advice.proves for name, advice in check.advice.items()}
        failures += _failures(conn, check)
    return Report(
        entries=conn.execute(text("SELECT count(*) FROM ledger_entries")).scalar_one(),
        seals=0 if state.head is None else state.head.sequence,
        unsealed=state.waiting,
        head=None if state.head is None else state.head.head,
        proved=proved,
        failures=failures,
    )


def _failures(conn: Connection, check: Check) -> list[Failure]:
    first: dict[str, Finding] = {}
    rows: dict[str, int] = {}
    for finding in check.run(conn):
        first.setdefault(finding.check, finding)
        rows[finding.check] = rows.get(finding.check, 0) + 1
        if sum(rows.values()) >= MOST_COUNTED:
            break
    return [
        Failure(first=finding, advice=check.advice[name], rows=rows[name])
        for name, finding in sorted(first.items(), key=lambda item: list(check.advice).index(item[0]))
    ]
