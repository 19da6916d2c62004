"""A clock that is wrong is told to a person once while it stays wrong."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from exchanges.capabilities import capabilities
from exchanges.gateway import Gateway
from storage.alerts import list_alerts
from storage.engine import read
from tasks.clock_skew import SPELL_ENDS_AFTER, check_clock
from tasks.refresh import refresh
from tests.support.runtime import Desk


class Ahead:
    """A venue whose clock is so many milliseconds ahead."""

    venue, account = "paper", "main"
    capabilities = capabilities("binance")

    def __init__(self, by_ms: int) -> None:
        self._by = timedelta(milliseconds=by_ms)

    def time(self) -> datetime:
        return datetime.now(UTC) + self._by


def ahead(by_ms: int) -> Gateway:
    return cast("Gateway", Ahead(by_ms))


def alerts(desk: Desk) -> list[dict[str, Any]]:
    with read(desk.engine) as conn:
        return [dict(found) for found in list_alerts(conn) if found["kind"] == "CLOCK_SKEW"]


def test_one_alert_per_spell(desk: Desk) -> None:
    # By hours: a machine that stands still for seconds changes nothing.
    for _ in range(3):
        check_clock(desk.runtime, ahead(7_200_000))
        desk.runtime.advance(300)
    (told,) = alerts(desk)
    assert told["count"] == 3
    assert "ahead" in told["message"]
    assert "NTP" in told["message"]
    assert "clock_skew_ms" in told["message"]

    check_clock(desk.runtime, ahead(0))
    desk.runtime.advance(SPELL_ENDS_AFTER.total_seconds() + 1)
    check_clock(desk.runtime, ahead(-7_200_000))

    assert [found["count"] for found in alerts(desk)] == [1, 3]


def test_a_clock_within_the_limit_is_no_alert(desk: Desk) -> None:
    check_clock(desk.runtime, ahead(0))

    assert alerts(desk) == []


def test_it_is_looked_at_whenever_instruments_are_read(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    gateway = desk.runtime.gateways.get("paper", "main")
    now = datetime.now(UTC) + timedelta(hours=2)
    monkeypatch.setattr(gateway, "time", lambda: now)

    assert "more than" in refresh(desk.runtime, venue="paper")
    assert len(alerts(desk)) == 1
