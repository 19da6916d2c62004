"""Bad input: a problem that names field, rule and value; no row, no message, no stack trace."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import httpx
import pytest

if TYPE_CHECKING:
    from tests.integration.api.conftest import Api

pytestmark = pytest.mark.integration

JSON = {"content-type": "application/json"}
GOOD: Mapping[str, Any] = {
    "client_order_id": "bad-1", "venue": "paper", "symbol": "BTC/USDT", "side": "buy", "type": "limit",
    "quantity": "0.5", "price": "25000",
}  # fmt: skip


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in GOOD.items() if key != name}


def raw(**literals: str) -> bytes:
    """The good request with some values written as they stand."""
    fields = {**{key: json.dumps(value) for key, value in GOOD.items()}, **literals}
    return ("{" + ", ".join(f'"{key}": {value}' for key, value in fields.items()) + "}").encode()


# what is sent; the status, and the field, part of the rule and of the value that the answer must name
BODIES: list[tuple[str, object, int, str, str, str | None]] = [
    ("missing", without("quantity"), 422, "quantity", "is required", None),
    ("unknown", {**GOOD, "qantity": "1"}, 422, "qantity", "is unknown", "1"),
    ("mistyped", {**GOOD, "quantity": {"amount": 1}}, 422, "quantity", "decimal string", '{"amount": 1}'),
    ("mistyped flag", {**GOOD, "post_only": "yes"}, 422, "post_only", "true or false", "yes"),
    ("NaN text", {**GOOD, "quantity": "NaN"}, 422, "quantity", "plain decimal", "NaN"),
    ("NaN", raw(quantity="NaN"), 400, "quantity", "must be a JSON value", "NaN"),
    ("infinite", raw(price="-Infinity"), 400, "price", "must be a JSON value", "-Infinity"),
    ("1e400", raw(quantity="1e400"), 422, "quantity", "at most 20 digits", "1e400"),
    ("1e400 text", {**GOOD, "quantity": "1e400"}, 422, "quantity", "plain decimal", "1e400"),
    ("5,000 digits", raw(quantity="9" * 5000), 422, "quantity", "at most 20 digits", "9" * 40),
    ("5,000 digits text", {**GOOD, "price": "9" * 5000}, 422, "price", "at most 20 digits", "9" * 40),
    ("5,000 decimals", raw(quantity="0." + "1" * 5000), 422, "quantity", "18 after the point", "0.111"),
    ("full-width", {**GOOD, "quantity": "１２"}, 422, "quantity", "plain decimal", "１２"),
    ("arabic", {**GOOD, "quantity": "٣"}, 422, "quantity", "plain decimal", "٣"),
    ("unknown symbol", {**GOOD, "symbol": "BTX/USDT"}, 422, "symbol", "paper trades", "BTX/USDT"),
    ("not spot", {**GOOD, "symbol": "BTC/USDT:USDT"}, 422, "symbol", "version 1 is spot trading", "BTC/USDT:USDT"),
    ("inactive symbol", {**GOOD, "symbol": "OLD/USDT"}, 422, "symbol", "not traded", "OLD/USDT"),
    ("unknown venue", {**GOOD, "venue": "papier"}, 422, "venue", "configured venue", "papier"),
    ("unknown account", {**GOOD, "account": "desk3"}, 422, "account", "credentials", "desk3"),
    ("under the lot", {**GOOD, "quantity": "0.00001"}, 422, "quantity", "the lot of 0.0001 BTC", "0.00001"),
    ("under the notional", {**GOOD, "quantity": "0.0001"}, 422, "quantity", "worth at least 5 USDT", "0.0001"),
    ("price of a market order", {**GOOD, "type": "market"}, 422, "price", "forbidden", "25000"),
    ("no price", without("price"), 422, "price", "required for a limit order", None),
    ("no time", {**GOOD, "algorithm": {"name": "twap", "slices": 3}}, 422, "algorithm.duration_s", "is required", None),
    ("no tries", {**GOOD, "fill_policy": {"name": "retry_remaining", "max_attempts": 0}}, 422, "fill_policy.max_attempts", "must be", "0"),
    ("quote quantity", {**GOOD, "quote_quantity": "5"}, 422, "quote_quantity", "not available in version 1", "5"),
    ("past", {**GOOD, "expires_at": "2020-01-01T00:00:00Z"}, 422, "expires_at", "must be after now", "2020-01-01"),
    ("no zone", {**GOOD, "expires_at": "2100-01-01T00:00:00"}, 422, "expires_at", "with a zone", "2100-01-01"),
    ("NUL in a tag", {**GOOD, "tags": {"a": "\x00"}}, 422, "tags.a", "printable", None),
    ("half a pair of surrogates", raw(tags='{"a": "\\ud800"}'), 422, "tags.a", "printable", None),
    ("doubled", raw() [:-1] + b', "side": "sell"}', 400, "side", "must be named once", "sell"),
    ("no JSON", b"quantity=1", 400, "body", "must be JSON", "quantity=1"),
    ("cut", raw()[:-5], 400, "body", "must be JSON", None),
    ("nothing", b"", 400, "body", "must be a JSON object", None),
    ("a list", b"[]", 400, "body", "must be a JSON object", "[]"),
    ("other encoding", raw().decode().encode("utf-16"), 400, "body", "must be UTF-8", None),
    ("byte order mark", b"\xef\xbb\xbf" + raw(), 400, "body", "byte order mark", None),
    ("deep", b'{"a":' * 200_000, 400, "body", "must nest at most", None),
    ("10 MB", b'{"a": "' + b"x" * 10_000_000 + b'"}', 413, "body", "at most 1048576 bytes", "10000009"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("body", "status", "field", "rule", "value"), [case[1:] for case in BODIES], ids=[case[0] for case in BODIES]
)
def test_bad_input_is_answered_with_field_rule_and_value_and_leaves_nothing(
    api: Api, body: object, status: int, field: str, rule: str, value: str | None
) -> None:
    before, logged = api.rows(), len(api.process.logs())

    answer = api.client.post("/v1/orders", content=body if isinstance(body, bytes) else json.dumps(body), headers=JSON)

    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == status
    (error,) = problem["errors"]
    assert error["field"] == field
    assert rule in error["rule"]
    assert value is None or value in error["value"]
    assert field in problem["detail"]
    assert api.rows() == before
    assert "Traceback" not in answer.text
    assert "Traceback" not in api.process.logs()[logged:]


def test_every_broken_field_is_listed(api: Api) -> None:
    answer = api.client.post("/v1/orders", json={"side": "up", "quantity": "x", "zzz": 1})

    fields = [error["field"] for error in answer.json()["errors"]]
    assert fields == ["client_order_id", "venue", "symbol", "side", "type", "quantity", "zzz"]


@pytest.mark.parametrize("content_type", [None, "text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin-1", "application/jsonp"])  # fmt: skip
def test_only_json_is_read(api: Api, content_type: str | None) -> None:
    headers = {} if content_type is None else {"content-type": content_type}

    answer = api.client.post("/v1/orders", content=raw(), headers=headers)

    assert answer.status_code == 415
    assert answer.json()["code"] == "UNSUPPORTED_MEDIA_TYPE"


def test_a_chunked_body_is_read_no_further_than_the_bound(api: Api) -> None:
    def chunks() -> Iterator[bytes]:
        for _ in range(160):
            yield b" " * 65_536

    answer = api.client.post("/v1/orders", content=chunks(), headers=JSON)

    assert answer.status_code == 413
    assert answer.json()["errors"][0]["field"] == "body"


def test_a_body_that_claims_to_be_huge_is_refused_before_it_is_sent(api: Api) -> None:
    port = httpx.URL(api.url).port
    assert port is not None
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.sendall(
            b"POST /v1/orders HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            b"Content-Length: 999999999999\r\nExpect: 100-continue\r\n\r\n"
        )
        answer = connection.recv(4096)

    assert answer.startswith(b"HTTP/1.1 413")


@pytest.mark.parametrize(
    ("method", "path", "status", "allow"),
    [
        ("GET", "/", 404, None),
        ("GET", "/v1/nothing", 404, None),
        ("GET", "/v1/orders/", 404, None),
        ("POST", "/v1/positions", 405, "GET"),
        ("PUT", "/v1/orders", 405, "GET, POST"),
        ("PUT", "/v1/orders/x", 405, "DELETE, GET, PATCH"),
        ("OPTIONS", "/v1/orders", 405, "GET, POST"),
        ("GET", "/v1/halt", 405, "POST"),
        ("PROPFIND", "/v1/orders", 405, "GET, POST"),
    ],
)
def test_what_is_not_there_is_a_problem_too(api: Api, method: str, path: str, status: int, allow: str | None) -> None:
    answer = api.client.request(method, path)

    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert set(answer.json()) == {"type", "title", "status", "code", "detail", "errors"}
    assert answer.headers.get("allow") == allow
