"""The migrations, the tables in the code and the guards are one and the same, and a database that differs is refused."""

from __future__ import annotations

import multiprocessing
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, Engine, text

from storage import schema
from storage.all_tables import metadata
from storage.engine import make_engine, read, write
from storage.guards import manifest
from tests.integration.ledger.conftest import BOTH


@pytest.fixture(params=BOTH)
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    """A database without any table."""
    url = f"sqlite:///{tmp_path}/empty.db" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    engine = make_engine(url)
    yield engine
    engine.dispose()


def test_alembic_finds_no_difference_between_the_tables_and_the_migrated_database(engine: Engine) -> None:
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), metadata) == []


def test_the_migrations_make_every_constraint_and_index_that_the_tables_name(engine: Engine, empty: Engine) -> None:
    """Alembic compares neither checks nor deferrable keys, so the two databases' own descriptions are compared."""
    if engine.dialect.name != empty.dialect.name:
        pytest.skip("two databases of one kind are compared")
    with write(empty) as connection:
        metadata.create_all(connection)
        expected = _description(connection)
    with read(engine) as connection:
        assert _description(connection) == expected


def test_an_upgrade_is_complete_and_repeating_it_changes_nothing(empty: Engine) -> None:
    with pytest.raises(schema.SchemaProblem, match="db upgrade"):
        schema.check(empty)
    assert schema.current(empty) is None
    for _ in range(2):
        assert schema.upgrade(empty) == schema.head() == schema.current(empty)
        schema.check(empty)


def test_the_upgrade_takes_an_url_too(tmp_path: Path) -> None:
    schema.upgrade(f"sqlite:///{tmp_path}/new.db")
    assert schema.current(f"sqlite:///{tmp_path}/new.db") == schema.head()


def _upgrade(url: str) -> None:
    schema.upgrade(url)


def test_processes_that_upgrade_at_the_same_time_take_turns(empty: Engine) -> None:
    url = empty.url.render_as_string(hide_password=False)
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_upgrade, args=(url,), daemon=True) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(200)
    assert [process.exitcode for process in processes] == [0, 0, 0]
    schema.check(empty)


def _without(table: str, trigger: str, dialect: str) -> str:
    return f"DROP TRIGGER {trigger}" + (f" ON {table}" if dialect == "postgresql" else "")


@pytest.mark.parametrize(
    ("table", "trigger"), [("ledger_legs", "ledger_legs_move"), ("ledger_accounts", "ledger_accounts_update")]
)
def test_a_guard_that_is_gone_is_named_and_the_next_upgrade_puts_it_back(
    engine: Engine, table: str, trigger: str
) -> None:
    with write(engine) as connection:
        connection.exec_driver_sql(_without(table, trigger, engine.dialect.name))
    with pytest.raises(schema.SchemaProblem, match=f"the trigger {trigger} is missing or disabled on {table}"):
        schema.check(engine)
    schema.upgrade(engine)
    schema.check(engine)


@pytest.mark.integration
@pytest.mark.postgres
@pytest.mark.parametrize(
    ("change", "named"),
    [
        ("ALTER TABLE ledger_accounts DISABLE TRIGGER ledger_accounts_update", "ledger_accounts_update"),
        (
            "CREATE OR REPLACE FUNCTION ledger_refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$",
            "ledger_refuse",
        ),
        ("ALTER TABLE alerts RENAME TO alarms", "alerts"),
    ],
)
def test_a_guard_that_is_off_or_emptied_is_named(postgres_url: str, change: str, named: str) -> None:
    engine = make_engine(postgres_url)
    schema.upgrade(engine)
    with write(engine) as connection:
        connection.exec_driver_sql(change)
    with pytest.raises(schema.SchemaProblem, match=named):
        schema.check(engine)
    engine.dispose()


@pytest.mark.integration
def test_a_trigger_that_was_watered_down_is_named(tmp_path: Path) -> None:
    engine = make_engine(f"sqlite:///{tmp_path}/books.db")
    schema.upgrade(engine)
    with write(engine) as connection:
        connection.exec_driver_sql("DROP TRIGGER ledger_legs_delete")
        connection.exec_driver_sql("CREATE TRIGGER ledger_legs_delete BEFORE DELETE ON ledger_legs BEGIN SELECT 1; END")
    with pytest.raises(schema.SchemaProblem, match="ledger_legs_delete is not the one of this version"):
        schema.check(engine)
    engine.dispose()


def test_a_move_that_only_the_database_allows_is_named(engine: Engine) -> None:
    with write(engine) as connection:
        guarded = "" if connection.dialect.name == "sqlite" else " ON legal_transitions"
        connection.exec_driver_sql(f"DROP TRIGGER legal_transitions_insert{guarded}")
        connection.exec_driver_sql("INSERT INTO legal_transitions VALUES ('order', 'FILLED', 'RECEIVED')")
    with pytest.raises(schema.SchemaProblem, match="the database allows the move order FILLED RECEIVED"):
        schema.check(engine)
    schema.upgrade(engine)
    schema.check(engine)


def test_a_database_of_another_version_is_refused(engine: Engine) -> None:
    with write(engine) as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(schema.SchemaProblem, match="9999"):
        schema.check(engine)


@pytest.mark.parametrize("table", ["ledger_accounts", "ledger_entries", "ledger_legs", "order_holds", "venue_accounts"])
@pytest.mark.parametrize("dialect", ["sqlite", "postgresql"])
def test_every_ledger_table_has_guards_in_both_databases(dialect: str, table: str) -> None:
    assert any(guard.table == table for guard in manifest.expected(dialect).values())


def _description(connection: Connection) -> list[object]:
    if connection.dialect.name == "sqlite":
        query = "SELECT name, sql FROM sqlite_master WHERE type IN ('table', 'index') AND name NOT LIKE '%alembic%' AND sql IS NOT NULL"
        return sorted((name, sorted(re.split(r"[\s,()]+", sql))) for name, sql in connection.execute(text(query)))
    queries = (
        (
            "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid), condeferred FROM pg_constraint "
            "WHERE connamespace = current_schema()::regnamespace AND conrelid <> 0 AND conrelid::regclass::text <> 'alembic_version'"
        ),
        "SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = current_schema() AND tablename <> 'alembic_version'",
        (
            "SELECT table_name, column_name, data_type, numeric_precision, is_nullable, column_default FROM information_schema.columns "
            "WHERE table_schema = current_schema() AND table_name <> 'alembic_version'"
        ),
    )
    return [sorted(map(tuple, connection.execute(text(query)))) for query in queries]
