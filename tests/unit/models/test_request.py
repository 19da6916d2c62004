"""Contract 1, line by line: what a request may say, and what each refusal names."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.errors import FieldError, InvalidRequest
from models.exact_json import loads_exact
from models.request import FIELDS, Notify, OrderRequest, RequestDefaults, canonical, from_canonical, parse_request
from models.vocabulary import OrderType, Side, TimeInForce

DEFAULTS = RequestDefaults()
ALL_OR_NOTHING = RequestDefaults(enable_partial_fills=False)

MARKET: Mapping[str, Any] = {
    "client_order_id": "desk-1",
    "venue": "paper",
    "symbol": "BTC/USDT",
    "side": "buy",
    "type": "market",
    "quantity": "0.5",
}
LIMIT: Mapping[str, Any] = {**MARKET, "type": "limit", "price": "25000.5"}


def parse(data: object, defaults: RequestDefaults = DEFAULTS) -> OrderRequest:
    return parse_request(data, defaults)


def errors_of(data: object, defaults: RequestDefaults = DEFAULTS) -> dict[str, FieldError]:
    with pytest.raises(InvalidRequest) as refused:
        parse_request(data, defaults)
    return {error.field: error for error in refused.value.errors}


def test_a_market_order_gets_the_contracts_defaults() -> None:
    assert parse(MARKET) == OrderRequest(
        schema_version=1,
        client_order_id="desk-1",
        venue="paper",
        account="main",
        symbol="BTC/USDT",
        side=Side.BUY,
        type=OrderType.MARKET,
        quantity=Decimal("0.5"),
        price=None,
        time_in_force=TimeInForce.GTC,
        post_only=False,
        submitted_at=None,
        expires_at=None,
        decision_price=None,
        algorithm={"name": "single"},
        fill_policy={"name": "accept_partial"},
        notify=None,
        tags={},
    )


def test_every_field_is_read() -> None:
    request = parse(
        {
            **LIMIT,
            "schema_version": 1,
            "account": "desk2",
            "side": "sell",
            "time_in_force": "GTC",
            "post_only": True,
            "submitted_at": "2030-01-31T12:00:00Z",
            "expires_at": "2030-01-31T14:00:00.123456789+01:00",
            "decision_price": "25001",
            "algorithm": {"name": "single"},
            "fill_policy": {"name": "accept_partial"},
            "notify": {"queue": "desk", "task": "desk.order_changed"},
            "tags": {"strategy": "momentum", "Büro": "Zürich"},
        }
    )

    assert request.account == "desk2"
    assert request.side is Side.SELL
    assert request.price == Decimal("25000.5")
    assert request.post_only is True
    assert request.submitted_at == datetime(2030, 1, 31, 12, tzinfo=UTC)
    assert request.expires_at == datetime(2030, 1, 31, 13, 0, 0, 123456, tzinfo=UTC)
    assert request.decision_price == Decimal(25001)
    assert request.notify == Notify(queue="desk", task="desk.order_changed")
    assert request.tags == {"strategy": "momentum", "Büro": "Zürich"}


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (b'"0.1"', Decimal("0.1")),
        (b"0.1", Decimal("0.1")),
        (b"1", Decimal(1)),
        (b"1e-5", Decimal("0.00001")),
        (b"0.1000000000000000055", None),
        (b"12345678901234567890.123456789012345678", Decimal("12345678901234567890.123456789012345678")),
    ],
)
def test_a_json_number_is_read_by_its_digits(written: bytes, read: Decimal | None) -> None:
    data = {**MARKET, **loads_exact(b'{"quantity": %s}' % written)}

    if read is None:
        assert "quantity" in errors_of(data)
    else:
        assert parse(data).quantity == read


@pytest.mark.parametrize("field", ["client_order_id", "venue", "symbol", "side", "type", "quantity"])
@pytest.mark.parametrize("missing", [True, False])
def test_a_required_field_is_asked_for(field: str, missing: bool) -> None:
    data = {name: value for name, value in MARKET.items() if name != field}
    if not missing:
        data[field] = None

    error = errors_of(data)[field]

    assert error.rule == "is required"
    assert error.value == (None if missing else "null")


@pytest.mark.parametrize(
    "field", sorted(set(FIELDS) - {"client_order_id", "venue", "symbol", "side", "type", "quantity"})
)
def test_null_is_the_absence_of_an_optional_field(field: str) -> None:
    assert parse({**MARKET, field: None}) == parse(MARKET)


# field, what is sent instead of the good order's, and parts of the rule, the value shown and the nearest that would do
BAD: list[tuple[str, Mapping[str, Any], str, str | None, str | None]] = [
    ("schema_version", {"schema_version": 2}, "must be 1", "2", "1"),
    ("schema_version", {"schema_version": "1"}, "must be 1", "1", "1"),
    ("schema_version", {"schema_version": True}, "must be 1", "true", "1"),
    ("client_order_id", {"client_order_id": ""}, "1 to 64", "", None),
    ("client_order_id", {"client_order_id": "x" * 65}, "1 to 64", "x" * 65, None),
    ("client_order_id", {"client_order_id": "a b"}, "1 to 64", "a b", None),
    ("client_order_id", {"client_order_id": "a\n"}, "1 to 64", "a�", None),
    ("client_order_id", {"client_order_id": "é"}, "1 to 64", "é", None),
    ("client_order_id", {"client_order_id": 7}, "1 to 64", "7", None),
    ("venue", {"venue": 7}, "configured venue", "7", None),
    ("venue", {"venue": "a/b"}, "configured venue", "a/b", None),
    ("account", {"account": ["main"]}, "account of the venue", '["main"]', None),
    ("symbol", {"symbol": "BTCUSDT"}, "version 1 is spot trading", "BTCUSDT", None),
    ("symbol", {"symbol": "BTC/USDT:USDT"}, "version 1 is spot trading", "BTC/USDT:USDT", None),
    ("symbol", {"symbol": "BTC/USDT:USDT-240927-60000-C"}, "spot", "BTC/USDT:USDT-240927-60000-C", None),
    ("symbol", {"symbol": "BTC/USDT/X"}, "spot", "BTC/USDT/X", None),
    ("symbol", {"symbol": "ＢＴＣ/USDT"}, "spot", "ＢＴＣ/USDT", None),
    ("side", {"side": "BUY"}, "must be buy or sell", "BUY", "buy"),
    ("side", {"side": "short"}, "must be buy or sell", "short", None),
    ("side", {"side": {}}, "must be buy or sell", "{}", None),
    ("type", {"type": "stop"}, "must be market or limit", "stop", None),
    ("type", {"type": "Limit"}, "must be market or limit", "Limit", "limit"),
    ("quantity", {"quantity": "0"}, "greater than 0", "0", None),
    ("quantity", {"quantity": "0.000"}, "greater than 0", "0.000", None),
    ("quantity", {"quantity": "-1"}, "plain decimal", "-1", None),
    ("quantity", {"quantity": Decimal(-1)}, "positive", "-1", None),
    ("quantity", {"quantity": "1e400"}, "plain decimal", "1e400", None),
    ("quantity", {"quantity": "NaN"}, "plain decimal", "NaN", None),
    ("quantity", {"quantity": "Infinity"}, "plain decimal", "Infinity", None),
    ("quantity", {"quantity": "9" * 5000}, "plain decimal", "9" * 80 + "…", None),
    ("quantity", {"quantity": "٣"}, "plain decimal", "٣", None),
    ("quantity", {"quantity": "３"}, "plain decimal", "３", None),
    ("quantity", {"quantity": "1_000"}, "plain decimal", "1_000", None),
    ("quantity", {"quantity": "1,5"}, "plain decimal", "1,5", None),
    ("quantity", {"quantity": " 1"}, "plain decimal", " 1", None),
    ("quantity", {"quantity": "1\n"}, "plain decimal", "1�", None),
    ("quantity", {"quantity": "+1"}, "plain decimal", "+1", None),
    ("quantity", {"quantity": "1."}, "plain decimal", "1.", None),
    ("quantity", {"quantity": ".5"}, "plain decimal", ".5", None),
    ("quantity", {"quantity": "0x10"}, "plain decimal", "0x10", None),
    ("quantity", {"quantity": ""}, "plain decimal", "", None),
    ("quantity", {"quantity": "0.1234567890123456789"}, "18", "0.1234567890123456789", None),
    ("quantity", {"quantity": 0.1}, "decimal string", "0.1", None),
    ("quantity", {"quantity": float("nan")}, "decimal string", "NaN", None),
    ("quantity", {"quantity": True}, "decimal string", "true", None),
    ("quantity", {"quantity": ["1"]}, "decimal string", '["1"]', None),
    ("quantity", loads_exact(b'{"quantity": 1e400}'), "20 digits before", "1e400", None),
    ("quantity", loads_exact(b'{"quantity": 1e99999999999999999999}'), "20 digits", "1e99999999999999999999", None),
    ("quantity", loads_exact(b'{"quantity": ' + b"9" * 5000 + b"}"), "20 digits", "9" * 80 + "…", None),
    ("quantity", loads_exact(b'{"quantity": 123456789012345678901}'), "20 digits", "123456789012345678901", None),
    ("quote_quantity", {"quote_quantity": "100"}, "not available in version 1", "100", None),
    ("price", {"price": "100"}, "forbidden for a market order", "100", None),
    ("price", {"type": "limit"}, "required for a limit order", None, None),
    ("price", {"type": "limit", "price": "0"}, "greater than 0", "0", None),
    ("price", {"type": "limit", "price": "1e2"}, "plain decimal", "1e2", None),
    ("time_in_force", {"time_in_force": "GTD"}, "must be GTC, IOC or FOK", "GTD", "GTC"),
    ("time_in_force", {"time_in_force": "ioc"}, "must be GTC, IOC or FOK", "ioc", "IOC"),
    ("post_only", {"post_only": "true"}, "true or false", "true", None),
    ("post_only", {"post_only": 1}, "true or false", "1", None),
    ("post_only", {"post_only": True}, "limit orders only", "true", "false"),
    ("post_only", {**LIMIT, "post_only": True, "time_in_force": "IOC"}, "needs the time in force GTC", "true", "false"),
    ("submitted_at", {"submitted_at": "yesterday"}, "RFC 3339", "yesterday", None),
    ("submitted_at", {"submitted_at": 1_700_000_000}, "RFC 3339", "1700000000", None),
    ("expires_at", {"expires_at": "2030-01-31T12:00:00"}, "with a zone", "2030-01-31T12:00:00", None),
    ("expires_at", {"expires_at": "2030-02-30T12:00:00Z"}, "that exists", "2030-02-30T12:00:00Z", None),
    ("expires_at", {"expires_at": "0001-01-01T00:00:00+23:00"}, "that exists", "0001-01-01T00:00:00+23:00", None),
    ("decision_price", {"decision_price": "x"}, "plain decimal", "x", None),
    ("algorithm", {"algorithm": "single"}, "must be an object", "single", None),
    ("algorithm.name", {"algorithm": {}}, "is required", None, None),
    ("algorithm.name", {"algorithm": {"name": "twapp"}}, "must be single, twap", "twapp", "twap"),
    ("algorithm.slices", {"algorithm": {"name": "single", "slices": 3}}, "is unknown", "3", None),
    ("fill_policy.name", {"fill_policy": {"name": 3}}, "must be accept_partial", "3", None),
    ("notify", {"notify": "desk"}, "must be an object", "desk", None),
    ("notify.queue", {"notify": {"task": "t"}}, "is required", None, None),
    ("notify.task", {"notify": {"queue": "q", "task": "a b"}}, "1 to 128", "a b", None),
    ("notify.extra", {"notify": {"queue": "q", "task": "t", "extra": 1}}, "is unknown", "1", None),
    ("tags", {"tags": ["a"]}, "must be an object", '["a"]', None),
    ("tags", {"tags": {str(number): "x" for number in range(17)}}, "at most 16", "17 pairs", None),
    ("tags.a", {"tags": {"a": 1}}, "a string of at most 64", "1", None),
    ("tags.a", {"tags": {"a": "x" * 65}}, "at most 64", "x" * 65, None),
    ("tags.a", {"tags": {"a": "x\x00"}}, "printable", "x�", None),
    ("tags.a", {"tags": {"a": "\ud800"}}, "printable", "�", None),
    ("tags.", {"tags": {"": "x"}}, "must have a name", "", None),
    ("clinet_order_id", {"clinet_order_id": "x"}, "is unknown", "x", "client_order_id"),
    ("qty", {"qty": "1"}, "is unknown", "1", None),
]  # fmt: skip


@pytest.mark.parametrize(("field", "change", "rule", "value", "nearest"), BAD, ids=lambda part: str(part)[:40])
def test_a_bad_field_is_named_with_rule_value_and_nearest(
    field: str, change: Mapping[str, Any], rule: str, value: str | None, nearest: str | None
) -> None:
    errors = errors_of({**MARKET, **change})

    assert set(errors) == {field}, "nothing else may be blamed"
    assert rule in errors[field].rule
    assert (errors[field].value, errors[field].nearest) == (value, nearest)


@pytest.mark.parametrize(
    ("change", "field", "value", "nearest"),
    [
        ({"algorithm": {"name": "twap", "duration_s": 60}}, "algorithm.name", "twap", "iceberg or single"),
        ({"algorithm": {"name": "vwap"}}, "algorithm.name", "vwap", "iceberg or single"),
        ({"fill_policy": {"name": "retry_remaining"}}, "fill_policy.name", "retry_remaining", "accept_partial"),
    ],
)
def test_what_a_version_does_not_execute_yet_is_told_from_what_does_not_exist(
    change: Mapping[str, Any], field: str, value: str, nearest: str
) -> None:
    early = RequestDefaults(algorithms={"single", "iceberg"}, fill_policies={"accept_partial"})

    errors = errors_of({**MARKET, **change}, early)

    assert set(errors) == {field}, "its parameters are no matter yet"
    assert (errors[field].rule, errors[field].value, errors[field].nearest) == ("is not available yet", value, nearest)


def test_every_broken_field_is_listed_known_ones_first_in_their_own_order() -> None:
    with pytest.raises(InvalidRequest) as refused:
        parse({"zzz": 1, "quantity": "x", "side": "up", "schema_version": 9})

    assert [error.field for error in refused.value.errors] == [
        "schema_version", "client_order_id", "venue", "symbol", "side", "type", "quantity", "zzz",
    ]  # fmt: skip


def test_a_hundred_thousand_unknown_fields_do_not_make_as_many_errors() -> None:
    errors = errors_of({**MARKET, **{f"field{number}": 1 for number in range(100_000)}})

    assert len(errors) == 21
    assert "99980 further unknown fields" in errors[""].rule


@pytest.mark.parametrize("data", [None, [], "order", 7, Decimal(1), b"{}"])
def test_what_is_no_object_is_refused(data: object) -> None:
    assert errors_of(data)[""].rule == "must be a JSON object"


@pytest.mark.parametrize("order", [MARKET, LIMIT])
def test_without_partial_fills_an_order_becomes_fill_or_kill(order: Mapping[str, Any]) -> None:
    assert parse(order, ALL_OR_NOTHING).time_in_force is TimeInForce.FOK
    assert parse({**order, "time_in_force": "FOK"}, ALL_OR_NOTHING).time_in_force is TimeInForce.FOK


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"time_in_force": "GTC"}, "time_in_force"),
        ({"time_in_force": "IOC"}, "time_in_force"),
        ({"post_only": True}, "post_only"),
        ({"algorithm": {"name": "twap", "duration_s": 60, "slices": 2}}, "algorithm.name"),
    ],
)
def test_without_partial_fills_what_may_fill_partly_is_refused(change: Mapping[str, Any], field: str) -> None:
    assert set(errors_of({**LIMIT, **change}, ALL_OR_NOTHING)) == {field}


# ------------------------------------------------------------------------------------------------- the same request

SAME: list[tuple[Mapping[str, Any], Mapping[str, Any]]] = [
    ({"quantity": "1.0"}, {"quantity": "1"}),
    ({"quantity": Decimal("1E+2")}, {"quantity": "100"}),
    ({"quantity": 1}, {"quantity": "1"}),
    ({}, {"account": "main"}),
    ({}, {"schema_version": 1, "time_in_force": "GTC", "post_only": False, "tags": {}}),
    ({}, {"algorithm": {"name": "single"}, "fill_policy": {"name": "accept_partial"}}),
    ({}, {"price": None, "notify": None, "submitted_at": None}),
    ({"expires_at": "2030-01-31T12:00:00Z"}, {"expires_at": "2030-01-31T13:00:00.000+01:00"}),
    ({"tags": {"a": "1", "b": "2"}}, {"tags": {"b": "2", "a": "1"}}),
]


@pytest.mark.parametrize(("one", "other"), SAME, ids=str)
def test_the_same_request_in_other_words_is_the_same(one: Mapping[str, Any], other: Mapping[str, Any]) -> None:
    assert canonical(parse({**MARKET, **one})) == canonical(parse({**MARKET, **other}))


@pytest.mark.parametrize(
    "change",
    [
        {"client_order_id": "desk-2"}, {"venue": "binance"}, {"account": "desk2"}, {"symbol": "ETH/USDT"},
        {"side": "sell"}, {"quantity": "0.50000001"}, {"price": "25000.51"}, {"type": "market", "price": None},
        {"time_in_force": "IOC"}, {"post_only": True}, {"submitted_at": "2030-01-31T12:00:00Z"},
        {"expires_at": "2030-01-31T12:00:00Z"}, {"decision_price": "1"}, {"notify": {"queue": "q", "task": "t"}},
        {"tags": {"a": "1"}},
    ],
    ids=str,
)  # fmt: skip
def test_another_request_is_another(change: Mapping[str, Any]) -> None:
    assert canonical(parse({**LIMIT, **change})) != canonical(parse(LIMIT))


positive = st.decimals(min_value=Decimal("1e-18"), max_value=Decimal(99999999999999999999), places=18).map(
    lambda number: format(number, "f")
)
moments = st.datetimes(min_value=datetime(1971, 1, 1), max_value=datetime(2200, 1, 1)).map(  # noqa: DTZ001
    lambda moment: moment.isoformat() + "Z"
)
requests = st.fixed_dictionaries(
    {
        "client_order_id": st.from_regex(r"[A-Za-z0-9._:-]{1,64}", fullmatch=True),
        "venue": st.just("paper"),
        "symbol": st.just("BTC/USDT"),
        "side": st.sampled_from(["buy", "sell"]),
        "type": st.just("limit"),
        "quantity": positive,
        "price": positive,
    },
    optional={
        "time_in_force": st.sampled_from(["GTC", "IOC", "FOK"]),
        "submitted_at": moments,
        "expires_at": moments,
        "decision_price": positive,
        "tags": st.dictionaries(
            st.from_regex(r"[a-z]{1,8}", fullmatch=True), st.text(max_size=5).filter(str.isprintable)
        ),
    },
)


@given(requests.filter(lambda data: len(data.get("tags", {})) <= 16))
def test_what_canonical_writes_from_canonical_reads(data: dict[str, Any]) -> None:
    request = parse(data)

    assert from_canonical(canonical(request)) == request


@given(st.dictionaries(st.sampled_from(FIELDS) | st.text(), st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.decimals() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3), max_leaves=5,
)))  # fmt: skip
def test_whatever_comes_is_read_or_refused_in_sentences(data: dict[str, Any]) -> None:
    refusal = None
    try:
        parse(data)
    except InvalidRequest as refused:
        refusal = refused

    if refusal is not None:
        assert refusal.errors
        assert str(refusal).encode()
