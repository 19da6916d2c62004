"""How Alembic runs here: on the connection of ``storage.schema.upgrade``."""

from __future__ import annotations

from alembic import context
from sqlalchemy import Connection

from storage.all_tables import metadata


def run(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=metadata,
        transactional_ddl=True,  # on SQLite too: storage.sqlite begins transactions itself
        render_as_batch=False,  # batch mode rebuilds tables and silently loses their triggers and checks
        compare_server_default=True,
    )
    with context.begin_transaction():
        context.run_migrations()


if context.config.attributes.get("connection") is None:
    raise SystemExit(
        "run `steadfill db upgrade`, or storage.schema.upgrade(engine): migrations need its lock and guards"
    )
run(context.config.attributes["connection"])
