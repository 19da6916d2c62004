"""The database's clock: the one that leases and deadlines are compared on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, Connection, literal, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.sql.functions import FunctionElement

from storage.types import Timestamp

_ZERO = timedelta()

#: A time further ahead than any lease can be (`lease_ms` ends at 60 s), or a row changed later than this from now, was
#: written by a clock that has been set back since: the lease is over, and the row is due.
LEAP = timedelta(seconds=65)


class db_now(FunctionElement[datetime]):  # noqa: N801 - reads as SQL
    """The database's time of now (not of the transaction's start), as a Timestamp inside a statement.

    ``db_now()``, ``db_now(timedelta(seconds=3))``, or ``db_now(bindparam("lease_us", type_=BigInteger))`` in a
    prebuilt statement: an offset in microseconds.
    """

    type = Timestamp()
    inherit_cache = True

    def __init__(self, offset: timedelta | ColumnElement[Any] = _ZERO) -> None:
        if isinstance(offset, timedelta):
            offset = literal(offset // timedelta(microseconds=1), BigInteger())
        super().__init__(offset)


@compiles(db_now, "postgresql")
def _postgresql(element: FunctionElement[Any], compiler: SQLCompiler, **kwargs: Any) -> str:
    offset = compiler.process(element.clauses, **kwargs)
    return f"(CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT) + {offset})"


@compiles(db_now, "sqlite")
def _sqlite(element: FunctionElement[Any], compiler: SQLCompiler, **kwargs: Any) -> str:
    return f"(now_micros() + {compiler.process(element.clauses, **kwargs)})"


_NOW = select(db_now())


def database_time(connection: Connection) -> datetime:
    """The database's time in UTC; SQLite lives on this machine, so its clock is the process's."""
    if connection.dialect.name == "sqlite":
        return datetime.now(UTC)
    return connection.execute(_NOW).scalar_one()
