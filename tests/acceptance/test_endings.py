"""Orders that do not fill: denied, rejected, too old, expired, canceled, halted. Each no is an answer with a code."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from storage.early_cancels import early_cancel_of
from storage.engine import read
from tests.acceptance.audit import audit
from tests.acceptance.client import FINAL, Client, Document
from tests.acceptance.deployment import Deployment
from tests.acceptance.stacks import SQLITE, on
from tests.support.waiting import eventually

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(600)]

FAR_BUY = "50000"


def from_now(**delta: float) -> str:
    return (datetime.now(UTC) + timedelta(**delta)).isoformat()


def sent(deployment: Deployment, document: Document) -> list[Document]:
    """What the venue has of the order."""
    names = {child["venue_client_order_id"] for child in document["child_orders"]}
    return [order for order in deployment.venue.orders() if order["client_order_id"] in names]


def rests_or_has_ended(client: Client, order_id: str) -> bool:
    document = client.show(order_id)
    return document["status"] in FINAL or any(child["venue_order_id"] for child in document["child_orders"])


def resting(client: Client, **changes: object) -> Document:
    """A limit buy that the venue has acknowledged and that does not fill."""
    order_id = client.place(**{"price": FAR_BUY, **changes})["id"]
    eventually(
        lambda: (client.show(order_id)["child_orders"] or [{}])[0].get("venue_order_id"),
        within_s=60,
        describe=lambda: f"it rests: {client.story(order_id)}",
    )
    return client.show(order_id)


class TestDenied:
    def test_for_want_of_funds_names_what_it_needs_and_sends_nothing(self, deployment: Deployment):
        document = deployment.client.wait_for(
            deployment.client.place(side="sell", quantity="120", price="70000")["id"], "DENIED"
        )

        assert document["reason"]["code"] == "INSUFFICIENT_FUNDS"
        assert "120 BTC" in document["reason"]["message"]
        assert not sent(deployment, document)

    def test_market_order_under_the_minimum_notional(self, deployment: Deployment):
        document = deployment.client.wait_for(deployment.client.place(quantity="0.00005")["id"], "DENIED")

        assert document["reason"]["code"] == "NOTIONAL_TOO_SMALL"
        assert not sent(deployment, document)

    def test_deposit_that_came_in_is_taken_over_before_an_order_is_denied(self, deployment: Deployment):
        deployment.venue.deposit("second", "SOL", "5000")

        document = deployment.client.wait_for(
            deployment.client.place(account="second", symbol="SOL/USDT", side="sell", quantity="12000", price="300")["id"],
            "WORKING", "DENIED",
        )  # fmt: skip

        assert document["status"] == "WORKING", document["reason"]
        deployment.client.cancel(document["id"])
        deployment.client.wait_for(document["id"], "CANCELED")


class TestTooLate:
    @pytest.mark.parametrize(
        "terms", [{}, {"price": "62000", "time_in_force": "IOC"}, {"price": "62000", "time_in_force": "FOK"}]
    )
    def test_immediate_order_that_was_decided_long_ago_is_not_sent(self, deployment: Deployment, terms: dict):
        document = deployment.client.wait_for(
            deployment.client.place(submitted_at=from_now(hours=-2), **terms)["id"], "EXPIRED"
        )

        assert document["reason"]["code"] == "TOO_OLD"
        assert not sent(deployment, document)

    def test_resting_order_may_have_been_decided_long_ago(self, client: Client):
        document = resting(client, submitted_at=from_now(hours=-2))

        assert document["status"] == "WORKING"
        client.cancel(document["id"])
        client.wait_for(document["id"], "CANCELED")

    def test_order_whose_time_is_over_is_refused_at_intake(self, client: Client):
        answer = client.post(client.request(price=FAR_BUY, expires_at=from_now(seconds=-1)))

        assert answer.status_code == 422
        assert [error["field"] for error in answer.json()["errors"]] == ["expires_at"]

    def test_what_rests_at_its_expiry_is_withdrawn_and_what_filled_is_booked(self, deployment: Deployment):
        client = deployment.client
        deployment.venue.pause_market()
        deployment.venue.set_depth("BTCUSDT", bids=[("61400", "1")], asks=[("62001", "1")])
        for seconds in (4, 16, 64):  # the longer ones for a machine on which the order was over before it could trade
            order_id = client.place(price="61500", quantity="0.004", expires_at=from_now(seconds=seconds))["id"]
            eventually(lambda order_id=order_id: rests_or_has_ended(client, order_id), within_s=60, describe="it rests")
            if Decimal(deployment.venue.market_order("BTCUSDT", "sell", "0.001", price="61500")):
                break

        ended = client.wait_for(order_id)

        assert (ended["status"], ended["filled_quantity"]) == ("EXPIRED", "0.001")
        assert ended["reason"]["code"] == "EXPIRED"
        assert [order["status"] for order in sent(deployment, ended)] == ["CANCELED"]
        assert client.cancel(ended["id"]).status_code == 409


class TestCanceled:
    def test_resting_order_is_withdrawn_and_asking_again_is_harmless(self, deployment: Deployment):
        client = deployment.client
        document = resting(client)

        first, second = client.cancel(document["id"]), client.cancel(document["id"])
        ended = client.wait_for(document["id"])
        third = client.cancel(document["id"])

        assert (first.status_code, second.status_code, third.status_code) == (202, 202, 202)
        assert (ended["status"], ended["reason"]["code"]) == ("CANCELED", "CANCEL_REQUESTED")
        assert [order["status"] for order in sent(deployment, ended)] == ["CANCELED"]

    def test_partly_filled_order_keeps_its_fills(self, deployment: Deployment):
        client = deployment.client
        document = resting(client, price="61500", quantity="0.004")
        deployment.venue.pause_market()
        deployment.venue.set_depth("BTCUSDT", bids=[("61400", "1")], asks=[("62001", "1")])
        deployment.venue.market_order("BTCUSDT", "sell", "0.0015", price="61500")

        assert client.http.delete(f"/v1/orders/client:{document['client_order_id']}").status_code == 202

        ended = client.wait_for(document["id"])
        assert (ended["status"], ended["filled_quantity"], ended["remaining_quantity"]) == (
            "CANCELED", "0.0015", "0.0025",
        )  # fmt: skip

    def test_filled_order_can_not_be_canceled(self, client: Client):
        document = client.wait_for(client.place()["id"], "FILLED")

        answer = client.cancel(document["id"])

        assert (answer.status_code, answer.json()["code"]) == (409, "ORDER_ENDED")
        assert client.show(document["id"]) == document

    def test_cancel_by_celery_ends_a_resting_order(self, deployment: Deployment):
        document = resting(deployment.client)

        deployment.send_task("orders.cancel", client_order_id=document["client_order_id"], account="main")

        assert deployment.client.wait_for(document["id"])["status"] == "CANCELED"

    def test_cancel_that_comes_before_its_submit_ends_the_order_unsent(self, deployment: Deployment):
        client = deployment.client
        request = client.request()
        deployment.send_task("orders.cancel", client_order_id=request["client_order_id"], account="main")
        eventually(
            lambda: _cancel_is_remembered(deployment, request["client_order_id"]),
            within_s=60,
            describe="the cancel is remembered",
        )

        answer = client.post(request)

        ended = client.wait_for(answer.json()["id"])
        assert (answer.status_code, ended["status"]) == (201, "CANCELED")
        assert not sent(deployment, ended)
        assert client.cancel(ended["id"]).status_code == 202


def _cancel_is_remembered(deployment: Deployment, client_order_id: str) -> bool:
    with read(deployment.engine) as conn:
        return early_cancel_of(conn, "main", client_order_id, datetime.now(UTC)) is not None


class TestHalted:
    def test_new_orders_are_denied_until_resumed_and_resting_ones_stay(self, deployment: Deployment):
        client = deployment.client
        rests = resting(client)

        halted = client.halt(venue="paper", reason="a test")

        assert [(halt["venue"], halt["account"], halt["reason"]) for halt in halted["halts"]] == [
            ("paper", None, "a test")
        ]
        denied = client.wait_for(client.place()["id"])
        assert (denied["status"], denied["reason"]["code"]) == ("DENIED", "HALTED")
        assert not sent(deployment, denied)
        assert client.show(rests["id"])["status"] == "WORKING"
        assert client.resume(venue="paper").json() == {"halts": []}
        assert client.wait_for(client.place()["id"])["status"] == "FILLED"
        client.cancel(rests["id"])

    def test_halt_of_one_account_leaves_the_other(self, deployment: Deployment):
        client = deployment.client
        client.halt(venue="paper", account="main")

        mine, others = client.place()["id"], client.place(account="second")["id"]

        assert client.wait_for(mine)["status"] == "DENIED"
        assert client.wait_for(others)["status"] == "FILLED"

    def test_halt_with_cancel_withdraws_what_rests(self, deployment: Deployment):
        client = deployment.client
        rest = [resting(client), resting(client, symbol="ETH/USDT", price="2000", quantity="0.01", account="second")]

        client.halt(cancel=True)

        assert [client.wait_for(document["id"])["status"] for document in rest] == ["CANCELED", "CANCELED"]

    def test_fills_and_cancels_go_on_while_halted(self, deployment: Deployment):
        client = deployment.client
        fills, canceled = resting(client, price="61500"), resting(client)
        client.halt()

        deployment.venue.set_price("BTCUSDT", "61400")
        assert client.cancel(canceled["id"]).status_code == 202

        assert client.wait_for(fills["id"])["status"] == "FILLED"
        assert client.wait_for(canceled["id"])["status"] == "CANCELED"


@on(SQLITE)
def test_resume_of_what_is_not_halted_says_so(client: Client):
    answer = client.resume(venue="paper", account="second")

    assert (answer.status_code, answer.json()["code"]) == (404, "NOT_HALTED")


def test_books_agree_with_the_venue_after_every_kind_of_end(deployment: Deployment):
    audit(deployment)
