"""What a failed create proves, by what the venue answers: real ccxt classes, canned connections."""

from __future__ import annotations

import functools
import json
import logging
from collections import Counter

import pytest

from exchanges.ccxt_gateway import CcxtGateway
from exchanges.evidence import VenueError
from exchanges.http_connection import Broken, NotConnected, OutOfTime, RawReply
from exchanges.venue_codes import CODES
from tests.contract.canned import API_KEY, PASSWORD, SECRET, SYMBOL, CannedPool, gateway, order, reply
from tests.contract.evidence_rows.everywhere import HTML
from tests.contract.evidence_rows.row import EIGHT, E, Row
from tests.contract.evidence_rows.table import OWN, ROWS


@functools.cache
def shared(venue: str) -> tuple[CcxtGateway, CannedPool]:
    """Making a gateway takes longer than a request; what one answer leaves in it must not change how the next is read."""
    return gateway(venue, reply(200, "{}"))


def refusal(row: Row) -> VenueError:
    made, canned = shared(row.venue)
    canned.answer = lambda _: reply(row.status, row.body)
    canned.sent.clear()
    with pytest.raises(VenueError) as raised:
        made.create_order(order())
    assert len(canned.sent) == 1, "one create, one request"
    assert raised.value.__cause__ is None
    assert raised.value.__suppress_context__
    return raised.value


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_create_answered_so_proves(row: Row) -> None:
    error = refusal(row)

    assert error.evidence is row.evidence, error
    assert error.status == row.status
    if row.code:
        assert error.code == row.code
    if row.outage is not None:
        assert error.outage is row.outage


def test_every_venue_has_its_rows_and_each_row_is_there_once() -> None:
    """A floor under the table: rows may be added, and none is dropped without this being changed."""
    own = Counter(row.venue for row in OWN)
    assert set(own) == set(EIGHT)
    assert min(own.values()) >= 29
    assert len(OWN) >= 299
    assert len(ROWS) == len(set(ROWS)) >= 714


@pytest.mark.parametrize("venue", EIGHT)
def test_every_code_of_the_table_is_read_as_the_table_says(venue: str) -> None:
    """Codes in ``venue_codes`` without a row of their own are judged too, and none is in two classes."""
    codes = CODES[venue]
    classes = [codes.duplicate, codes.ambiguous, codes.rejected, codes.rate_limited, codes.credentials, codes.clock]
    assert sum(map(len, [*classes, codes.not_found])) == len(frozenset().union(*classes, codes.not_found))
    for code in sorted(codes.rejected):
        error = refusal(Row(venue, 200, _saying(venue, code), E.REJECTED))
        assert error.evidence is E.REJECTED, (code, error)
        assert error.code == code


def _saying(venue: str, code: str) -> str:
    """A reply that says ``code`` where the venue says it, and nothing more."""
    body: object = code
    for key in reversed(CODES[venue].code_at[0].split(".")):
        body = [body] if key.isdigit() else {key: body}
    return json.dumps(body)


@pytest.mark.parametrize("venue", EIGHT)
@pytest.mark.parametrize(
    ("failure", "evidence"),
    [(OutOfTime("while reading"), E.AMBIGUOUS), (Broken("while reading: ConnectionResetError"), E.AMBIGUOUS)],
    ids=["out-of-time", "reset"],
)
def test_create_whose_connection_fails_after_the_send_is_ambiguous(venue: str, failure: Exception, evidence: E) -> None:
    made, canned = gateway(venue, failure)

    with pytest.raises(VenueError) as raised:
        made.create_order(order())

    assert raised.value.evidence is evidence
    assert raised.value.outage
    assert len(canned.sent) == 1, "a create is never written twice"


@pytest.mark.parametrize("venue", EIGHT)
def test_create_without_a_connection_is_surely_not_sent(venue: str) -> None:
    made, canned = gateway(venue, reply(200, "{}"), connects=NotConnected("Connection refused"))

    with pytest.raises(VenueError) as raised:
        made.create_order(order())

    assert raised.value.evidence is E.NOT_SENT
    assert raised.value.outage
    assert canned.sent == []


@pytest.mark.parametrize("venue", EIGHT)
def test_no_key_signature_or_address_is_in_what_comes_out(venue: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    echo = json.dumps({"code": -1, "msg": f"bad key {API_KEY} {PASSWORD}", "error": [f"E:{SECRET}"], "retMsg": SECRET})
    for answer in (reply(500, echo), reply(400, echo), reply(200, ""), OutOfTime("x"), Broken("y")):
        made, canned = gateway(venue, answer)

        with pytest.raises(VenueError) as raised:
            made.create_order(order())

        shown = f"{raised.value} {raised.value!r} {raised.value.args} {raised.value.code} {vars(raised.value)}"
        for secret in (API_KEY, SECRET, PASSWORD, "127.0.0.1", "signature="):
            assert secret not in shown
            assert secret not in caplog.text
        assert canned.sent


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"Retry-After": "7"}, 7.0),
        ({"Retry-After": "0.5"}, 0.5),
        ({"Date": "Thu, 09 Oct 2025 08:53:20 GMT", "Retry-After": "Thu, 09 Oct 2025 08:53:50 GMT"}, 30.0),
        ({"Retry-After": "soon"}, None),
        ({}, None),
    ],
)
@pytest.mark.parametrize("venue", EIGHT)
def test_retry_after_is_read_from_every_venue(venue: str, headers: dict[str, str], expected: float | None) -> None:
    made, _ = gateway(venue, reply(429, "Too Many Requests", headers))

    with pytest.raises(VenueError) as raised:
        made.create_order(order())

    assert raised.value.evidence is E.RATE_LIMITED
    assert raised.value.retry_after_s == expected


def test_a_ban_with_its_end_in_the_text_says_how_long() -> None:
    body = '{"code":-1003,"msg":"IP banned until 1760000030000. Use the websocket."}'
    made, _ = gateway("binance", reply(418, body, {"Date": "Thu, 09 Oct 2025 08:53:20 GMT"}))

    with pytest.raises(VenueError) as raised:
        made.balances()

    assert raised.value.retry_after_s == 30.0


READS = {
    "balances": lambda made: made.balances(),
    "open orders": lambda made: made.open_orders(SYMBOL),
    "trades": lambda made: made.trades_since(SYMBOL, order().timestamp),
    "order": lambda made: made.fetch_order(SYMBOL, "1"),
    "find": lambda made: made.find_order(SYMBOL, "abc000000000000001", order().timestamp),
    "quote": lambda made: made.quote(SYMBOL),
}


@pytest.mark.parametrize("venue", EIGHT)
@pytest.mark.parametrize("read", READS)
@pytest.mark.parametrize("body", ["", HTML, "{}", "null", '{"data": ['], ids=["empty", "html", "object", "null", "cut"])
def test_a_read_that_gets_no_answer_says_so_instead_of_finding_nothing(venue: str, read: str, body: str) -> None:
    made, _ = gateway(venue, reply(200, body))

    with pytest.raises(VenueError) as raised:
        READS[read](made)

    assert raised.value.evidence is E.AMBIGUOUS


def test_a_canned_reply_is_a_raw_reply() -> None:
    assert isinstance(reply(200, "{}"), RawReply)
