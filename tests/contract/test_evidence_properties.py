"""Nothing but proof ends an order: what arbitrary replies and failures may never be taken for."""

from __future__ import annotations

import functools
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from requests.exceptions import ConnectTimeout
from urllib3.exceptions import NameResolutionError, NewConnectionError

from exchanges.ccxt_gateway import CcxtGateway
from exchanges.ccxt_import import exchange_class, part
from exchanges.errors import classify
from exchanges.evidence import Evidence, VenueError
from exchanges.http_connection import Broken, OutOfTime
from exchanges.http_session import Wire
from exchanges.venue_codes import CODES
from tests.contract.canned import CannedConnection, CannedPool, gateway, order, reply
from tests.contract.evidence_rows.row import EIGHT, Row
from tests.contract.evidence_rows.table import OWN

#: after these a child is ended, or the same order is sent again at once
ACTED_ON = {Evidence.REJECTED, Evidence.CREDENTIALS, Evidence.NOT_SENT, Evidence.CLOCK, Evidence.NOT_FOUND}
quickly = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))

#: names under which venues put codes, words and orders, so that a random reply looks like one of theirs
NAMES = sorted(
    {name for codes in CODES.values() for path in (*codes.code_at, *codes.text_at) for name in path.split(".")}
    | {"result", "success", "status", "orderId", "order_id", "ordId", "id", "txid", "clientOid", "s", "list"} - {"0"}
)
WORDS = [
    "order", "client order id", "price", "quantity", "not found", "permission", "signature", "insufficient", "invalid",
    "closed", "maintenance", "limit", "error", "rejected", "success", "ok", "0", "1", "200", "00000", "200000",
]  # fmt: skip
leaves = st.none() | st.booleans() | st.integers(-10_000, 1_000_000) | st.text(max_size=12) | st.sampled_from(WORDS)
values = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4),
    max_leaves=12,
)
bodies = st.dictionaries(st.sampled_from(NAMES), values, max_size=6).map(json.dumps)
anything = bodies | st.text(max_size=40) | values.map(json.dumps)


@functools.cache
def shared(venue: str) -> tuple[CcxtGateway, CannedPool]:
    return gateway(venue, reply(200, "{}"))


def outcome_of_create(venue: str, status: int, body: str) -> Evidence | None:
    """None: the reply was taken for an order."""
    made, canned = shared(venue)
    canned.answer = lambda _: reply(status, body)
    try:
        made.create_order(order())
    except VenueError as error:
        return error.evidence
    return None


@functools.cache
def known(venue: str) -> frozenset[str]:
    """Every code and text that ccxt's class or our table knows: proof, or taken for it. A digit or two are in any text."""
    found: set[str] = set()
    waiting: list[Any] = [exchange_class(venue)().exceptions]
    while waiting:
        for key, value in waiting.pop().items():
            found.add(key)
            if isinstance(value, dict):
                waiting.append(value)
    codes = CODES[venue]
    found |= codes.rejected | codes.credentials | codes.clock | codes.not_found
    return frozenset(word for word in found if len(word) > 2)


@st.composite
def errors(draw: st.DrawFn, venue: str) -> str:
    """A reply that puts a code and words where ``venue`` does."""
    code = draw(st.integers(-99_999, 999_999).map(str) | st.sampled_from(WORDS) | st.text(max_size=30))
    body: dict[str, Any] = {}
    for path, value in ((CODES[venue].code_at[0], code), (CODES[venue].text_at[0], draw(st.sampled_from(WORDS)))):
        keys = path.split(".")
        place: Any = body
        for key, after in zip(keys, [*keys[1:], None], strict=True):
            fresh: Any = value if after is None else [] if after == "0" else {}
            if isinstance(place, list):
                place[:] = place or [fresh]
                place = place[0]
            else:
                place = place.setdefault(key, fresh)
    return json.dumps(body)


@pytest.mark.parametrize("venue", EIGHT)
@quickly
@given(status=st.integers(500, 599), body=anything | st.sampled_from([row.body for row in OWN]))
def test_no_failure_of_a_server_ends_an_order_whatever_it_says(venue: str, status: int, body: str) -> None:
    assert outcome_of_create(venue, status, body) in {Evidence.AMBIGUOUS, Evidence.DUPLICATE}


@pytest.mark.parametrize("venue", EIGHT)
@quickly
@given(data=st.data(), status=st.sampled_from([200, 201, 202, 204, 206, 301, 302, 307, 308]))
def test_no_reply_of_words_that_nobody_knows_ends_an_order(venue: str, status: int, data: st.DataObject) -> None:
    body = data.draw(anything | errors(venue))
    outcome = outcome_of_create(venue, status, body)

    if outcome in ACTED_ON:
        assert any(word in body for word in known(venue)), f"{outcome} from {body}"


