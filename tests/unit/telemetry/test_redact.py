"""No secret leaves: by its value where it was remembered, by its shape where it was not."""

from __future__ import annotations

import base64
from urllib.parse import quote

import pytest
from pydantic import BaseModel, SecretStr

from telemetry import redact as redaction
from telemetry.redact import REDACTED, redact, redact_value, remember
from telemetry.start import secrets_of

CANARY = 'c4n4ry/with "quotes" & spaces'


@pytest.fixture(autouse=True)
def _nothing_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redaction, "_remembered", redaction._Remembered())


SHAPES = [
    "Authorization: Bearer CANARY",
    "authorization=Bearer CANARY",
    "(b'authorization', b'Bearer CANARY')",
    "Basic CANARY=",
    "X-MBX-APIKEY: CANARY",
    "{'X-MBX-APIKEY': 'CANARY'}",
    "GET /api/v3/account?timestamp=1&signature=CANARY",
    "signature=CANARY&symbol=BTCUSDT",
    "{'apiKey': 'CANARY', 'secret': 'CANARY'}",
    '{"apiKey": "CANARY", "secret": "CANARY"}',
    r"{\"api_secret\": \"CANARY\"}",
    "api_key=CANARY",
    "api-key: CANARY",
    "password='CANARY'",
    "passphrase: CANARY",
    "client_secret=CANARY",
    "listenKey=CANARY",
    "access_token: CANARY",
    "STEADFILL_API_KEYS=CANARY",
    "BINANCE_SECRET=CANARY",
    "SecretStr(value): secret=SecretStr('CANARY')",
    "postgresql+psycopg://steadfill:CANARY@db:5432/steadfill",
    "redis://:CANARY@redis:6379/0",
    "amqp://user:CANARY@mq//",
    "Set-Cookie: CANARY",
    "-----BEGIN PRIVATE KEY-----\nCANARY\nCANARY\n-----END PRIVATE KEY-----",
    "-----BEGIN EC PRIVATE KEY-----\nCANARY",
]


@pytest.mark.parametrize("text", SHAPES)
def test_what_looks_like_a_secret_is_struck_out(text: str) -> None:
    assert "CANARY" not in redact(text)
    assert REDACTED in redact(text)


@pytest.mark.parametrize(
    "text",
    [
        "quantity must be at least the lot of 0.0001 BTC",
        "the order's signature, checked",
        "client_order_id: desk-1",
        "api_key must not be empty",
        "order 01h2xcejqtf2nbrexx3vqjhp41 is WORKING",
        "recvWindow=5000&timestamp=1700000000000",
        "https://api.binance.com/api/v3/order?symbol=BTCUSDT",
        "symbol: BTC/USDT, side: buy",
    ],
)
def test_ordinary_words_stay(text: str) -> None:
    assert redact(text) == text


@pytest.mark.parametrize(
    "spelled",
    [CANARY, quote(CANARY, safe=""), repr(CANARY)[1:-1], base64.b64encode(CANARY.encode()).decode()],
)
def test_a_remembered_secret_is_struck_out_however_it_is_spelled(spelled: str) -> None:
    remember(CANARY)

    assert redact(f"before {spelled} after").startswith(f"before {REDACTED}")


def test_of_two_secrets_that_share_a_beginning_both_are_struck_out() -> None:
    remember("sharedsecret")
    remember("sharedsecret-and-more")

    assert redact("sharedsecret-and-more sharedsecret") == f"{REDACTED} {REDACTED}"


@pytest.mark.parametrize("nothing", [None, "", "short"])
def test_what_is_too_short_to_be_a_key_is_not_remembered(nothing: str | None) -> None:
    remember(nothing)

    assert redact("a short text") == "a short text"


def test_containers_are_searched_to_the_bottom_and_secret_names_lose_their_value() -> None:
    remember("canary-value")
    value = {
        "headers": [("X-MBX-APIKEY", "k"), ["Cookie", "c"], ("note", "Bearer abcdef"), ["x canary-value y"]],
        "venue": {"apiKey": "k", "Secret": b"s", "password": {"deep": "canary-value"}, "recvWindow": 5000},
        "raw": b"canary-value",
        "canary-value": 1,
        "error": ValueError("canary-value"),
        "empty": {"secret": None},
    }

    assert redact_value(value) == {
        "headers": [
            ["X-MBX-APIKEY", REDACTED],
            ["Cookie", REDACTED],
            ["note", f"Bearer {REDACTED}"],
            [f"x {REDACTED} y"],
        ],
        "venue": {"apiKey": REDACTED, "Secret": REDACTED, "password": REDACTED, "recvWindow": 5000},
        "raw": REDACTED,
        REDACTED: 1,
        "error": REDACTED,
        "empty": {"secret": None},
    }


def test_a_value_that_contains_itself_comes_to_an_end() -> None:
    value: list[object] = []
    value.append(value)

    assert REDACTED in str(redact_value(value))


def test_every_secret_of_a_configuration_is_found() -> None:
    class Account(BaseModel):
        key: SecretStr

    class Configuration(BaseModel):
        keys: tuple[SecretStr, ...]
        accounts: dict[str, Account]
        url: str
        dsn: SecretStr | None
        options: dict[str, object]

    found = secrets_of(
        Configuration(
            keys=(SecretStr("one"), SecretStr("two")),
            accounts={"main": Account(key=SecretStr("three"))},
            url="postgresql://user:four%20five@host/db",
            dsn=None,
            options={"nested": {"proxy": "http://u:six@proxy"}},
        )
    )

    assert set(found) >= {"one", "two", "three", "four%20five", "four five", "six"}
