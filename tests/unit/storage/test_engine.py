"""How SQLite is opened, what a transaction is, and what a fork leaves behind."""

import os
import stat
import threading
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, text

from storage.engine import is_unavailable, make_engine, read, write


@pytest.mark.parametrize(
    ("pragma", "value"),
    [
        ("journal_mode", "wal"),
        ("synchronous", 2),
        ("foreign_keys", 1),
        ("recursive_triggers", 1),
        ("busy_timeout", 10000),
    ],
)
def test_every_connection_is_durable_and_strict(engine: Engine, pragma: str, value: object) -> None:
    with read(engine) as connection:
        assert connection.execute(text(f"PRAGMA {pragma}")).scalar_one() == value


def test_the_file_and_what_sqlite_puts_beside_it_are_the_owners_alone(engine: Engine) -> None:
    with write(engine) as connection:
        connection.execute(text("CREATE TABLE t (x)"))
        folder = Path(str(engine.url.database)).parent
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
    assert modes == {"books.db": 0o600, "books.db-wal": 0o600, "books.db-shm": 0o600}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


@pytest.mark.parametrize("url", ["mysql://h/d", "sqlite://", "sqlite:///:memory:"])
def test_a_database_that_can_not_be_shared_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="use "):
        make_engine(url)


def test_an_exception_leaves_nothing_behind(engine: Engine) -> None:
    with write(engine) as connection:
        connection.execute(text("CREATE TABLE t (x)"))
    with pytest.raises(ZeroDivisionError), write(engine) as connection:  # noqa: PT012 - the block is the transaction
        connection.execute(text("INSERT INTO t VALUES (1)"))
        raise ZeroDivisionError
    with read(engine) as connection:
        assert connection.execute(text("SELECT count(*) FROM t")).scalar_one() == 0


def test_writers_take_turns_from_their_first_statement_on(engine: Engine) -> None:
    """Read, then write: with a deferred BEGIN one of the two would fail at once, or an update would be lost."""
    with write(engine) as connection:
        connection.execute(text("CREATE TABLE t (x INTEGER)"))
        connection.execute(text("INSERT INTO t VALUES (0)"))

    def raise_by_one() -> None:
        for _ in range(25):
            with write(engine) as connection:
                now = connection.execute(text("SELECT x FROM t")).scalar_one()
                connection.execute(text("UPDATE t SET x = :x"), {"x": now + 1})

    threads = [threading.Thread(target=raise_by_one) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with read(engine) as connection:
        assert connection.execute(text("SELECT x FROM t")).scalar_one() == 100


def test_a_reader_is_not_held_up_by_a_writer(engine: Engine) -> None:
    with write(engine) as connection:
        connection.execute(text("CREATE TABLE t (x)"))
    with write(engine) as writer:
        writer.execute(text("INSERT INTO t VALUES (1)"))
        with read(engine) as reader:
            assert reader.execute(text("SELECT count(*) FROM t")).scalar_one() == 0


def test_a_child_process_starts_with_connections_of_its_own(engine: Engine) -> None:
    with write(engine) as connection:
        connection.execute(text("CREATE TABLE t (x)"))
    inherited = engine.pool
    child = os.fork()
    if child == 0:
        code = 1
        try:
            with write(engine) as connection:
                connection.execute(text("INSERT INTO t VALUES (1)"))
            code = 0 if engine.pool is not inherited else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    with read(engine) as connection:
        assert connection.execute(text("SELECT count(*) FROM t")).scalar_one() == 1


def test_a_database_that_refuses_connections_or_is_locked_is_unavailable_and_a_bug_is_not(engine: Engine) -> None:
    def failure(target: Engine, statement: str) -> Exception:
        with pytest.raises(Exception) as caught, write(target) as connection:  # noqa: PT011 - each is looked at
            connection.execute(text(statement))
        return caught.value

    gone = make_engine("postgresql+psycopg://nobody@127.0.0.1:1/none")
    assert is_unavailable(failure(gone, "SELECT 1"))
    assert not is_unavailable(failure(engine, "SELECT nonsense"))
    with write(engine):
        impatient = create_engine(engine.url, connect_args={"timeout": 0})
        with impatient.connect() as connection, pytest.raises(Exception) as caught:  # noqa: PT011
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        assert is_unavailable(caught.value)
        impatient.dispose()
