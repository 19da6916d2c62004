"""Algorithms and fill policies back from the canonical form in which an order's row keeps them."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from models.algorithm import Adaptive, Algorithm, Iceberg, Pov, Single, Twap, Vwap
from models.clock import parse_time
from models.fill_policy import (
    AcceptPartial,
    CancelAndRetry,
    FillPolicy,
    Reprice,
    RetryRemaining,
    Then,
    WaitForComplete,
)

_ALGORITHMS: Mapping[str, type[Algorithm]] = {
    "single": Single,
    "twap": Twap,
    "vwap": Vwap,
    "iceberg": Iceberg,
    "pov": Pov,
    "adaptive": Adaptive,
}
_FILL_POLICIES: Mapping[str, type[FillPolicy]] = {
    "accept_partial": AcceptPartial,
    "retry_remaining": RetryRemaining,
    "wait_for_complete": WaitForComplete,
    "cancel_and_retry": CancelAndRetry,
}
_DECIMALS = frozenset(
    {
        "duration_s",
        "interval_s",
        "jitter",
        "display_quantity",
        "participation",
        "min_slice",
        "risk_aversion",
        "delay_s",
        "timeout_s",
    }
)


def algorithm_from_json(data: Mapping[str, Any]) -> Algorithm:
    """What ``algorithm_to_json`` wrote; its rules were checked then and are not checked again."""
    return _ALGORITHMS[data["name"]](**{name: _read(name, value) for name, value in data.items()})


def fill_policy_from_json(data: Mapping[str, Any]) -> FillPolicy:
    """What ``fill_policy_to_json`` wrote; its rules were checked then and are not checked again."""
    return _FILL_POLICIES[data["name"]](**{name: _read(name, value) for name, value in data.items()})


def _read(name: str, value: Any) -> Any:
    if name in _DECIMALS:
        return Decimal(value)
    if name == "start_at":
        return parse_time(value)
    if name == "profile":
        return None if value == "history" else tuple(Decimal(weight) for weight in value)
    if name == "then":
        return Then(value)
    if name == "reprice":
        return Reprice(value)
    return value
