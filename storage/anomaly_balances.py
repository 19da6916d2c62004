"""Points of balances: what each full reconciliation's second look saw to differ, and 0 for every other asset."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, bindparam, select

from accounting.anomalies.points import Told, balance_point
from models.reconciliation import RunScope
from storage.anomaly_points import SETTLED
from storage.ledger_tables import ledger_accounts
from storage.reconciliation_tables import reconciliation_looks as looks
from storage.reconciliation_tables import reconciliations
from storage.types import Timestamp

_LOOKS = (
    select(looks)
    .join(reconciliations, reconciliations.c.id == looks.c.run_id)
    .where(
        reconciliations.c.scope == RunScope.FULL,
        looks.c.number == 2,
        looks.c.at > bindparam("after", type_=Timestamp()),
        looks.c.at <= bindparam("before", type_=Timestamp()),
    )
    .order_by(looks.c.at, looks.c.run_id, looks.c.venue, looks.c.account)
)
_ASSETS = (
    select(ledger_accounts.c.asset)
    .where(ledger_accounts.c.venue == bindparam("venue"), ledger_accounts.c.account == bindparam("account"))
    .distinct()
    .order_by(ledger_accounts.c.asset)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class BalancePage:
    points: tuple[Told, ...]
    #: the next page begins behind this time
    last: datetime
    is_full: bool


def read_balance_points(conn: Connection, *, after: datetime, now: datetime, limit: int) -> BalancePage:
    """What the next looks tell, whole moments of at least ``limit`` looks: two looks may have one time."""
    found: list[Mapping[Any, Any]] = []
    for row in conn.execute(_LOOKS, {"after": after, "before": now - SETTLED}).mappings():
        if len(found) >= limit and row["at"] > found[-1]["at"]:
            break
        found.append(row)
    points = tuple(point for row in found for point in _points(conn, row))
    return BalancePage(points=points, last=found[-1]["at"] if found else after, is_full=len(found) >= limit)


def _points(conn: Connection, row: Mapping[Any, Any]) -> Iterator[Told]:
    place = {"venue": row["venue"], "account": row["account"]}
    body = row["body"]
    differing = {one["asset"]: (Decimal(one["ours"]), Decimal(one["theirs"])) for one in body["balances"]}
    # What requests of ours may have moved meanwhile tells nothing.
    assets = {*conn.execute(_ASSETS, place).scalars(), *differing} - set(body["blurred"])
    for asset in sorted(assets):
        ours, theirs = differing.get(asset, (Decimal(0), Decimal(0)))
        yield balance_point(**place, asset=asset, ours=ours, theirs=theirs, at=row["at"], source=row["run_id"])
