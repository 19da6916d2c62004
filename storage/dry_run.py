"""What simulated venue accounts hold, shared by every process and restored with the rest of the database."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from sqlalchemy import Connection, Engine, Select, insert, select, text, update

from models.dry_run import DryRunOrder
from models.money import add
from models.reports import Trade, VenueStatus
from storage.dry_run_tables import dry_run_changes, dry_run_orders, dry_run_trades
from storage.engine import write
from storage.upsert import upsert

_NOTHING: Mapping[str, Decimal] = MappingProxyType({})


class DatabaseDryRuns:
    """The store behind the gateways of a dry run."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @contextmanager
    def account(self, venue: str, account: str) -> Iterator["DatabaseAccount"]:
        """A transaction alone with one simulated account; reading waits as well, so that nothing is missed or lost."""
        with write(self._engine) as conn:
            if conn.dialect.name == "postgresql":  # SQLite's transaction began IMMEDIATE
                lock = text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))")
                conn.execute(lock, {"name": f"dry_run:{venue}:{account}"})
            yield DatabaseAccount(conn, venue, account)


class DatabaseAccount:
    def __init__(self, conn: Connection, venue: str, account: str) -> None:
        self._conn = conn
        self._key = {"venue": venue, "account": account}

    def add(self, order: DryRunOrder) -> None:
        self._conn.execute(insert(dry_run_orders).values(**self._key, **asdict(order)))

    def save(self, order: DryRunOrder, trades: Sequence[Trade] = (), changes: Mapping[str, Decimal] = _NOTHING) -> None:
        statement = update(dry_run_orders).where(
            dry_run_orders.c.venue == self._key["venue"],
            dry_run_orders.c.account == self._key["account"],
            dry_run_orders.c.id == order.id,
        )
        self._conn.execute(statement.values(**asdict(order)))
        for trade in trades:
            self._conn.execute(insert(dry_run_trades).values(**self._key, **_trade_row(trade)))
        if changes:
            before = self.changes()
            for asset, change in changes.items():
                total = add(before.get(asset, Decimal(0)), change)
                row = upsert(self._conn, dry_run_changes).values(**self._key, asset=asset, change=total)
                keys = ["venue", "account", "asset"]
                self._conn.execute(row.on_conflict_do_update(index_elements=keys, set_={"change": total}))

    def order(self, order_id: str) -> DryRunOrder | None:
        return self._one(self._orders().where(dry_run_orders.c.id == order_id))

    def by_client_id(self, client_order_id: str) -> DryRunOrder | None:
        return self._one(self._orders().where(dry_run_orders.c.client_order_id == client_order_id))

    def open_orders(self, symbol: str | None = None) -> Sequence[DryRunOrder]:
        statement = self._orders().where(dry_run_orders.c.status == VenueStatus.OPEN)
        if symbol is not None:
            statement = statement.where(dry_run_orders.c.symbol == symbol)
        statement = statement.order_by(dry_run_orders.c.created_at, dry_run_orders.c.id)
        return [_order(row._asdict()) for row in self._conn.execute(statement)]

    def trades(self, order_id: str) -> Sequence[Trade]:
        return self._read_trades(dry_run_trades.c.order_id == order_id)

    def trades_since(self, symbol: str, since: datetime) -> Sequence[Trade]:
        return self._read_trades(dry_run_trades.c.symbol == symbol, dry_run_trades.c.traded_at >= since)

    def changes(self) -> Mapping[str, Decimal]:
        statement = select(dry_run_changes.c.asset, dry_run_changes.c.change).where(
            dry_run_changes.c.venue == self._key["venue"], dry_run_changes.c.account == self._key["account"]
        )
        return {row.asset: row.change for row in self._conn.execute(statement)}

    def _orders(self) -> Select[Any]:
        return select(dry_run_orders).where(
            dry_run_orders.c.venue == self._key["venue"], dry_run_orders.c.account == self._key["account"]
        )

    def _one(self, statement: Select[Any]) -> DryRunOrder | None:
        row = self._conn.execute(statement).one_or_none()
        return None if row is None else _order(row._asdict())

    def _read_trades(self, *which: Any) -> Sequence[Trade]:
        statement = (
            select(dry_run_trades)
            .where(
                dry_run_trades.c.venue == self._key["venue"], dry_run_trades.c.account == self._key["account"], *which
            )
            .order_by(dry_run_trades.c.traded_at, dry_run_trades.c.id)
        )
        return [_trade(row._asdict()) for row in self._conn.execute(statement)]


def _order(row: Mapping[str, Any]) -> DryRunOrder:
    return DryRunOrder(**{name: value for name, value in row.items() if name not in ("venue", "account")})


def _trade_row(trade: Trade) -> dict[str, Any]:
    return {
        "order_id": trade.venue_order_id,
        "venue_trade_id": trade.venue_trade_id,
        "symbol": trade.symbol,
        "side": trade.side,
        "quantity": trade.quantity,
        "price": trade.price,
        "fee": trade.fee,
        "fee_asset": trade.fee_asset,
        "liquidity": trade.liquidity,
        "traded_at": trade.traded_at,
    }


def _trade(row: Mapping[str, Any]) -> Trade:
    return Trade(
        venue_trade_id=row["venue_trade_id"],
        venue_order_id=row["order_id"],
        symbol=row["symbol"],
        side=row["side"],
        quantity=row["quantity"],
        price=row["price"],
        fee=row["fee"],
        fee_asset=row["fee_asset"],
        liquidity=row["liquidity"],
        traded_at=row["traded_at"],
    )
