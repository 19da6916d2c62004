"""Contract 1.1: what each algorithm takes, what it is called in canonical form, and what each refusal names."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.algorithm import (
    ALGORITHMS,
    MAX_SLICES,
    Adaptive,
    Algorithm,
    Iceberg,
    Pov,
    Single,
    Twap,
    Vwap,
    algorithm_to_json,
    seconds,
    slots_of,
)
from models.canonical_parts import algorithm_from_json
from models.errors import FieldError, InvalidRequest
from models.exact_json import loads_exact
from models.request import OrderRequest, RequestDefaults, canonical, from_canonical, parse_request

D = Decimal
DEFAULTS = RequestDefaults(algorithms=ALGORITHMS)
LIMIT: Mapping[str, Any] = {
    "client_order_id": "desk-1", "venue": "paper", "symbol": "BTC/USDT", "side": "buy", "type": "limit",
    "quantity": "10", "price": "100",
}  # fmt: skip


def parse(algorithm: object, **changes: object) -> OrderRequest:
    return parse_request({**LIMIT, "algorithm": algorithm, **changes}, DEFAULTS)


def read(algorithm: object) -> Algorithm:
    return algorithm_from_json(parse(algorithm).algorithm)


def errors_of(algorithm: object, **changes: object) -> dict[str, FieldError]:
    with pytest.raises(InvalidRequest) as refused:
        parse(algorithm, **changes)
    return {error.field: error for error in refused.value.errors}


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ({"name": "single"}, Single()),
        ({"name": "twap", "duration_s": 60, "slices": 6}, Twap(duration_s=D(60), slices=6)),
        (
            {"name": "twap", "duration_s": "0.5", "interval_s": D("0.1"), "jitter": "0.25"},
            Twap(duration_s=D("0.5"), interval_s=D("0.1"), jitter=D("0.25")),
        ),
        (
            {"name": "twap", "duration_s": 60, "slices": "6", "start_at": "2030-01-31T13:00:00+01:00"},
            Twap(duration_s=D(60), slices=6, start_at=datetime(2030, 1, 31, 12, tzinfo=UTC)),
        ),
        ({"name": "vwap", "duration_s": 60, "slices": 6}, Vwap(duration_s=D(60), slices=6, lookback_days=7)),
        (
            {"name": "vwap", "duration_s": 60, "interval_s": 10, "profile": "history", "lookback_days": 30},
            Vwap(duration_s=D(60), interval_s=D(10), lookback_days=30),
        ),
        (
            {"name": "vwap", "duration_s": 60, "profile": [1, "3", D("0.5")]},
            Vwap(duration_s=D(60), profile=(D(1), D(3), D("0.5"))),
        ),
        (
            {"name": "vwap", "duration_s": 60, "slices": 2, "profile": [1, 0]},
            Vwap(duration_s=D(60), slices=2, profile=(D(1), D(0))),
        ),
        (
            {"name": "vwap", "duration_s": 60, "interval_s": 30, "profile": [1, 2]},
            Vwap(duration_s=D(60), interval_s=D(30), profile=(D(1), D(2))),
        ),
        ({"name": "iceberg", "display_quantity": "2"}, Iceberg(display_quantity=D(2))),
        (
            {"name": "iceberg", "display_quantity": 2, "jitter": "0.5", "native": True},
            Iceberg(display_quantity=D(2), jitter=D("0.5"), native=True),
        ),
        ({"name": "pov", "participation": "0.1", "duration_s": 60}, Pov(participation=D("0.1"), duration_s=D(60))),
        (
            {"name": "pov", "participation": "0.1", "duration_s": 60, "min_slice": "0.5"},
            Pov(participation=D("0.1"), duration_s=D(60), min_slice=D("0.5")),
        ),
        (
            {"name": "adaptive", "duration_s": 60, "slices": 6, "risk_aversion": "0.000001"},
            Adaptive(duration_s=D(60), slices=6, risk_aversion=D("0.000001")),
        ),
        (
            {"name": "adaptive", "duration_s": 60, "slices": 6, "risk_aversion": 0},
            Adaptive(duration_s=D(60), slices=6, risk_aversion=D(0)),
        ),
    ],
)
def test_parameters_are_read_and_come_back_from_the_row(written: Mapping[str, object], value: Algorithm) -> None:
    request = parse(written)

    assert algorithm_from_json(request.algorithm) == value
    assert parse(request.algorithm) == request, "the canonical form is a request again"
    assert from_canonical(canonical(request)) == request


def test_numbers_of_a_body_are_read_by_their_digits() -> None:
    body = loads_exact(b'{"name": "pov", "participation": 0.1, "duration_s": 6e1}')

    assert read(body) == Pov(participation=D("0.1"), duration_s=D(60))


def test_the_canonical_form_has_the_defaults_filled_in() -> None:
    assert parse({"name": "twap", "duration_s": "60.0", "slices": 6}).algorithm == {
        "name": "twap", "duration_s": "60", "slices": 6, "jitter": "0",
    }  # fmt: skip
    assert parse({"name": "vwap", "duration_s": 60, "slices": 6}).algorithm == {
        "name": "vwap", "duration_s": "60", "slices": 6, "jitter": "0", "profile": "history", "lookback_days": 7,
    }  # fmt: skip
    assert parse({"name": "iceberg", "display_quantity": "1.50"}).algorithm == {
        "name": "iceberg", "display_quantity": "1.5", "jitter": "0", "native": False,
    }  # fmt: skip


SAME = [
    ({"name": "twap", "duration_s": 60, "slices": 6}, {"name": "twap", "duration_s": "60.0", "slices": "6"}),
    (
        {"name": "twap", "duration_s": 60, "slices": 6},
        {"name": "twap", "duration_s": 60, "slices": 6, "jitter": 0, "interval_s": None, "start_at": None},
    ),
    (
        {"name": "vwap", "duration_s": 60, "slices": 6},
        {"name": "vwap", "duration_s": 60, "slices": 6, "profile": "history", "lookback_days": 7},
    ),
    ({"name": "iceberg", "display_quantity": "1.0"}, {"name": "iceberg", "display_quantity": 1, "native": False}),
]


@pytest.mark.parametrize(("one", "other"), SAME, ids=str)
def test_the_same_algorithm_in_other_words_is_the_same(one: object, other: object) -> None:
    assert canonical(parse(one)) == canonical(parse(other))


def test_another_parameter_is_another_request() -> None:
    one = {"name": "twap", "duration_s": 60, "slices": 6}

    assert canonical(parse(one)) != canonical(parse({**one, "slices": 7}))


TWAP = {"name": "twap", "duration_s": 60, "slices": 6}
BARE_TWAP = {"name": "twap", "duration_s": 60}
VWAP = {"name": "vwap", "duration_s": 60, "slices": 3}
ICEBERG = {"name": "iceberg", "display_quantity": 1}
POV = {"name": "pov", "participation": "0.1", "duration_s": 60}
ADAPTIVE = {"name": "adaptive", "duration_s": 60, "slices": 6, "risk_aversion": "0.001"}
DAYS_31 = str(31 * 86_400)

# the algorithm, and the field, part of the rule, the value and the nearest of the one refusal
BAD: list[tuple[dict[str, Any], str, str, str | None, str | None]] = [
    ({"name": "twap", "slices": 6}, "duration_s", "is required", None, None),
    ({**TWAP, "duration_s": 0}, "duration_s", f"from 0.1 to {DAYS_31}", "0", "0.1"),
    ({**TWAP, "duration_s": "-5"}, "duration_s", "plain decimal", "-5", None),
    ({**TWAP, "duration_s": 1e400}, "duration_s", "decimal string", "Infinity", None),
    ({**TWAP, "duration_s": 10**9}, "duration_s", "from 0.1", "1000000000", DAYS_31),
    ({**TWAP, "duration_s": "60.0000001"}, "duration_s", "6 digits after the point", "60.0000001", "60"),
    (BARE_TWAP, "slices", "is required (or interval_s)", None, None),
    ({**TWAP, "interval_s": 10}, "interval_s", "one too many beside slices", "10", None),
    ({**TWAP, "slices": 0}, "slices", "from 1 to 600", "0", "1"),
    ({**TWAP, "slices": "6.5"}, "slices", "a whole number", "6.5", "6"),
    (
        {**TWAP, "duration_s": 3600, "slices": MAX_SLICES + 1},
        "slices",
        f"from 1 to {MAX_SLICES}",
        str(MAX_SLICES + 1),
        str(MAX_SLICES),
    ),
    ({**TWAP, "slices": True}, "slices", "decimal string", "true", None),
    ({**TWAP, "slices": 601}, "slices", "from 1 to 600", "601", "600"),
    ({**BARE_TWAP, "interval_s": 61}, "interval_s", "shorter than a slice", "61", "60"),
    ({**BARE_TWAP, "interval_s": "0.05"}, "interval_s", "from 0.1", "0.05", "0.1"),
    (
        {**BARE_TWAP, "duration_s": 10 * MAX_SLICES, "interval_s": 1},
        "interval_s",
        f"at most {MAX_SLICES} slices",
        "1",
        "10",
    ),
    ({**TWAP, "jitter": "0.6"}, "jitter", "from 0 to 0.5", "0.6", "0.5"),
    ({**TWAP, "start_at": "12:00"}, "start_at", "RFC 3339", "12:00", None),
    ({**TWAP, "lookback_days": 7}, "lookback_days", "is unknown", "7", None),
    ({**TWAP, "slice": 6}, "slice", "is unknown", "6", "slices"),
    ({"name": "vwap", "duration_s": 60}, "slices", "is required (or interval_s)", None, None),
    ({**VWAP, "profile": "histroy"}, "profile", 'must be "history" or a list', "histroy", "history"),
    ({**VWAP, "profile": []}, "profile", f"1 to {MAX_SLICES} weights", "0 weights", None),
    ({**VWAP, "profile": [0, "0.0", 0]}, "profile", "a weight above 0", '[0, "0.0", 0]', "history"),
    ({**VWAP, "profile": [1, -1, 1]}, "profile.1", "positive", "-1", "0"),
    ({**VWAP, "profile": [1, 1, "x"]}, "profile.2", "plain decimal", "x", None),
    ({**VWAP, "profile": [1, 1, None]}, "profile.2", "decimal string", "null", None),
    ({**VWAP, "profile": [1, 1]}, "slices", "as many as profile has weights, 2", "3", "2"),
    (
        {"name": "vwap", "duration_s": 60, "interval_s": 20, "profile": [1, 1]},
        "interval_s",
        "makes 3 slices",
        "20",
        "30",
    ),
    (
        {"name": "vwap", "duration_s": "0.1", "profile": [1, 1]},
        "profile",
        "at most 1 weights in 0.1 s",
        "2 weights",
        None,
    ),
    ({**VWAP, "profile": [1, 1, 1], "lookback_days": 7}, "lookback_days", 'for the profile "history" only', "7", None),
    ({**VWAP, "lookback_days": 0}, "lookback_days", "from 1 to 90", "0", "1"),
    ({"name": "iceberg"}, "display_quantity", "is required", None, None),
    ({**ICEBERG, "display_quantity": "0"}, "display_quantity", "greater than 0", "0", None),
    ({**ICEBERG, "native": "yes"}, "native", "true or false", "yes", None),
    ({**ICEBERG, "duration_s": 60}, "duration_s", "is unknown", "60", None),
    ({"name": "pov", "duration_s": 60}, "participation", "is required", None, None),
    ({**POV, "participation": 0}, "participation", "greater than 0", "0", "0.01"),
    ({**POV, "participation": 1}, "participation", "above 0 and below 1", "1", "0.99"),
    ({**POV, "participation": "1.5"}, "participation", "above 0 and below 1", "1.5", "0.99"),
    ({**POV, "min_slice": 0}, "min_slice", "greater than 0", "0", None),
    ({"name": "pov", "participation": "0.1"}, "duration_s", "is required", None, None),
    ({**POV, "duration_s": 1}, "duration_s", "from 2 to", "1", "2"),
    ({**ADAPTIVE, "slices": None}, "slices", "is required", None, None),
    ({**ADAPTIVE, "risk_aversion": None}, "risk_aversion", "is required", "null", None),
    ({**ADAPTIVE, "risk_aversion": D(-1)}, "risk_aversion", "positive", "-1", None),
    ({**ADAPTIVE, "interval_s": 10}, "interval_s", "is unknown", "10", None),
]


@pytest.mark.parametrize(("algorithm", "field", "rule", "value", "nearest"), BAD, ids=lambda part: str(part)[:60])
def test_a_bad_parameter_is_named_with_rule_value_and_nearest(
    algorithm: dict[str, Any], field: str, rule: str, value: str | None, nearest: str | None
) -> None:
    errors = errors_of(algorithm)

    assert set(errors) == {f"algorithm.{field}"}, "nothing else may be blamed"
    (error,) = errors.values()
    assert rule in error.rule
    assert (error.value, error.nearest) == (value, nearest)


@pytest.mark.parametrize(("algorithm", "field", "rule", "value", "nearest"), [row for row in BAD if row[4] is not None])
def test_the_nearest_that_is_named_would_do(
    algorithm: dict[str, Any], field: str, rule: str, value: str, nearest: str
) -> None:
    if field == "slice":
        return  # the name that was meant, not a value
    if field.startswith("profile."):
        mended = [nearest if str(index) == field.split(".")[1] else 1 for index in range(3)]
        field, nearest = "profile", mended  # type: ignore[assignment]
    blamed: set[str] = set()

    try:
        parse({**algorithm, field: nearest})
    except InvalidRequest as refused:
        blamed = {error.field for error in refused.errors}

    assert f"algorithm.{field}" not in blamed


def test_every_broken_parameter_is_listed() -> None:
    errors = errors_of({"name": "pov", "participation": 2, "duration_s": 0, "min_slice": "x", "rate": 1})

    assert set(errors) == {f"algorithm.{name}" for name in ("participation", "duration_s", "min_slice", "rate")}


@pytest.mark.parametrize(
    ("change", "field", "nearest"),
    [
        ({"type": "market", "price": None}, "type", "limit"),
        ({"time_in_force": "IOC"}, "time_in_force", "GTC"),
    ],
)
def test_an_iceberg_rests(change: dict[str, Any], field: str, nearest: str) -> None:
    errors = errors_of(ICEBERG, **change)

    assert set(errors) == {field}
    assert "rest in the book" in errors[field].rule
    assert errors[field].nearest == nearest


def test_a_schedule_that_would_begin_after_its_order_expired_is_refused() -> None:
    noon = "2030-01-31T12:00:00Z"

    assert set(errors_of({**TWAP, "start_at": noon}, expires_at=noon)) == {"algorithm.start_at"}
    assert parse({**TWAP, "start_at": noon}, expires_at="2030-01-31T12:00:01Z"), "it may well expire on its way"


@pytest.mark.parametrize("algorithm", [TWAP, VWAP, ICEBERG, POV, ADAPTIVE], ids=lambda algorithm: algorithm["name"])
def test_without_partial_fills_only_single_is_possible(algorithm: dict[str, Any]) -> None:
    whole = RequestDefaults(enable_partial_fills=False, algorithms=ALGORITHMS)

    with pytest.raises(InvalidRequest) as refused:
        parse_request({**LIMIT, "algorithm": algorithm}, whole)

    errors = {error.field: error for error in refused.value.errors}
    assert set(errors) == {"algorithm.name"}
    assert errors["algorithm.name"].nearest == "single"


@pytest.mark.parametrize(
    ("duration_s", "interval_s", "slots"),
    [("60", "10", 6), ("10", "3", 3), ("0.5", "0.1", 5), ("60", "60", 1), ("60", "59.999999", 1)],
)
def test_an_interval_that_does_not_divide_is_stretched(duration_s: str, interval_s: str, slots: int) -> None:
    assert slots_of(Twap(duration_s=D(duration_s), interval_s=D(interval_s))) == slots


def test_seconds_are_exact() -> None:
    assert seconds(D("0.000001")) == timedelta(microseconds=1)
    assert seconds(D("2678400")) == timedelta(days=31)


junk = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.decimals(), st.text(max_size=5), st.floats()),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)),
    max_leaves=5,
)
names = st.sampled_from(
    ["duration_s", "slices", "interval_s", "start_at", "jitter", "profile", "lookback_days", "display_quantity",
     "native", "participation", "min_slice", "risk_aversion"]
)  # fmt: skip


@given(st.sampled_from(ALGORITHMS), st.dictionaries(names, junk, max_size=6))
def test_whatever_is_sent_is_read_or_refused(name: str, parameters: dict[str, object]) -> None:
    try:
        request = parse({"name": name, **parameters})
    except InvalidRequest:
        return

    assert algorithm_to_json(algorithm_from_json(request.algorithm)) == request.algorithm
