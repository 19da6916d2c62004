from __future__ import annotations

import pytest

from exchanges.redact import MAX_LENGTH, redact
from exchanges.retry_after import retry_after_s

DATE = "Thu, 09 Oct 2025 08:53:20 GMT"
LATER = "Thu, 09 Oct 2025 08:54:20 GMT"
DATE_S = 1_760_000_000.0


@pytest.mark.parametrize(
    ("text", "gone", "kept"),
    [
        ("GET https://api.venue.com/order?signature=abc failed", "api.venue.com", "failed"),
        ("signature=deadbeef&x=1", "deadbeef", "x=1"),
        ('{"apiKey": "k-12345", "code": -1}', "k-12345", "-1"),
        ("X-MBX-APIKEY: k-12345", "k-12345", ""),
        ("my canary is here", "canary", "is here"),
        ("token=abc.def", "abc.def", ""),
        ("a" * 64, "a" * 48, ""),
        ("two\nlines\x1b[31m", "\n", "two lines"),
    ],
)
def test_what_must_not_be_shown_is_gone(text: str, gone: str, kept: str) -> None:
    shown = redact(text, ["canary"])

    assert gone not in shown
    assert kept in shown


def test_a_long_text_is_cut() -> None:
    assert len(redact("word " * 1000)) <= MAX_LENGTH + 1


@pytest.mark.parametrize("text", ["Account has insufficient balance for requested action.", "Filter failure: NOTIONAL"])
def test_a_venues_words_are_kept(text: str) -> None:
    assert redact(text, ["", "key"]) == text


@pytest.mark.parametrize(
    ("headers", "now_s", "expected"),
    [
        ({"retry-after": "3"}, 0.0, 3.0),
        ({"Retry-After": " 2.5 "}, 0.0, 2.5),
        ({"Retry-After": "999999999"}, 0.0, 86_400.0),
        ({"Retry-After": LATER, "Date": DATE}, 0.0, 60.0),
        ({"Retry-After": LATER}, DATE_S, 60.0),
        ({"Retry-After": DATE, "Date": LATER}, 0.0, 0.0),
        ({"Retry-After": LATER}, 0.0, None),
        ({"Retry-After": "-5"}, DATE_S, None),
        ({"Retry-After": "nan"}, DATE_S, None),
        ({"Retry-After": "٣"}, DATE_S, None),
        ({"Retry-After": ""}, DATE_S, None),
        ({}, DATE_S, None),
    ],
)
def test_retry_after_is_seconds_from_now(headers: dict[str, str], now_s: float, expected: float | None) -> None:
    assert retry_after_s(headers, now_s) == expected
