"""Nobitex: its words for what went wrong, and what they prove."""

from __future__ import annotations

import json
import logging
from contextlib import AbstractContextManager, nullcontext
from datetime import timedelta
from typing import Any

import pytest

from exchanges.ccxt_gateway import CcxtGateway
from exchanges.config import Secret
from exchanges.evidence import Evidence, VenueError
from models.vocabulary import TimeInForce
from tests.contract.canned import API_KEY, gateway, order, reply
from tests.contract.conformance.orders import evidence, new_order, refusal
from tests.contract.dialects.dialect import KEY
from tests.contract.dialects.server import Operation
from tests.contract.evidence_rows.nobitex import OWN, ROWS
from tests.contract.evidence_rows.row import Row
from tests.contract.nobitex.asking import Whimsical


class Passing:
    """A turnstile that lets everything pass and remembers what it weighed."""

    def __init__(self) -> None:
        self.weights: list[float] = []

    def seat(self) -> AbstractContextManager[None]:
        return nullcontext()

    def enter(self, weight: float) -> None:
        self.weights.append(weight)

    def replied(self, headers: object) -> None:
        pass

    def failed(self, error: VenueError) -> None:
        pass


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_create_answered_so_proves(row: Row) -> None:
    made, canned = gateway("nobitex", reply(row.status, row.body))

    with pytest.raises(VenueError) as raised:
        made.create_order(order())

    error = raised.value
    assert error.evidence is row.evidence, error
    assert len(canned.sent) == 1, "one create, one request"
    assert error.status == row.status
    if row.code:
        assert error.code == row.code
    if row.outage is not None:
        assert error.outage is row.outage


def test_the_table_has_its_rows() -> None:
    assert len(OWN) >= 30
    assert len(ROWS) == len(set(ROWS))


@pytest.mark.parametrize(
    ("told", "wait_s"), [(12, 12.0), ("2.5", 2.5), (None, None), ("soon", None), (10**9, 86_400.0)]
)
def test_a_limit_says_in_its_body_for_how_long(told: Any, wait_s: float | None) -> None:
    body = {"status": "failed", "code": "TooManyRequests", "message": "wait", "backOff": told, "limit": 60}
    made, _ = gateway("nobitex", reply(429, json.dumps(body)))

    failed = refusal(made.balances)

    assert (failed.evidence, failed.code, failed.retry_after_s) == (Evidence.RATE_LIMITED, "TooManyRequests", wait_s)


def test_no_address_can_be_asked_more_often_than_its_own_bound(venue: Whimsical) -> None:
    """Whatever is asked for with a budget of 1200 a minute, by the documentation's figures."""
    passing = Passing()
    made = CcxtGateway(venue.config(turnstile=passing))
    order = new_order(made, venue)
    report = made.create_order(order)
    made.cancel_order(venue.symbol, report.venue_order_id)
    for look in (
        made.balances,
        lambda: made.quote(venue.symbol),
        lambda: made.public_trades(venue.symbol, order.timestamp),
        lambda: made.find_order(venue.symbol, "abc1", order.timestamp),
        lambda: made.candles(
            venue.symbol, timedelta(minutes=1), order.timestamp - timedelta(minutes=3), order.timestamp
        ),
    ):
        look()
    made.close()

    paths = [request.path for request in venue.server.asked()]
    assert len(paths) == len(passing.weights)
    weights = dict(zip(paths, passing.weights, strict=True))
    bounds = {"/market/orders/add": 30, "/market/orders/status": 300, "/market/orders/update-status": 90,
              "/market/orders/list": 30, "/market/trades/list": 30, "/v2/wallets": 15, "/v2/trades/BTCUSDT": 60,
              "/v3/orderbook/BTCUSDT": 300}  # fmt: skip
    assert bounds.keys() <= weights.keys()
    assert {path: round(1200 / weights[path], 6) for path in bounds} == bounds


def test_a_cancel_that_leaves_an_order_active_is_none() -> None:
    made, _ = gateway("nobitex", reply(200, '{"status": "ok", "updatedStatus": "Active"}'))

    assert evidence(lambda: made.cancel_order("BTC/USDT", "7")) is Evidence.AMBIGUOUS


def test_the_token_goes_into_a_header_of_private_requests_only_and_into_no_log(
    nobitex: CcxtGateway, venue: Whimsical, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    nobitex.create_order(new_order(nobitex, venue))
    nobitex.quote(venue.symbol)
    nobitex.balances()
    wrong, _ = gateway("nobitex", reply(401, json.dumps({"detail": f"Invalid token {API_KEY}"})))
    failed = refusal(wrong.balances)

    for request in venue.server.asked():
        carries = request.headers.get("authorization") == f"Token {KEY}"
        assert carries is (request.path not in {"/v2/options", f"/v3/orderbook/{venue.market_id}"}), request.path
        assert KEY not in request.path + request.query_text + request.body
        assert request.headers["user-agent"].startswith("TraderBot/")
    assert API_KEY not in f"{failed} {failed!r} {vars(failed)}"
    assert KEY not in caplog.text
    assert API_KEY not in caplog.text


def test_without_a_token_nothing_private_is_asked(venue: Whimsical) -> None:
    made = CcxtGateway(venue.config(api_key=Secret("")))

    assert evidence(made.balances) is Evidence.CREDENTIALS
    assert evidence(lambda: made.create_order(new_order(made, venue))) is Evidence.CREDENTIALS
    made.close()
    assert {request.path for request in venue.server.asked()} == {"/v2/options"}


@pytest.mark.parametrize(
    ("changes", "code"),
    [({"post_only": True}, "NO_POST_ONLY"), ({"time_in_force": TimeInForce.IOC}, "NO_TIME_IN_FORCE")],
    ids=["post-only", "IOC"],
)
def test_what_the_venue_does_not_have_is_refused_unsent(
    nobitex: CcxtGateway, venue: Whimsical, changes: dict[str, Any], code: str
) -> None:
    refused = refusal(lambda: nobitex.create_order(new_order(nobitex, venue, **changes)))

    assert (refused.evidence, refused.code) == (Evidence.REJECTED, code)
    assert venue.server.asked(Operation.CREATE) == []
