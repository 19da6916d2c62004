"""What `steadfill anomalies` shows of the API's answers."""

from __future__ import annotations

from typing import Any

import pytest

from cli import anomalies
from cli.app import run

FOUND = {
    "id": 7, "kind": "fee_bps", "venue": "paper", "account": "main", "subject": "BTC/USDT taker", "unit": "bps",
    "found_at": "2030-01-31T12:00:00.000000Z", "direction": "up", "median": "10", "scale": "0.2", "drift": "2.5",
    "tolerance": "0.5", "cusum": "15.5", "points": 9, "beyond": 8, "first_at": "2030-01-31T11:00:00.000000Z",
    "last_at": "2030-01-31T11:59:00.000000Z", "order_id": "order-1",
}  # fmt: skip
LEARNING = {
    "kind": "ack_ms", "venue": "paper", "account": "main", "subject": "", "unit": "ms", "points": 12, "learning": 12,
    "median": None, "scale_up": None, "scale_down": None, "cusum_up": "0", "cusum_down": "0",
    "last_at": "2030-01-31T12:00:00.000000Z",
}  # fmt: skip


class Api:
    """Answers a path with what a test gave it, and keeps what was asked."""

    def __init__(self, items: list[dict[str, Any]]) -> None:
        self.items = items
        self.asked: list[tuple[str, dict[str, Any]]] = []

    def get(self, path: str, **parameters: Any) -> dict[str, Any]:
        self.asked.append((path, {name: value for name, value in parameters.items() if value is not None}))
        return {"items": self.items}


def shown(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], api: Api, *arguments: str) -> str:
    monkeypatch.setattr(anomalies, "connect", lambda: api)
    assert run(["anomalies", *arguments]) == 0
    return capsys.readouterr().out


def test_a_finding_is_a_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    api = Api([FOUND])

    line = shown(monkeypatch, capsys, api, "list", "--kind", "fee_bps", "--venue", "paper").splitlines()[1]

    for part in ("7", "fee_bps paper main BTC/USDT taker", "up", "2.5", "0.5", "8 of 9", "order-1"):
        assert part in line
    assert api.asked == [("/v1/anomalies", {"kind": "fee_bps", "venue": "paper", "limit": 50})]


def test_a_series_says_that_it_learns(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert "learning, 12 points so far" in shown(monkeypatch, capsys, Api([LEARNING]), "series")


@pytest.mark.parametrize(("command", "said"), [("list", "No anomaly"), ("series", "No series")])
def test_nothing_is_a_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str, said: str
) -> None:
    assert said in shown(monkeypatch, capsys, Api([]), command)
