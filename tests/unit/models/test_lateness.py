"""When nothing of an order may be sent any more."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from models.lateness import late
from models.vocabulary import OrderType, TimeInForce
from tests.support.order_values import NOW, make_order

IOC = {"type": OrderType.LIMIT, "time_in_force": TimeInForce.IOC}
FOK = {"type": OrderType.LIMIT, "time_in_force": TimeInForce.FOK}
GTC = {"type": OrderType.LIMIT, "time_in_force": TimeInForce.GTC}
ENDS = {"expires_at": NOW + timedelta(seconds=10)}


@pytest.mark.parametrize(
    ("order", "seconds", "code"),
    [
        ({}, 60, None),
        ({}, 60.001, "TOO_OLD"),
        (IOC, 61, "TOO_OLD"),
        (FOK, 61, "TOO_OLD"),
        (GTC, 1_000_000, None),
        (GTC | ENDS, 9.999, None),
        (GTC | ENDS, 10, "EXPIRED"),
        (ENDS, 61, "EXPIRED"),
    ],
)
def test_late(order: dict[str, Any], seconds: float, code: str | None) -> None:
    reason = late(make_order(**order), NOW + timedelta(seconds=seconds), 60)

    assert (reason and reason.code) == code


def test_age_counts_from_when_the_caller_decided() -> None:
    order = make_order(submitted_at=NOW - timedelta(seconds=59))

    assert late(order, NOW, 60) is None
    assert late(order, NOW + timedelta(seconds=2), 60) is not None


def test_what_was_first_sent_in_time_is_not_called_unsent() -> None:
    reason = late(make_order(), NOW + timedelta(seconds=61), 60, sent=True)

    assert reason is None or reason.code != "TOO_OLD"
