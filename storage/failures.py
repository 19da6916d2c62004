"""Which database errors mean "not now" (ask again) and which are bugs."""

from __future__ import annotations

import sqlite3

from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from failpoints import register_fault

#: SQLSTATE classes: connection lost, out of resources, operator's shutdown or a timeout, system error
_POSTGRESQL_CLASSES = ("08", "53", "57", "58")
_POSTGRESQL_STATES = frozenset(
    {
        "55P03",  # another transaction held a row for too long
        "25006",  # read only: a replica that is not promoted yet
        "25P03",  # ended by the server for standing idle in a transaction
        *(_CONFLICTS := ("40001", "40P01")),  # lost against a concurrent transaction
    }
)
_SQLITE_CODES = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PROTOCOL,
    }
)


def _refused_for_a_conflict() -> Exception:
    """As a server refuses a transaction that lost against another; for failpoints."""
    import psycopg

    return OperationalError("COMMIT", {}, psycopg.errors.SerializationFailure("lost against another (failpoint)"))


def _gone() -> Exception:
    """As a driver tells of a connection that broke; for failpoints."""
    import psycopg

    gone = psycopg.OperationalError("the connection is gone (failpoint)")
    return OperationalError("COMMIT", {}, gone, connection_invalidated=True)


register_fault("serialization", _refused_for_a_conflict)
register_fault("database_gone", _gone)


def is_unavailable(error: BaseException) -> bool:
    """The database can't do it now: gone, starting, locked, full, or the transaction lost against another.

    Nothing of the transaction happened, with one exception: a connection that breaks inside COMMIT leaves it open
    whether it did. So what follows must be idempotent, as everything here is.
    """
    if isinstance(error, PoolTimeout):
        return True
    if isinstance(error, DBAPIError):
        return error.connection_invalidated or (error.orig is not None and is_unavailable(error.orig))
    if isinstance(error, sqlite3.Error):
        code = getattr(error, "sqlite_errorcode", None)
        return code is not None and (code & 0xFF) in _SQLITE_CODES
    return _postgresql_unavailable(error)


def is_conflict(error: BaseException) -> bool:
    """A deadlock or a serialization failure: the same transaction, begun again at once, should succeed."""
    original = error.orig if isinstance(error, DBAPIError) else error
    return getattr(original, "sqlstate", None) in _CONFLICTS


def _postgresql_unavailable(error: BaseException) -> bool:
    if not type(error).__module__.startswith("psycopg"):
        return False
    state = getattr(error, "sqlstate", None)
    if state is None:  # no answer from a server: refused, timed out, closed
        import psycopg

        return isinstance(error, psycopg.OperationalError)
    return state in _POSTGRESQL_STATES or state.startswith(_POSTGRESQL_CLASSES)
