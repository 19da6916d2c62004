"""What only Bitget does: codes that its ccxt class does not know, and a list of open orders that names prices its own way."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from exchanges.evidence import Evidence
from tests.contract import canned
from tests.contract.conformance.orders import evidence

D = Decimal


@pytest.mark.parametrize(
    "code",
    ["41101", "41113", "41114", "41117", "41118", "43005", "43006", "43007", "43008", "43009", "43010", "43027", "43028",
     "43119", "43120", "43122"],
)  # fmt: skip
def test_what_the_venue_documents_as_a_no_to_an_order_is_one(code: str) -> None:
    made, _ = canned.gateway("bitget", canned.reply(400, json.dumps({"code": code, "msg": "no", "data": None})))

    assert evidence(lambda: made.create_order(canned.order())) is Evidence.REJECTED


@pytest.mark.parametrize("code", ["43002", "43003", "40725", "99999"])
def test_a_failure_that_does_not_say_what_became_of_the_order_proves_nothing(code: str) -> None:
    made, _ = canned.gateway("bitget", canned.reply(400, json.dumps({"code": code, "msg": "no", "data": None})))

    assert evidence(lambda: made.create_order(canned.order())) is Evidence.AMBIGUOUS


def test_there_being_nothing_to_cancel_is_told_from_a_failure() -> None:
    body = {"code": "43004", "msg": "There is no order to cancel", "data": None}
    made, _ = canned.gateway("bitget", canned.reply(400, json.dumps(body)))

    assert evidence(lambda: made.cancel_order(canned.SYMBOL, "1")) is Evidence.NOT_FOUND


def test_an_open_orders_price_is_not_taken_for_the_average_of_its_fills() -> None:
    listed = {"symbol": "BTCUSDT", "orderId": "1", "clientOid": "abc", "size": "0.02", "orderType": "limit", "side": "buy",
              "status": "partially_filled", "priceAvg": "50000.01", "basePrice": "49990", "baseVolume": "0.005",
              "quoteVolume": "249.95", "cTime": "1760000000000", "uTime": "1760000000001"}  # fmt: skip
    made, _ = canned.gateway(
        "bitget", canned.reply(200, json.dumps({"code": "00000", "msg": "success", "data": [listed]}))
    )

    (report,) = made.open_orders(canned.SYMBOL)

    assert (report.price, report.filled_quantity, report.filled_cost) == (D("50000.01"), D("0.005"), D("249.95"))
