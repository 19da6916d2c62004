"""Cleanup of warnings and of a dry run's simulated orders: in batches, on record, and never what is open or young."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select

from settings import Settings
from settings.retention import Retention
from storage.alerts import Severity, list_alerts, record_alert
from storage.cleanup_records import list_removals
from storage.dry_run_tables import dry_run_orders, dry_run_trades
from storage.early_cancels import remember_cancel
from storage.engine import read, write
from storage.leases import take
from storage.service_tables import early_cancels, leases
from tasks.cleanup import cleanup
from tests.integration.orders.test_dry_run import in_mode, ours, theirs
from tests.support.paper import PaperProcess
from tests.support.runtime import Desk, make_settings, open_desk


@pytest.fixture
def settings(database_url: str, paper: PaperProcess, tmp_path: Path) -> Settings:
    paper.set_price("BTC/USDT", "60000")
    made = in_mode(make_settings(tmp_path, paper.url, database_url=database_url), dry_run=True)
    return made.model_copy(update={"retention": Retention(dry_run_days=7, warning_days=7)})


@pytest.fixture
def desk(settings: Settings, paper: PaperProcess, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    made = open_desk(settings, paper, monkeypatch)
    yield made
    made.runtime.close()


def simulated(desk: Desk) -> set[str]:
    """Client ids of what the simulated venue still knows."""
    with read(desk.engine) as conn:
        return set(conn.execute(select(dry_run_orders.c.client_order_id)).scalars())


def client_id(desk: Desk, order_id: str) -> str:
    (child,) = desk.document(order_id)["child_orders"]
    return str(child["venue_client_order_id"])


def removed(desk: Desk) -> dict[str, int]:
    counts: dict[str, int] = {}
    with read(desk.engine) as conn:
        for row in list_removals(conn, 1_000):
            counts[row["what"]] = counts.get(row["what"], 0) + row["count"]
    return counts


def test_of_a_dry_run_what_ended_long_ago_goes_and_what_is_open_or_ended_since_stays(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.retention.BATCH", 1)
    monkeypatch.setattr("tasks.cleanup.BATCH", 1)
    old = [desk.place(quantity="0.1") for _ in range(3)]
    for order_id in old:
        assert desk.work(order_id)["status"] == "FILLED"
    resting, ended_today = desk.limit("-1000"), desk.limit("-2000")
    for order_id in (resting, ended_today):
        assert desk.work(order_id)["status"] == "WORKING"
    desk.runtime.ahead += timedelta(days=8)
    desk.cancel(ended_today)
    desk.pump()
    assert desk.end(ended_today)[0] == "CANCELED"
    documents = {order_id: desk.document(order_id) for order_id in [*old, resting, ended_today]}
    books = (ours(desk), theirs(desk))

    cleanup(desk.runtime)

    assert simulated(desk) == {client_id(desk, resting), client_id(desk, ended_today)}
    assert {order_id: desk.document(order_id) for order_id in documents} == documents
    assert (ours(desk), theirs(desk)) == books
    with read(desk.engine) as conn:
        assert conn.execute(select(func.count()).select_from(dry_run_trades)).scalar_one() == 0
    assert {what: count for what, count in removed(desk).items() if what.startswith("dry")} == {
        "dry_run_orders": 3,
        "dry_run_trades": sum(len(documents[order_id]["fills"]) for order_id in old),
    }


def test_a_warning_goes_when_it_came_last_long_ago_and_a_critical_alert_never(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.retention.BATCH", 2)
    monkeypatch.setattr("tasks.cleanup.BATCH", 2)
    keys = {"old-1": Severity.WARNING, "old-2": Severity.WARNING, "old-3": Severity.WARNING,
            "again": Severity.WARNING, "critical": Severity.CRITICAL}  # fmt: skip
    for key, severity in keys.items():
        warn(desk, key, severity)
    desk.runtime.ahead += timedelta(days=8)
    warn(desk, "again", Severity.WARNING)

    cleanup(desk.runtime)

    with read(desk.engine) as conn:
        left = {alert["key"] for alert in list_alerts(conn)}
    assert left & {*keys} == {"again", "critical"}
    assert removed(desk)["alerts"] == 3


def warn(desk: Desk, key: str, severity: Severity) -> None:
    with write(desk.engine) as conn:
        record_alert(conn, key, kind="TEST", severity=severity, message="", detail={}, now=desk.runtime.now())


def test_early_cancels_and_short_leases_go_a_batch_at_a_time_once_their_day_is_over(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.cleanup.BATCH", 2)
    now = desk.runtime.now()
    with write(desk.engine) as conn:
        for number in range(5):
            remember_cancel(conn, "main", f"early-{number}", now=now, until=now + timedelta(hours=24))
            take(conn, f"settle:{number}", owner="test", lease_ms=1)
        take(conn, "leader", owner="test", lease_ms=1)  # its epoch fences: it stays for good

    for hours, left in ((23, 5), (3, 0)):
        desk.runtime.ahead += timedelta(hours=hours)
        cleanup(desk.runtime)
        with read(desk.engine) as conn:
            assert conn.execute(select(func.count()).select_from(early_cancels)).scalar_one() == left
            names = set(conn.execute(select(leases.c.name)).scalars())
        assert len([name for name in names if name in {f"settle:{number}" for number in range(5)}]) == left
    assert "leader" in names
    assert (removed(desk)["early_cancels"], removed(desk)["leases"]) == (5, 5)
    with read(desk.engine) as conn:
        assert max(row["count"] for row in list_removals(conn, 100)) == 2