@pytest.mark.parametrize("venue", EIGHT)
@quickly
@given(data=st.data(), status=st.integers(400, 499).filter(lambda status: status not in {401, 418, 429}))
def test_no_refusal_in_words_that_nobody_knows_ends_an_order(venue: str, status: int, data: st.DataObject) -> None:
    """401 is proof by itself: whoever answers it has looked at the key and at nothing else."""
    body = data.draw(anything | errors(venue))
    outcome = outcome_of_create(venue, status, body)

    if outcome in ACTED_ON:
        assert any(word in body for word in known(venue)), f"{outcome} from {body}"


@pytest.mark.parametrize("venue", EIGHT)
@quickly
@given(row=st.sampled_from(OWN), cut=st.integers(0, 200), status=st.sampled_from([200, 500, 502]))
def test_a_reply_that_is_cut_short_ends_no_order(venue: str, row: Row, cut: int, status: int) -> None:
    assert outcome_of_create(venue, status, row.body[: min(cut, len(row.body) - 1)]) in {Evidence.AMBIGUOUS, None}


FAILURES = [OutOfTime("while reading"), Broken("while reading: ConnectionResetError"), KeyError("id"), RecursionError()]


@pytest.mark.parametrize("venue", EIGHT)
@pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: type(failure).__name__)
def test_what_fails_after_the_send_is_ambiguous_whatever_it_is(venue: str, failure: BaseException) -> None:
    made, canned = gateway(venue, failure)

    with pytest.raises(VenueError) as raised:
        made.create_order(order())

    assert raised.value.evidence is Evidence.AMBIGUOUS
    assert len(canned.sent) == 1, "a create is never written twice"


NOT_CONNECTED: list[Exception] = [
    ConnectTimeout("not connected: Connection refused"),
    NewConnectionError(None, "[Errno 111] Connection refused"),  # type: ignore[arg-type]
    NameResolutionError("venue", None, OSError("no address")),  # type: ignore[arg-type]
]
CLASSES = [
    name
    for name, found in vars(part("base.errors")).items()
    if isinstance(found, type) and issubclass(found, part("base.errors").BaseError)
]


def raised(name: str, text: str = "binance something") -> BaseException:
    return getattr(part("base.errors"), name)(text)


@pytest.mark.parametrize("name", CLASSES)
def test_whatever_ccxt_raises_over_a_good_reply_to_a_create_is_ambiguous(name: str) -> None:
    """Such as a market that it does not know: the order has been taken, and only reading it failed."""
    wire = Wire(asked=True, posted=True, status=200, body='{"orderId":1}', json={"orderId": 1})

    error = classify(raised(name), "binance", wire)

    assert error.evidence not in ACTED_ON
    assert error.evidence in {Evidence.AMBIGUOUS, Evidence.DUPLICATE}


@pytest.mark.parametrize("name", CLASSES)
def test_a_reply_to_what_was_asked_after_the_create_says_nothing_of_the_create(name: str) -> None:
    body = {"code": -2010, "msg": "Account has insufficient balance for requested action."}
    for status in (200, 400, 401, 418, 429):
        wire = Wire(asked=True, posted=True, posted_before=True, status=status, body=json.dumps(body), json=body)
        assert classify(raised(name), "binance", wire).evidence is Evidence.AMBIGUOUS


@pytest.mark.parametrize("name", CLASSES)
def test_a_read_is_judged_by_what_ccxt_makes_of_a_good_reply(name: str) -> None:
    """An order that is in no list is not found, although the reply is no error."""
    wire = Wire(asked=True, status=200, body="[]", json=[])

    assert (classify(raised(name), "binance", wire, changes=False).evidence is Evidence.NOT_FOUND) is (
        name == "OrderNotFound"
    )


@pytest.mark.parametrize("failure", NOT_CONNECTED, ids=lambda failure: type(failure).__name__)
def test_a_connection_that_was_not_made_proves_nothing_of_what_had_left_before(failure: Exception) -> None:
    assert classify(failure, "binance", Wire()).evidence is Evidence.NOT_SENT
    assert classify(failure, "binance", Wire(asked=True)).evidence is Evidence.NOT_SENT
    assert classify(failure, "binance", Wire(asked=True, posted=True)).evidence is Evidence.AMBIGUOUS


@pytest.mark.parametrize("failure", [OutOfTime("while reading"), Broken("while reading: ConnectionResetError")])
def test_an_order_that_is_sent_by_get_is_sent_once_and_counts_as_sent(
    failure: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some classes of ccxt, Deribit's among them, place orders so; of a venue without an entry nobody knows better."""
    monkeypatch.setattr(CannedConnection, "replies", 1)  # a connection that has been used: a read would be asked again
    answers = iter([failure])
    made, canned = gateway("deribit", lambda _: next(answers, reply(500, "")))

    with pytest.raises(VenueError) as raised:
        made.create_order(order())

    assert [sent.split("?")[0] for sent in canned.sent] == ["GET /api/v2/private/buy"]
    assert raised.value.evidence is Evidence.AMBIGUOUS


@pytest.mark.parametrize("name", CLASSES)
def test_without_a_send_nothing_is_ambiguous(name: str) -> None:
    assert classify(raised(name), "binance", Wire(asked=True)).evidence is not Evidence.AMBIGUOUS
