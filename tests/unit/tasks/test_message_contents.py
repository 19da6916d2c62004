"""What is read from a message, and what is kept of one: ids, exact numbers, no secret, never too much."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from models.errors import FieldError, InvalidRequest
from storage.dead_letters import Kept
from tasks.dead_letters import LONGEST_BODY, clean_refusal, digest_of, kept_body, unreadable_body
from tasks.dead_letters_unreadable import raw_message
from tasks.exact_messages import Fraction
from tasks.tracking_subjects import LONGEST, Subject, bounded, keywords_of, subject_of


@pytest.mark.parametrize(
    ("kwargs", "subject", "key"),
    [
        ({"order_id": "o1", "tries": 2}, Subject(order_id="o1"), "o1"),
        ({"child_id": "c1"}, Subject(child_id="c1"), "c1"),
        ({"venue": "paper", "account": "main", "symbol": "BTC/USDT"}, Subject(other="paper/main/BTC/USDT"), None),
        ({"venue": "paper"}, Subject(other="paper"), "paper"),
        ({"request": {"client_order_id": "mine", "quantity": "1"}}, Subject(other="mine"), "mine"),
        ({"client_order_id": "mine", "account": "main"}, Subject(other="mine"), "mine"),
        (
            {"document": {"id": "o1", "client_order_id": "mine"}, "version": 3},
            Subject(order_id="o1", other="mine"),
            "o1",
        ),
        ({}, Subject(), ""),
        (None, Subject(), ""),
        (["no", "mapping"], Subject(), ""),
        ({"order_id": 7, "request": "none"}, Subject(), ""),
    ],
)
def test_a_message_is_about_what_its_ids_say(kwargs, subject, key):
    assert subject_of(kwargs) == subject
    if key is not None:
        assert subject_of(kwargs).key == key


def test_a_name_from_outside_is_short_and_printable():
    assert bounded("a\x00b\ud800\n") == "a\ufffdb\ufffd\ufffd"
    assert bounded("x" * 5_000) == "x" * LONGEST
    assert bounded("") is None
    assert bounded(7) is None


@pytest.mark.parametrize(
    ("body", "keywords"),
    [([[], {"a": 1}, {}], {"a": 1}), ({"kwargs": {"a": 1}}, {"a": 1}), ([[]], None), ("text", None), (5, None)],
)
def test_the_keywords_of_a_body(body, keywords):
    assert keywords_of(body) == keywords


def test_numbers_are_kept_by_their_digits():
    kept = kept_body({"request": {"quantity": Fraction("0.12345678901234567890"), "price": Decimal("1.10")}})
    assert kept.kept is Kept.WHOLE
    assert kept.body == {"request": {"quantity": "0.12345678901234567890", "price": "1.10"}}


def test_what_looks_like_a_secret_is_struck_out_and_said_so():
    kept = kept_body({"request": {"tags": {"password": "hunter2-hunter2"}}})
    assert kept.kept is Kept.REDACTED
    assert "hunter2" not in json.dumps(kept.body)


def test_a_long_body_is_cut_and_said_so():
    kept = kept_body({"request": {"tags": {"a": "x" * (LONGEST_BODY + 1)}}})
    assert kept.kept is Kept.CUT
    assert len(kept.body["cut"]) <= LONGEST_BODY


def test_characters_that_a_database_does_not_hold_are_replaced():
    text = json.dumps(kept_body({"a": "\x00 \ud800", "b": float("nan")}).body)
    assert "\\u0000" not in text
    assert "\\ud800" not in text


def test_bytes_that_are_no_message_are_kept_as_text_without_secrets():
    kept = unreadable_body(b"\xff\x00 api_key=abcdef123456", {"task": "t", "x-secret": "s"}, "text/plain")
    assert kept.kept is Kept.UNREADABLE
    assert "abcdef123456" not in json.dumps(kept.body)
    assert kept.body["headers"] == {"task": "t"}


def test_a_refusal_does_not_repeat_the_value_of_a_secret():
    error = FieldError(field="request.api_key", rule="is no field of an order", value="top-secret-key")
    clean = clean_refusal(InvalidRequest([error]))
    assert "top-secret-key" not in clean.message + str(clean.errors)
    assert clean.code == "INVALID_REQUEST"


def test_the_same_content_has_the_same_name():
    assert digest_of(b"abc", {"a": 1}) == digest_of(b"abc", {"a": 1})
    assert digest_of(b"abc") != digest_of(b"abd")
    assert digest_of(b"abc", "x") != digest_of(b"abc", "y")


@pytest.mark.parametrize("raw", [b"", b"garbage", b"[]", b"{}", b'{"properties": {}, "body": 5}', b"[" * 100_000])
def test_whatever_redis_set_aside_has_the_shape_of_a_message(raw):
    message = raw_message(raw)
    assert isinstance(message.body, bytes)


def test_an_envelope_that_can_be_read_is_read():
    raw = json.dumps(
        {
            "headers": {"id": "m1", "task": "orders.submit"},
            "body": "W1tdLCB7ImEiOiAxfSwge31d",
            "content-type": "application/json",
            "properties": {"body_encoding": "base64", "delivery_info": {"routing_key": "orders"}},
        }
    ).encode()
    message = raw_message(raw)
    assert keywords_of(message.payload) == {"a": 1}
    assert message.headers["id"] == "m1"
