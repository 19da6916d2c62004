"""How PostgreSQL is connected here: every wait has an end, and a commit that returned is on disk."""

from __future__ import annotations

import time
from typing import Any, TypeVar

import psycopg
from psycopg.abc import PQGen
from sqlalchemy import Connection, Engine, event
from sqlalchemy.exc import DisconnectionError

#: a connection that can't be made within this is a database that is gone
CONNECT_TIMEOUT_S = 5
#: how long a statement waits for another transaction's row: transactions here last milliseconds
LOCK_TIMEOUT_MS = 10_000
STATEMENT_TIMEOUT_MS = 20_000
#: a worker that was stopped inside a transaction must not keep an account's rows locked for the others
IDLE_IN_TRANSACTION_TIMEOUT_MS = 10_000
#: unacknowledged data for this long means that the server is behind a black hole
TCP_USER_TIMEOUT_MS = 10_000
#: A server that stands still, or a proxy in front of a dead one, acknowledges everything and answers nothing. Longer
#: than a statement may take, and shorter than the soft time limit of a task.
ANSWER_TIMEOUT_S = 25.0

#: a connection idle for this long is asked whether it lives before it is used
PING_AFTER_IDLE_S = 1.0

#: Where the server's default gives commits away for speed, ours wait for the disk; a stronger default stays.
_DURABLE = "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') IN ('off', 'local')"

RV = TypeVar("RV")


class BoundedConnection(psycopg.Connection[Any]):
    """Gives a server up that does not answer: the driver itself would wait for ever."""

    #: seconds for one answer; None: without limit
    answer_timeout_s: float | None = ANSWER_TIMEOUT_S

    def wait(self, gen: PQGen[RV], interval: float = 0.1, timeout: float | None = None) -> RV:
        """As the driver waits, but not for ever. Raises OperationalError, with the connection closed."""
        if timeout is not None:
            return super().wait(gen, interval, timeout)
        try:
            return super().wait(gen, interval, self.answer_timeout_s)
        except psycopg.errors._WaitTimeout as error:  # noqa: SLF001 - the driver has no public name for it
            self.pgconn.finish()  # what it would still say must not be taken for the answer to another question
            raise psycopg.OperationalError(
                f"the database did not answer within {self.answer_timeout_s:g} s, and the connection was given up"
            ) from error


def connect_arguments() -> dict[str, Any]:
    settings = {
        "lock_timeout": LOCK_TIMEOUT_MS,
        "statement_timeout": STATEMENT_TIMEOUT_MS,
        "idle_in_transaction_session_timeout": IDLE_IN_TRANSACTION_TIMEOUT_MS,
        "timezone": "UTC",
    }
    return {
        "connect_timeout": CONNECT_TIMEOUT_S,
        "tcp_user_timeout": TCP_USER_TIMEOUT_MS,
        "keepalives_idle": 5,
        "keepalives_interval": 2,
        "keepalives_count": 3,
        "application_name": "steadfill",
        "options": " ".join(f"-c {name}={value}" for name, value in settings.items()),
    }


def prepare(engine: Engine, *, ping_idle: bool) -> None:
    event.listen(engine, "do_connect", _connect)
    event.listen(engine, "connect", _make_durable)
    event.listen(engine, "checkin", _bound_again)
    if ping_idle:
        _ping_idle_connections(engine)


def wait_without_limit(connection: Connection) -> None:
    """For what may take hours, such as a migration; until the connection goes back to its pool."""
    driver = connection.connection.driver_connection
    if isinstance(driver, BoundedConnection):
        driver.answer_timeout_s = None


def take_all_time(connection: Connection) -> None:
    """For a look over all rows: neither the server nor we end a statement of this transaction for its length."""
    wait_without_limit(connection)
    connection.exec_driver_sql("SET LOCAL statement_timeout = 0")


def _connect(_dialect: Any, _record: Any, arguments: tuple[Any, ...], options: dict[str, Any]) -> BoundedConnection:
    return BoundedConnection.connect(*arguments, **options)


def _make_durable(connection: BoundedConnection, _record: Any) -> None:
    connection.autocommit = True
    connection.execute(_DURABLE)
    connection.autocommit = False


def _bound_again(connection: BoundedConnection | None, _record: Any) -> None:
    if connection is not None:  # else it was given up
        connection.answer_timeout_s = ANSWER_TIMEOUT_S


def _ping_idle_connections(engine: Engine) -> None:
    """Before use, ask a connection that stood idle whether it lives; one used a moment ago is not worth a round trip.

    One that breaks within that moment fails its statement, which is an unavailable database like any other.
    """

    @event.listens_for(engine, "checkin")
    def _note(_: Any, record: Any) -> None:
        record.info["idle_since"] = time.monotonic()

    @event.listens_for(engine, "checkout")
    def _ping(connection: Any, record: Any, _: Any) -> None:
        idle_since = record.info.get("idle_since")
        if idle_since is None or time.monotonic() - idle_since < PING_AFTER_IDLE_S:
            return
        try:
            alive = engine.dialect.do_ping(connection)
        except psycopg.Error:
            alive = False
        if not alive:
            raise DisconnectionError("the connection broke while it stood idle")
