"""Contract 1.2: what each fill policy takes, its canonical form, and what each refusal names."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest

from models.canonical_parts import fill_policy_from_json
from models.errors import FieldError, InvalidRequest
from models.fill_policy import (
    FILL_POLICIES,
    AcceptPartial,
    CancelAndRetry,
    FillPolicy,
    Reprice,
    RetryRemaining,
    Then,
    WaitForComplete,
)
from models.request import OrderRequest, RequestDefaults, canonical, from_canonical, parse_request

D = Decimal
DEFAULTS = RequestDefaults(fill_policies=FILL_POLICIES)
LIMIT: Mapping[str, Any] = {
    "client_order_id": "desk-1", "venue": "paper", "symbol": "BTC/USDT", "side": "buy", "type": "limit",
    "quantity": "10", "price": "100",
}  # fmt: skip


def parse(policy: object, defaults: RequestDefaults = DEFAULTS, **changes: object) -> OrderRequest:
    return parse_request({**LIMIT, "fill_policy": policy, **changes}, defaults)


def errors_of(policy: object, **changes: object) -> dict[str, FieldError]:
    with pytest.raises(InvalidRequest) as refused:
        parse(policy, **changes)
    return {error.field: error for error in refused.value.errors}


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ({"name": "accept_partial"}, AcceptPartial()),
        ({"name": "retry_remaining"}, RetryRemaining(max_attempts=3, delay_s=D(1))),
        ({"name": "retry_remaining", "max_attempts": 1, "delay_s": 0}, RetryRemaining(max_attempts=1, delay_s=D(0))),
        ({"name": "wait_for_complete"}, WaitForComplete(timeout_s=D(60), then=Then.ACCEPT)),
        (
            {"name": "wait_for_complete", "timeout_s": "0.5", "then": "cancel"},
            WaitForComplete(timeout_s=D("0.5"), then=Then.CANCEL),
        ),
        ({"name": "cancel_and_retry"}, CancelAndRetry(timeout_s=D(60), max_attempts=3, reprice=Reprice.JOIN)),
        (
            {"name": "cancel_and_retry", "timeout_s": 5, "max_attempts": "100", "reprice": "cross"},
            CancelAndRetry(timeout_s=D(5), max_attempts=100, reprice=Reprice.CROSS),
        ),
    ],
)
def test_parameters_are_read_and_come_back_from_the_row(written: Mapping[str, object], value: FillPolicy) -> None:
    request = parse(written)

    assert fill_policy_from_json(request.fill_policy) == value
    assert parse(request.fill_policy) == request, "the canonical form is a request again"
    assert from_canonical(canonical(request)) == request


RETRY = {"name": "retry_remaining"}
WAIT = {"name": "wait_for_complete"}
AGAIN = {"name": "cancel_and_retry"}

BAD: list[tuple[dict[str, Any], str, str, str | None, str | None]] = [
    ({**RETRY, "max_attempts": 0}, "max_attempts", "from 1 to 100", "0", "1"),
    ({**RETRY, "max_attempts": 101}, "max_attempts", "from 1 to 100", "101", "100"),
    ({**RETRY, "max_attempts": "2.5"}, "max_attempts", "whole number", "2.5", "2"),
    ({**RETRY, "delay_s": 86_401}, "delay_s", "from 0 to 86400", "86401", "86400"),
    ({**RETRY, "delay_s": "soon"}, "delay_s", "plain decimal", "soon", None),
    ({**RETRY, "timeout_s": 5}, "timeout_s", "is unknown", "5", None),
    ({**WAIT, "timeout_s": 0}, "timeout_s", "from 0.1", "0", "0.1"),
    ({**WAIT, "timeout_s": 10**9}, "timeout_s", "from 0.1", "1000000000", "2678400"),
    ({**WAIT, "then": "accpet"}, "then", "must be accept or cancel", "accpet", "accept"),
    ({**AGAIN, "reprice": "CROSS"}, "reprice", "join, cross or keep", "CROSS", "cross"),
    ({**AGAIN, "reprice": 1}, "reprice", "join, cross or keep", "1", None),
    ({"name": "accept_partial", "delay_s": 1}, "delay_s", "is unknown", "1", None),
    ({"name": "cancel_and_retri"}, "name", "must be accept_partial", "cancel_and_retri", "cancel_and_retry"),
]


@pytest.mark.parametrize(("policy", "field", "rule", "value", "nearest"), BAD, ids=lambda part: str(part)[:60])
def test_a_bad_parameter_is_named_with_rule_value_and_nearest(
    policy: dict[str, Any], field: str, rule: str, value: str | None, nearest: str | None
) -> None:
    errors = errors_of(policy)

    assert set(errors) == {f"fill_policy.{field}"}, "nothing else may be blamed"
    (error,) = errors.values()
    assert rule in error.rule
    assert (error.value, error.nearest) == (value, nearest)


def test_cancel_and_retry_is_for_limit_orders() -> None:
    errors = errors_of(AGAIN, type="market", price=None)

    assert set(errors) == {"fill_policy.name"}
    assert "limit orders only" in errors["fill_policy.name"].rule
    assert errors["fill_policy.name"].nearest == "retry_remaining"


@pytest.mark.parametrize("policy", [RETRY, WAIT, {"name": "accept_partial"}])
def test_the_others_take_market_orders_too(policy: dict[str, Any]) -> None:
    assert parse(policy, type="market", price=None)


def test_a_post_only_order_never_crosses() -> None:
    errors = errors_of({**AGAIN, "reprice": "cross"}, post_only=True)

    assert set(errors) == {"fill_policy.reprice"}
    assert errors["fill_policy.reprice"].nearest == "join"
    assert parse({**AGAIN, "reprice": "join"}, post_only=True)


def test_a_policy_of_the_configuration_gets_its_defaults() -> None:
    configured = RequestDefaults(fill_policy="retry_remaining", fill_policies=FILL_POLICIES)

    assert parse(None, configured).fill_policy == {"name": "retry_remaining", "max_attempts": 3, "delay_s": "1"}


@pytest.mark.parametrize("policy", [RETRY, WAIT, AGAIN])
def test_without_partial_fills_policies_are_possible(policy: dict[str, Any]) -> None:
    """The contract forbids other times in force and algorithms: a fill-or-kill order may be tried again."""
    whole = RequestDefaults(enable_partial_fills=False, fill_policies=FILL_POLICIES)

    assert parse(policy, whole).time_in_force == "FOK"
