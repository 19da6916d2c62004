"""The mark that tells this deployment's orders from another's at the same venue account."""

import secrets
from datetime import datetime

from sqlalchemy import Connection, select

from models.ids import deployment_prefix
from storage.service_tables import deployment
from storage.upsert import upsert

_THE_ONE = 1

_PREFIX = select(deployment.c.prefix)


def prefix_of_deployment(conn: Connection, now: datetime) -> str:
    """The prefix of every venue client id, drawn at random the first time it is needed."""
    found = conn.execute(_PREFIX).scalar_one_or_none()
    if found is not None:
        return str(found)
    statement = upsert(conn, deployment).values(
        id=_THE_ONE, prefix=deployment_prefix(secrets.token_bytes(4)), created_at=now
    )
    conn.execute(statement.on_conflict_do_nothing())
    return str(conn.execute(_PREFIX).scalar_one())
