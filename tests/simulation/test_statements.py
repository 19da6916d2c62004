"""What the product asks of SQLite is planned once: a statement is prepared when it first runs, and not again."""

from __future__ import annotations

import sqlite3
from typing import Any

from tests.simulation.config import Config
from tests.simulation.simulate import opened

SEEDS = range(40)

#: of the oracle; SQLite answers it while it plans it
ALWAYS_PLANNED = {"PRAGMA foreign_key_check"}


class Watched:
    """A cursor that tells what it runs."""

    def __init__(self, cursor: Any, running: list[str]) -> None:
        self._cursor = cursor
        self._running = running

    def execute(self, statement: str, values: Any = ()) -> Any:
        self._running[:] = [statement]
        return self._cursor.execute(statement, values)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cursor, name)


def test_no_statement_is_planned_again_when_it_runs_again() -> None:
    """One with a value bound where a partial index names a word would be, each time."""
    running, planned = [""], set()

    def planning(*_: Any) -> int:
        planned.add(running[0])
        return sqlite3.SQLITE_OK

    with opened(Config()) as simulation:
        database = simulation._database
        database.cursor = Watched(database.cursor, running)
        database.connection._cursor = Watched(database.connection._cursor, running)
        database.raw.set_authorizer(planning)
        for seed in SEEDS:
            simulation.run(seed, Config())
        assert len(planned) > len(ALWAYS_PLANNED), "SQLite tells nobody what it plans"
        planned.clear()

        for seed in SEEDS:
            simulation.run(seed, Config())
        database.raw.set_authorizer(None)

    assert planned <= ALWAYS_PLANNED
