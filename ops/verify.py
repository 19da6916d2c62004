"""``steadfill verify``: read all of the books and prove them, row by row, beside a running deployment or without one."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from ops import terminal
from settings import Settings
from storage.engine import is_unavailable, make_engine, read
from storage.schema import current, head
from storage.verify import CHECKS, Check, NotedHead, Report, verify
from storage.verify.chain import chain_check


class NothingToVerify(Exception):
    """Why the books can't be read, and what to do."""


def examine(settings: Settings, heads: Sequence[NotedHead]) -> tuple[Report, float]:
    """What the checks find, and how many seconds they took. Nothing is written, and nobody waits for it.

    Raises NothingToVerify where there is no database of this version to read.
    """
    engine = make_engine(settings.database_url)
    path = engine.url.database if engine.dialect.name == "sqlite" else None
    if path is not None and not Path(path).exists():
        raise NothingToVerify(
            f"there is no database at {path}: name its place with STEADFILL_HOME or STEADFILL_DATABASE_URL"
        )
    started = time.perf_counter()
    try:
        revision = current(engine)
        if revision != head():
            raise NothingToVerify(
                f"the database's schema is {revision or 'not there yet'}, and this version verifies {head()}: "
                "run `steadfill db upgrade`, or the version of the program that the database belongs to"
            )
        with read(engine, snapshot=True) as conn:
            report = verify(conn, _with_heads(heads))
    except SQLAlchemyError as error:
        if not is_unavailable(error):
            raise
        raise NothingToVerify(f"the database does not answer: {type(error).__name__}; nothing was verified") from None
    finally:
        engine.dispose()
    return report, time.perf_counter() - started


def _with_heads(heads: Sequence[NotedHead]) -> list[Check]:
    chain = chain_check(heads)
    return [chain if check.name == chain.name else check for check in CHECKS]


def show(report: Report, took_s: float) -> None:
    """For a person: what holds, or the first row of each kind that does not."""
    say = terminal.console().print
    failed = {failure.first.check: failure for failure in report.failures}
    for name, proves in report.proved.items():
        say(f"{'✗' if name in failed else '✓'} {name:9} {proves}")
    for failure in report.failures:
        more = f" (and {failure.rows - 1} more)" if failure.rows > 1 else ""
        say(f"\n{failure.first.row}: {failure.first.problem}{more}")
        say(f"  It means: {failure.advice.means}.")
        say(f"  What to do: {failure.advice.todo}.")
    say(
        f"\n{report.entries} entries, {report.seals} sealed, {report.unsealed} waiting for their seal, in {took_s:.1f} s."
    )
    if report.head is not None:
        say(f"Head: {report.head}")
        say(
            "Note it outside of this machine; `steadfill verify --head …` proves later that nothing before it was changed."
        )
