"""The servers under a lane: SQLite or a database of its own on PostgreSQL; a Redis or Valkey of its own, or a lent RabbitMQ."""

import contextlib
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ops import embedded_broker
from ops.chaos.become import Piece

_SCHEME = "postgresql+psycopg://"
PREFIX = "steadfill_chaos"


class NoServer(Exception):
    """A stack needs a server that is not to be had. The text says which and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lent:
    """Servers that a run may use; each lane takes something of its own on them."""

    #: of a role that may create databases
    postgres_url: str | None = None
    #: virtual hosts of RabbitMQ that nobody else uses, one for each lane
    rabbitmq_urls: tuple[str, ...] = ()

    def check(self, stacks: Sequence[str]) -> None:
        """Raises NoServer where a stack lacks its servers."""
        if any(stack.startswith("postgres") for stack in stacks) and self.postgres_url is None:
            raise NoServer(
                "This stack needs PostgreSQL: --postgres-url postgresql://… of a role that may create databases."
            )
        if "postgres-rabbitmq" in stacks and not self.rabbitmq_urls:
            raise NoServer(
                "This stack needs RabbitMQ: --rabbitmq-url amqp://…/VHOST, with a virtual host that nobody else uses."
            )


@contextlib.contextmanager
def database(lent: Lent, stack: str, name: str) -> Iterator[str | None]:
    """A new, empty database, dropped at the end; None where the stack's is SQLite. Raises NoServer."""
    if not stack.startswith("postgres"):
        yield None
        return
    if lent.postgres_url is None:
        raise NoServer(f"{stack} needs PostgreSQL: name one with --postgres-url, of a role that may create databases")
    import psycopg
    from psycopg import sql

    admin = lent.postgres_url.replace(_SCHEME, "postgresql://", 1)
    made = f"{PREFIX}_{os.getpid()}_{name.replace('-', '_')}"
    try:
        with psycopg.connect(admin, autocommit=True, connect_timeout=10) as connection:
            _drop_orphans(connection)
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(made)))
    except psycopg.Error as error:
        raise NoServer(f"{stack}: no database could be made: {str(error).strip()}") from error
    base, _, query = lent.postgres_url.partition("?")
    try:
        yield f"{base.rpartition('/')[0]}/{made}{f'?{query}' if query else ''}"
    finally:
        with contextlib.suppress(psycopg.Error), psycopg.connect(admin, autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(made)))


def _drop_orphans(connection: Any) -> None:
    """Databases of lanes on this machine that were killed."""
    from psycopg import sql

    rows = connection.execute("SELECT datname FROM pg_database WHERE datname LIKE %s", (f"{PREFIX}_%",)).fetchall()
    for (name,) in rows:
        pid = name.removeprefix(f"{PREFIX}_").partition("_")[0]
        if pid.isdecimal() and Path("/proc/self").exists() and not Path(f"/proc/{pid}").exists():
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def redis_piece(home: Path, *, port: int | None) -> tuple[Piece, str]:
    """A server of the lane's own, durable as the embedded one; on ``port``, or on a unix socket. And its URL."""
    folder = home / "valkey"
    folder.mkdir(parents=True, exist_ok=True)
    found = shutil.which("redis-server") if port is not None else None
    program = Path(found) if found else embedded_broker.binary()
    address = folder / "valkey.sock"
    command = embedded_broker.command(program, home, address)
    if port is not None:
        # The same options, but the port instead of the socket.
        command[command.index("--port") + 1] = str(port)
        command += ["--bind", "127.0.0.1"]
        url = f"redis://127.0.0.1:{port}/0"
    else:
        url = f"redis+socket://{address}"
    return Piece(name="broker", kind="program", arguments=tuple(command)), url
