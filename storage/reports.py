"""What venues said, kept word for word; applied to the books once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select, update

from models.clock import format_time, parse_time
from models.money import plain, plain_or_none
from models.order import ChildOrder
from models.reports import OrderReport, Trade, VenueStatus
from models.vocabulary import Liquidity, Side
from storage.order_tables import reports

_INSERT = insert(reports).returning(reports.c.id)
_APPLIED = (
    update(reports)
    .where(reports.c.id == bindparam("the_id"), reports.c.applied_at.is_(None))
    .values(applied_at=bindparam("at"))
    .execution_options(preserve_rowcount=True)
)
_UNAPPLIED = (
    select(reports.c.id, reports.c.child_id, reports.c.source, reports.c.body)
    .where(reports.c.order_id == bindparam("order_id"), reports.c.applied_at.is_(None))
    .order_by(reports.c.id)
)

_ANY_UNAPPLIED = (
    select(reports.c.id).where(reports.c.child_id == bindparam("child_id"), reports.c.applied_at.is_(None)).limit(1)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptReport:
    id: int
    child_id: str
    source: str
    report: OrderReport


def keep_report(conn: Connection, child: ChildOrder, report: OrderReport, *, source: str, now: datetime) -> int:
    """Keep it before anything is concluded from it; returns its number."""
    row_id: int = conn.execute(
        _INSERT,
        {
            "child_id": child.id,
            "order_id": child.order_id,
            "source": source,
            "body": report_to_json(report),
            "received_at": now,
        },
    ).scalar_one()
    return row_id


def mark_applied(conn: Connection, report_id: int, now: datetime) -> bool:
    """Take the report for this transaction; False when another one has applied it already."""
    return conn.execute(_APPLIED, {"the_id": report_id, "at": now}).rowcount == 1


def unapplied_reports(conn: Connection, order_id: str) -> Sequence[KeptReport]:
    """Reports of an order that nothing was concluded from yet, oldest first."""
    return [
        KeptReport(id=row.id, child_id=row.child_id, source=row.source, report=report_from_json(row.body))
        for row in conn.execute(_UNAPPLIED, {"order_id": order_id})
    ]


def has_unapplied_reports(conn: Connection, child_id: str) -> bool:
    """Whether the venue has said something of a child that nothing was concluded from yet."""
    return conn.execute(_ANY_UNAPPLIED, {"child_id": child_id}).one_or_none() is not None


def report_to_json(report: OrderReport) -> dict[str, Any]:
    return {
        "symbol": report.symbol,
        "venue_order_id": report.venue_order_id,
        "client_order_id": report.client_order_id,
        "status": report.status.value,
        "quantity": plain_or_none(report.quantity),
        "filled_quantity": plain(report.filled_quantity),
        "filled_cost": plain_or_none(report.filled_cost),
        "price": plain_or_none(report.price),
        "message": report.message,
        "trades": [_trade_to_json(trade) for trade in report.trades],
    }


def report_from_json(body: Mapping[str, Any]) -> OrderReport:
    return OrderReport(
        symbol=body["symbol"],
        venue_order_id=body["venue_order_id"],
        client_order_id=body["client_order_id"],
        status=VenueStatus(body["status"]),
        quantity=_decimal(body["quantity"]),
        filled_quantity=Decimal(body["filled_quantity"]),
        filled_cost=_decimal(body["filled_cost"]),
        price=_decimal(body["price"]),
        message=body["message"],
        trades=tuple(_trade_from_json(trade) for trade in body["trades"]),
    )


def _trade_to_json(trade: Trade) -> dict[str, Any]:
    return {
        "venue_trade_id": trade.venue_trade_id,
        "venue_order_id": trade.venue_order_id,
        "symbol": trade.symbol,
        "side": trade.side.value,
        "quantity": plain(trade.quantity),
        "price": plain(trade.price),
        "cost": plain_or_none(trade.cost),
        "fee": plain(trade.fee),
        "fee_asset": trade.fee_asset,
        "liquidity": trade.liquidity and trade.liquidity.value,
        "traded_at": format_time(trade.traded_at),
    }


def _trade_from_json(body: Mapping[str, Any]) -> Trade:
    return Trade(
        venue_trade_id=body["venue_trade_id"],
        venue_order_id=body["venue_order_id"],
        symbol=body["symbol"],
        side=Side(body["side"]),
        quantity=Decimal(body["quantity"]),
        price=Decimal(body["price"]),
        cost=_decimal(body["cost"]),
        fee=Decimal(body["fee"]),
        fee_asset=body["fee_asset"],
        liquidity=Liquidity(body["liquidity"]) if body["liquidity"] else None,
        traded_at=parse_time(body["traded_at"]),
    )


def _decimal(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)
