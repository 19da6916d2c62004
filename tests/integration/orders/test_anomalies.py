"""Anomalies on both databases: each order that ended counts once, in whatever portions it is read, and a move is told."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import IntegrityError

from accounting.anomalies.series import SeriesKind
from accounting.legs import AccountKind
from models.reconciliation import AccountStage, RunScope, RunStatus
from models.vocabulary import ChildStatus, OrderStatus
from settings import Anomalies, Settings
from storage.alerts import list_alerts
from storage.anomalies import AnomalyFilter, Cursor, list_anomalies, list_series
from storage.anomaly_points import SETTLED
from storage.children import insert_child, intend
from storage.engine import read, write
from storage.fills import insert_fill
from storage.ledger_tables import ledger_accounts
from storage.orders import insert_order
from storage.reconciliation_tables import reconciliation_accounts, reconciliation_looks, reconciliations
from tasks import anomalies as task
from tasks.anomalies import watch_series
from tasks.runtime import Runtime
from tests.integration.orders.conftest import ON_SQLITE
from tests.support.order_values import NOW, make_child, make_order, make_trade

TRAINING = 20
EVERY = timedelta(minutes=1)
LATER = NOW + timedelta(days=10)


class At(Runtime):
    """Its clock stands."""

    at = LATER

    def now(self) -> datetime:
        return self.at


@pytest.fixture
def runtime(engine: Engine, database_url: str, tmp_path: Path) -> At:
    settings = Settings(home=tmp_path, broker_url="memory://", database_url=database_url)
    made = At(settings.model_copy(update={"anomalies": Anomalies(training=TRAINING, persistence=3)}))
    made.engine = engine
    return made


def ended(conn: Connection, number: int, *, fee: str = "30", answered_ms: int = 20, **changes: Any) -> None:
    """A market buy of 1 BTC at 30,000 that filled at once, a minute after the one before."""
    at, name = NOW + number * EVERY, f"order-{number:04}"
    order = make_order(id=name, client_order_id=name, status=OrderStatus.RECEIVED, version=1)
    values = {name: getattr(order, name) for name in order.__slots__}
    values |= {
        "tags": {}, "request": "{}", "source": "test", "cause": "test", "rescue_at": None, "side": "buy",
        "type": "market", "time_in_force": "GTC", "mode": "live", "status": "RECEIVED", "updated_at": at,
    }  # fmt: skip
    insert_order(conn, {**values, **changes})
    child = make_child(order_id=name, status=ChildStatus.PLANNED, venue_order_id=None)
    insert_child(conn, child, cause="test", now=at)
    intend(conn, child, number=1, owner="test", timestamp=at, window_ms=5_000, now=at)
    answered_at = at + timedelta(milliseconds=answered_ms)
    conn.execute(
        text("UPDATE sends SET outcome = 'answered', answered_at = :at WHERE child_id = :child"),
        {"at": int(answered_at.timestamp() * 1_000_000), "child": child.id},
    )
    trade = make_trade(f"t-{number}", venue_order_id=f"v-{number}", fee=Decimal(fee), fee_asset="USDT", traded_at=at)
    insert_fill(conn, child, trade, now=answered_at)
    filled = "status = 'FILLED', version = version + 1, filled_quantity = quantity, filled_cost = '30000'"
    for status in ("PREPARED", "VALIDATED", "WORKING"):
        conn.execute(
            text(
                f"UPDATE orders SET status = '{status}', version = version + 1, arrival_price = '30000' WHERE id = :id"
            ),
            {"id": name},
        )
    conn.execute(text(f"UPDATE child_orders SET {filled} WHERE id = :id"), {"id": child.id})
    conn.execute(text(f"UPDATE orders SET {filled} WHERE id = :id"), {"id": name})


def history(engine: Engine, count: int = 40, *, dearer_from: int = 30, **changes: Any) -> None:
    """Fees of 10 bps, from one order on 20 bps; all else stays."""
    with write(engine) as conn:
        for number in range(count):
            ended(conn, number, fee="60" if number >= dearer_from else "30", **changes)


def test_fees_that_rise_are_told_once(runtime: At) -> None:
    history(runtime.engine)

    said = watch_series(runtime)

    assert said == "160 points, 1 anomalies"  # fee, slippage and two delays of each
    with read(runtime.engine) as conn:
        (found,) = list_anomalies(conn, AnomalyFilter())
        (alert,) = list_alerts(conn)
        series = {key.kind: (key.subject, state) for key, state, _ in list_series(conn)}
    assert (found["kind"], found["venue"], found["account"]) == (SeriesKind.FEE_BPS, "paper", "main")
    assert (found["direction"], found["median"], found["drift"]) == ("up", 10, 10)
    assert found["first_at"] == NOW + 30 * EVERY
    assert alert["kind"] == "ANOMALY"
    assert alert["message"].startswith(
        "Since 2030-01-01 00:30:00 UTC fees of paper main BTC/USDT unknown stand 10 bps above the usual 10 bps ("
    )
    assert {kind: state.points for kind, (_, state) in series.items()} == dict.fromkeys(
        set(SeriesKind) - {SeriesKind.BALANCE_BPS}, 40
    )
    assert series[SeriesKind.ACK_MS][1].baseline.median == 20
    assert watch_series(runtime) == "0 points, 0 anomalies"


def findings(engine: Engine) -> tuple[list[Any], list[Any]]:
    with read(engine) as conn:
        rows = [{**row, "found_at": None} for row in list_anomalies(conn, AnomalyFilter())]
        return rows, [(key, state) for key, state, _ in list_series(conn)]


def test_portions_and_a_crash_between_them_change_nothing(runtime: At, monkeypatch: pytest.MonkeyPatch) -> None:
    history(runtime.engine)
    watch_series(runtime)
    at_once = findings(runtime.engine)
    _begin_anew(runtime.engine)
    monkeypatch.setattr(task, "BATCH", 7)
    monkeypatch.setattr(task, "MOST_BATCHES", 3)
    moved: Callable[..., None] = task.move_cursor
    calls = iter(range(1_000))

    def dies(conn: Connection, cursor: Cursor) -> None:
        if next(calls) % 3 == 1:
            raise RuntimeError("killed before the commit")
        moved(conn, cursor)

    monkeypatch.setattr(task, "move_cursor", dies)
    for _ in range(30):
        try:
            if watch_series(runtime) == "0 points, 0 anomalies":
                break
        except RuntimeError:
            continue

    rows, series = findings(runtime.engine)
    assert ([{**row, "id": 1} for row in rows], series) == ([{**row, "id": 1} for row in at_once[0]], at_once[1])


def _begin_anew(engine: Engine) -> None:
    """Findings are for good: the tables are emptied with their guards off, as no program does."""
    with write(engine) as conn:
        if conn.dialect.name == "sqlite":
            conn.execute(text("DROP TRIGGER anomalies_delete"))
        else:
            conn.execute(text("DROP TRIGGER anomalies_append_only ON anomalies"))
        for table in ("anomalies", "anomaly_series", "anomaly_cursor", "alerts"):
            conn.execute(text(f"DELETE FROM {table}"))


def test_what_ended_a_moment_ago_waits_for_transactions_that_may_still_commit(runtime: At) -> None:
    history(runtime.engine, count=2)
    runtime.at = NOW + SETTLED - timedelta(seconds=1)
    assert watch_series(runtime) == "0 points, 0 anomalies"

    runtime.at = NOW + SETTLED
    assert watch_series(runtime) == "4 points, 0 anomalies"  # the first order; the second ended a minute later

    runtime.at = LATER
    assert watch_series(runtime) == "4 points, 0 anomalies"


@ON_SQLITE
def test_dry_runs_tell_nothing_and_a_watch_that_is_off_reads_nothing(runtime: At) -> None:
    history(runtime.engine, count=3, mode="dry_run")
    assert watch_series(runtime) == "0 points, 0 anomalies"

    runtime.settings = runtime.settings.model_copy(update={"anomalies": Anomalies(watch=False)})
    assert watch_series(runtime).startswith("not watched")


def test_a_finding_is_for_good(runtime: At) -> None:
    history(runtime.engine)
    watch_series(runtime)

    for statement in ("UPDATE anomalies SET drift = '0'", "DELETE FROM anomalies"):
        with pytest.raises(IntegrityError), write(runtime.engine) as conn:
            conn.execute(text(statement))


@ON_SQLITE
def test_differences_that_creep_night_by_night_are_told_and_a_quiet_asset_is_not(runtime: At) -> None:
    with write(runtime.engine) as conn:
        for asset in ("BTC", "USDT"):
            place = {"venue": "paper", "account": "main", "asset": asset, "kind": AccountKind.AVAILABLE}
            conn.execute(ledger_accounts.insert().values(place))
        for night in range(40):
            creeping = [{"asset": "BTC", "ours": "10", "cached": None, "theirs": "9.999"}] if night >= 25 else []
            reconciled(conn, night, creeping)

    runtime.at = NOW + timedelta(days=60)

    said = watch_series(runtime)

    assert said == "80 points, 1 anomalies"
    with read(runtime.engine) as conn:
        (found,) = list_anomalies(conn, AnomalyFilter())
    assert (found["kind"], found["subject"], found["direction"]) == (SeriesKind.BALANCE_BPS, "BTC", "down")
    assert (found["median"], found["drift"], found["order_id"]) == (0, -1, "run-30")
    assert watch_series(runtime) == "0 points, 0 anomalies"


def reconciled(conn: Connection, night: int, balances: list[dict[str, Any]]) -> None:
    """A full run of that night; its first look is of no account."""
    at, run = NOW + timedelta(days=night), f"run-{night}"
    runs = {"id": run, "scope": RunScope.FULL, "status": RunStatus.RUNNING, "started_by": "test", "started_at": at}
    conn.execute(reconciliations.insert().values(runs))
    place = {"run_id": run, "venue": "paper", "account": "main"}
    conn.execute(reconciliation_accounts.insert().values(**place, stage=AccountStage.PENDING, updated_at=at))
    for number in (1, 2):
        body = {"balances": balances, "orders": [], "blurred": []}
        conn.execute(reconciliation_looks.insert().values(**place, number=number, body=body, at=at))
