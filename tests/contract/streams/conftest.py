"""Connections come up at once: the servers of these tests answer before they are asked twice."""

from __future__ import annotations

import pytest

from exchanges.streams import ccxt_source


@pytest.fixture(autouse=True)
def _soon_settled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ccxt_source, "SETTLE_S", 0.1)
