"""The schema of a database: bringing it up to this version, and checking that it is all there before it is used."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, inspect, text
from sqlalchemy.engine import URL

from storage.all_tables import metadata
from storage.engine import make_engine, read, write
from storage.guards import manifest
from storage.journal import keeper
from storage.legal_moves import legal_move_differences, write_legal_moves

MIGRATIONS = Path(__file__).parent / "migrations"

#: the advisory lock of upgrades on PostgreSQL; any number that nothing else uses
_UPGRADE_LOCK = 7_305_214_460_211


class SchemaProblem(Exception):
    """The database can't be used as it is; the message says what is missing and what to do."""


def upgrade(target: Engine | str | URL) -> str:
    """Bring the database to this version's schema and guards, in one transaction; returns the revision.

    Safe to run from several processes at a time: they take turns, and the later ones find nothing to do.
    """
    with _engine(target) as engine:
        if current(engine) != head():
            _end_journal(engine)
        return _upgrade(engine)


def _upgrade(engine: Engine) -> str:
    with write(engine) as connection:
        _take_turns(connection)
        command.upgrade(_config(connection), "head")
        if manifest.differences(connection) or legal_move_differences(connection):
            manifest.remove(connection)
            write_legal_moves(connection)
            manifest.install(connection)
        return head()


def _end_journal(engine: Engine) -> None:
    """Its records tell of the tables as they were; the next backup begins another."""
    keeper.end(engine, datetime.now(UTC))


def current(target: Engine | str | URL) -> str | None:
    """The database's revision; None where nothing was installed yet."""
    with _engine(target) as engine, read(engine) as connection:
        return MigrationContext.configure(connection).get_current_revision()


@cache
def head() -> str:
    """The revision that this version of the code needs."""
    revision = ScriptDirectory.from_config(_config(None)).get_current_head()
    if revision is None:
        raise SchemaProblem(f"{MIGRATIONS} holds no migration: the checkout is not complete")
    return revision


def check(engine: Engine) -> None:
    """Raise SchemaProblem, naming what is missing, unless tables and guards are those of this version."""
    with read(engine, snapshot=True) as connection:
        revision = MigrationContext.configure(connection).get_current_revision()
        if revision is None:
            raise SchemaProblem("the database holds no schema yet: run `steadfill db upgrade`")
        if revision != head():
            raise SchemaProblem(
                f"the database's schema is {revision}, this version needs {head()}: "
                "run `steadfill db upgrade` (a newer schema needs the newer version of the program)"
            )
        missing = sorted(set(metadata.tables) - set(inspect(connection).get_table_names()))
        problems = [f"the table {name} is missing" for name in missing]
        if not missing:
            problems = manifest.differences(connection) + legal_move_differences(connection)
    if problems:
        raise SchemaProblem(
            "the database does not enforce the books: "
            + "; ".join(problems)
            + ". Nothing is posted to it. Find out who changed it, then run `steadfill db upgrade`, which puts guards back"
        )


def _take_turns(connection: Connection) -> None:
    """SQLite's transaction began IMMEDIATE, which is a turn; PostgreSQL needs a lock, and time to wait for it."""
    if connection.dialect.name == "postgresql":
        from storage import postgresql

        postgresql.wait_without_limit(connection)
        connection.execute(text("SET LOCAL statement_timeout = 0"))
        connection.execute(text("SET LOCAL lock_timeout = '60s'"))
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _UPGRADE_LOCK})


def _config(connection: Connection | None) -> Config:
    config = Config(stdout=io.StringIO(), attributes={"connection": connection})
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


@contextmanager
def _engine(target: Engine | str | URL) -> Iterator[Engine]:
    if isinstance(target, Engine):
        yield target
        return
    engine = make_engine(target)
    try:
        yield engine
    finally:
        engine.dispose()
