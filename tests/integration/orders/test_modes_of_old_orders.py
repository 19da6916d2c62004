"""A deployment from before there were modes: every account that has traded is a live one."""

from __future__ import annotations

from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import insert

from models.clock import parse_time
from models.vocabulary import Mode
from storage import schema
from storage.engine import make_engine, read, write
from storage.order_tables import orders
from storage.venue_modes import mode_of

AT = parse_time("2030-01-31T12:00:00Z")


@pytest.mark.integration
def test_accounts_that_have_orders_are_live_after_the_migration(tmp_path: Path) -> None:
    engine = make_engine(f"sqlite:///{tmp_path}/old.db")
    with write(engine) as conn:
        command.upgrade(schema._config(conn), "0002")  # the schema as it was
        conn.execute(insert(orders).values(**_order("one", "main")))
        conn.execute(insert(orders).values(**_order("two", "main")))
        conn.execute(insert(orders).values(**_order("three", "desk2")))

    schema.upgrade(engine)

    with read(engine) as conn:
        found = {account: mode_of(conn, "binance", account) for account in ("main", "desk2", "never")}
    assert found == {"main": Mode.LIVE, "desk2": Mode.LIVE, "never": None}
    engine.dispose()


def _order(client_order_id: str, account: str) -> dict[str, object]:
    return {
        "id": client_order_id, "client_order_id": client_order_id, "account": account, "venue": "binance",
        "symbol": "BTC/USDT", "base": "BTC", "quote": "USDT", "side": "buy", "type": "market", "quantity": 1,
        "requested_quantity": 1, "time_in_force": "GTC", "post_only": False, "submitted_at": AT, "algorithm": {},
        "fill_policy": {}, "tags": {}, "mode": "live", "request": "{}", "source": "http", "status": "RECEIVED",
        "version": 1, "filled_quantity": 0, "filled_cost": 0, "cause": "submitted", "created_at": AT, "updated_at": AT,
    }  # fmt: skip
