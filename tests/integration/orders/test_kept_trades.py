"""A venue that shows its trades for some days only: what rests for longer is followed on."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from models.reports import Trade
from tests.integration.orders.conftest import ON_SQLITE
from tests.support.runtime import Desk

KEPT = timedelta(days=3)


@ON_SQLITE
def test_an_order_that_rests_for_longer_than_trades_are_kept_is_followed(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    order_id = desk.limit("-500")
    desk.work(order_id)
    gateway = desk.runtime.gateways.get("paper", "main")
    gateway._caller.can = replace(gateway.capabilities, trades_kept=KEPT)  # type: ignore[attr-defined]
    asked: list[timedelta] = []

    def trades_since(symbol: str, since: datetime) -> list[Trade]:
        asked.append(desk.runtime.now() - since)
        return []

    monkeypatch.setattr(gateway, "trades_since", trades_since)
    desk.track()
    desk.runtime.advance(timedelta(days=5).total_seconds())
    said = desk.track()

    young, old = asked
    assert young < timedelta(hours=1), "nothing is left out while all is kept"
    assert KEPT - timedelta(hours=2) < old < KEPT, "as far back as the venue shows, and no further"
    assert "1 orders, 1 open" in said
