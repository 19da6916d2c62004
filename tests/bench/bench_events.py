"""What the feed costs: orders from request to FILLED with it and without it, in turn, and how fast it is read."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import func, select

from storage import orders as storage_orders
from storage import schema
from storage.engine import read
from storage.event_tables import order_events
from storage.events import number, read_page
from tests.support.paper import PaperProcess
from tests.support.runtime import Desk, make_settings, open_desk

pytestmark = pytest.mark.bench

ORDERS = int(os.environ.get("STEADFILL_BENCH_ORDERS", "150"))
WARM_UP = 10
PAGE = 1_000


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def desk(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    url = f"sqlite:///{tmp_path}/desk.db" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    schema.upgrade(url)
    with PaperProcess(tmp_path / "venue") as venue:
        made = open_desk(make_settings(tmp_path, venue.url, database_url=url), venue, monkeypatch)
        yield made
        made.runtime.close()


def test_orders_with_and_without_the_feed(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    took: dict[bool, list[float]] = {True: [], False: []}
    for index in range(WARM_UP + ORDERS):
        for with_feed in (True, False) if index % 2 else (False, True):
            with monkeypatch.context() as patch:
                if not with_feed:
                    patch.setattr(storage_orders, "record_event", lambda *_: None)
                    patch.setattr(storage_orders, "changes_of", lambda *_: {})
                    patch.setattr(storage_orders, "new_changes", lambda *_: {})
                started = time.perf_counter()
                order_id = desk.place(quantity="0.0001")
                desk.work(order_id)
                if index >= WARM_UP:
                    took[with_feed].append((time.perf_counter() - started) * 1000)

    with read(desk.engine) as conn:
        rows = conn.execute(select(func.count()).select_from(order_events)).scalar_one()
        size = conn.execute(select(func.avg(func.length(order_events.c.changes)))).scalar_one()
    started = time.perf_counter()
    while number(desk.engine):
        pass
    numbered_s = time.perf_counter() - started
    started, after = time.perf_counter(), 0
    while items := read_page(desk.engine, after, PAGE).items:
        after = items[-1]["position"]
    read_s = time.perf_counter() - started

    without, with_feed_ms = statistics.median(took[False]), statistics.median(took[True])
    with capsys.disabled():
        print(f"\n{desk.engine.dialect.name}: {ORDERS} orders each, request to FILLED in one process")
        print(f"  without the feed p50 {without:.2f} ms, with it {with_feed_ms:.2f} ms: × {with_feed_ms / without:.3f}")
        print(f"  {rows} changes of {size:.0f} bytes; numbered {rows / numbered_s:.0f}/s, read {rows / read_s:.0f}/s")
