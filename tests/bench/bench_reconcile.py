"""A nightly reconciliation of 10,000 positions: two looks and acting, without the wait between them, on both databases.

The venue answers at once, from memory: what its network and ccxt's reading of 10,000 balances take comes on top.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import structlog

from models.reconciliation import RunStatus
from models.reports import OrderReport, VenueBalance
from settings import Settings
from storage import schema
from storage.breaks import found_in
from storage.engine import read, write
from storage.ledger import invariants, open_venue_account
from storage.reconciliations import get_run
from tasks.reconcile import reconcile_account
from tasks.runtime import Runtime
from workflows import nightly

pytestmark = pytest.mark.bench

POSITIONS = 10_000
#: of them differ within the tolerance, and beyond it
SMALL, LARGE = 500, 100
TARGET_S = 30.0


class Venue:
    """What a gateway says of an account without orders."""

    venue, account = "paper", "main"
    capabilities = SimpleNamespace(tells_movements=False, trades_kept=None, lists_all_open=True)

    def __init__(self) -> None:
        self.held = {f"A{number:05}": Decimal(1000 + number) for number in range(POSITIONS)}

    def balances(self) -> list[VenueBalance]:
        return [VenueBalance(asset=asset, free=amount, used=Decimal(0)) for asset, amount in self.held.items()]

    def all_open_orders(self) -> list[OrderReport]:
        return []

    def client_id(self, common_id: str) -> str:
        return common_id


class BenchRuntime(Runtime):
    ahead = timedelta()

    def now(self) -> datetime:
        return super().now() + self.ahead


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def runtime(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[BenchRuntime]:
    url = f"sqlite:///{tmp_path}/b.db" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    venue = {
        "paper": True, "ccxt_id": "binance", "base_url": "http://127.0.0.1:1",
        "accounts": {"main": {"api_key": "k", "secret": "s"}},
    }  # fmt: skip
    made = BenchRuntime(Settings(home=tmp_path, broker_url="memory://", database_url=url, venues={"paper": venue}))
    schema.upgrade(made.engine)
    yield made
    made.close()


def test_a_night_of_ten_thousand_positions(
    runtime: BenchRuntime, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    venue = Venue()
    gateways: Any = type("Gateways", (), {"get": lambda *_: venue, "close": lambda _: None})()
    monkeypatch.setitem(runtime.__dict__, "gateways", gateways)
    monkeypatch.setattr(nightly, "publisher_of", lambda _: type("None_", (), {"hand_over": lambda *_: None})())
    with write(runtime.engine) as conn:
        open_venue_account(conn, "paper", "main", venue.balances(), at=runtime.now())
    for number, asset in enumerate(list(venue.held)[: SMALL + LARGE]):
        venue.held[asset] += Decimal("0.001") if number < SMALL else Decimal(50)

    figures = []
    for name in ("first night", "second night"):
        run_id = nightly.request_reconciliation(runtime, "paper", "main", by="bench")
        took_s = 0.0
        for _ in range(2):
            began = time.perf_counter()
            with structlog.testing.capture_logs():
                reconcile_account(runtime, run_id=run_id, venue="paper", account="main")
            took_s += time.perf_counter() - began
            runtime.ahead += timedelta(seconds=15)
        with read(runtime.engine, snapshot=True) as conn:
            run = get_run(conn, run_id)
            assert run is not None
            assert run.status is RunStatus.DONE
            breaks = found_in(conn, run_id)
        figures.append(f"{name}: {took_s:.2f} s, {len(breaks)} breaks, {sum(new for _, new in breaks)} new")
        assert len(breaks) == (SMALL + LARGE if name == "first night" else LARGE)
    with read(runtime.engine, snapshot=True) as conn:
        assert invariants(conn) == []
    with capsys.disabled():
        engine = runtime.engine.dialect.name
        print(f"\n{engine}, {POSITIONS} positions (target {TARGET_S:.0f} s): " + "; ".join(figures))
