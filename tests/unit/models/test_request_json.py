"""Bytes become a JSON object by its literal digits, or are refused in a sentence."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from models.errors import Malformed
from models.exact_json import MAX_DEPTH, json_shown, loads_exact

BAD = [
    (b"", "body", "must be a JSON object", "nothing"),
    (b"  ", "body", "must be a JSON object", "nothing"),
    (b"nonsense", "body", "must be JSON", "nonsense"),
    (b'{"a": 1,}', "body", "must be JSON", '{"a": 1,}'),
    (b"{'a': 1}", "body", "must be JSON", "{'a': 1}"),
    (b'{"a": 1} x', "body", "must be JSON", '{"a": 1} x'),
    (b'{"a": 01}', "body", "must be JSON", '{"a": 01}'),
    (b'{"a": "\x01"}', "body", "must be JSON", '{"a": "�"}'),
    (b"[]", "body", "must be a JSON object", "[]"),
    (b'"text"', "body", "must be a JSON object", '"text"'),
    (b"7", "body", "must be a JSON object", "7"),
    (b"null", "body", "must be a JSON object", "null"),
    (b"\xef\xbb\xbf{}", "body", "byte order mark", None),
    (b'{"a": "\xff"}', "body", "must be UTF-8", "byte 7 is 0xff"),
    ('{"a": 1}'.encode("utf-16"), "body", "must be UTF-8", "byte 0 is 0xff"),
    (b'{"quantity": NaN}', "quantity", "must be a JSON value", "NaN"),
    (b'{"quantity": -Infinity}', "quantity", "must be a JSON value", "-Infinity"),
    (b'{"a": {"b": [1, Infinity]}}', "a.b.1", "must be a JSON value", "Infinity"),
    (b'{"quantity": "1", "side": "buy", "quantity": "2"}', "quantity", "must be named once", "2"),
    (b'{"a": {"b": 1, "b": 1}}', "b", "must be named once", "1"),
    (b"[" * 100_000, "body", "must nest at most", None),
    (b'{"a":' * 100_000, "body", "must nest at most", None),
    (b'{"a":' * MAX_DEPTH + b"{}" + b"}" * MAX_DEPTH, "body", "must nest at most", None),
]


@pytest.mark.parametrize(("body", "field", "rule", "value"), BAD, ids=lambda part: str(part)[:30])
def test_what_is_no_json_object_is_refused_with_its_place(
    body: bytes, field: str, rule: str, value: str | None
) -> None:
    with pytest.raises(Malformed) as refused:
        loads_exact(body)

    (error,) = refused.value.errors
    assert error.field == field
    assert rule in error.rule
    assert error.value == value
    assert refused.value.status == 400


def test_numbers_keep_the_digits_that_were_sent() -> None:
    read = loads_exact(
        b'{"a": 0.1, "b": 1, "c": 1.0, "d": -0.0, "e": 100000000000000000000000001.5, "f": 9007199254740993}'
    )

    assert read == {
        "a": Decimal("0.1"), "b": 1, "c": Decimal("1.0"), "d": Decimal("-0.0"),
        "e": Decimal("100000000000000000000000001.5"), "f": 9007199254740993,
    }  # fmt: skip
    assert str(read["c"]) == "1.0"
    assert not any(isinstance(value, float) for value in read.values())


def test_the_deepest_object_that_is_allowed_is_read() -> None:
    body = b'{"a":' * (MAX_DEPTH - 1) + b"{}" + b"}" * (MAX_DEPTH - 1)

    assert isinstance(loads_exact(body), dict)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "true"), (None, "null"), (Decimal("1.50"), "1.50"), (10**100, "a whole number of 333 bits"),
        ("a\nb", "a�b"), ({"a": [1, Decimal("0.1")]}, '{"a": [1, "0.1"]}'), ("x" * 81, "x" * 80 + "…"),
    ],
)  # fmt: skip
def test_a_value_is_shown_short_and_on_one_line(value: object, text: str) -> None:
    assert json_shown(value) == text


@given(st.binary())
@example(b'{"\\ud800": "\\udfff"}')
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    try:
        loads_exact(body)
    except Malformed as refused:
        str(refused).encode()


@given(st.dictionaries(st.text(), st.recursive(st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=5)))  # fmt: skip
def test_what_python_writes_is_read_as_it_was(value: dict[str, object]) -> None:
    assert loads_exact(json.dumps(value).encode("utf-8", "surrogatepass")) == value
