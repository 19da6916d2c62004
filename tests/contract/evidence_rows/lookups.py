"""Answers to a cancel and to the question after one order, and what they prove."""

from __future__ import annotations

import json
from dataclasses import dataclass

from tests.contract.evidence_rows import binance, bitget, bybit, coinbase, gate, kraken, kucoin, okx
from tests.contract.evidence_rows.row import EIGHT, E, Row

CANCEL, FETCH = "cancel", "fetch"


@dataclass(frozen=True)
class Asked:
    """``row`` as the answer to another question than a create; its own evidence is that of the answer here."""

    what: str
    row: Row

    def __str__(self) -> str:
        return f"{self.what}-{self.row}"


def cancel(row: Row) -> Asked:
    return Asked(CANCEL, row)


def fetch(row: Row) -> Asked:
    return Asked(FETCH, row)


def cancelled_none(reason: str, evidence: E) -> Row:
    """Coinbase cancels in lots: the reply is good, and says of each order whether it was cancelled."""
    body = {"results": [{"success": False, "failure_reason": reason, "order_id": "1"}]}
    return Row("coinbase", 200, json.dumps(body), evidence)


ROWS = [
    cancel(binance.row(400, -2011, "Unknown order sent.", E.NOT_FOUND)),
    cancel(binance.row(400, -2011, "This action is disabled on this account.", E.REJECTED)),
    cancel(binance.row(400, -1007, "Timeout waiting for response from backend server.", E.AMBIGUOUS)),
    cancel(binance.row(400, -1021, "Timestamp for this request is outside of the recvWindow.", E.CLOCK)),
    cancel(binance.row(429, -1003, "Too many requests.", E.RATE_LIMITED)),
    fetch(binance.row(400, -2013, "Order does not exist.", E.NOT_FOUND)),
    fetch(binance.row(401, -2015, "Invalid API-key, IP, or permissions for action.", E.CREDENTIALS)),
    fetch(binance.row(503, -2013, "Order does not exist.", E.AMBIGUOUS)),
    cancel(bybit.row(170213, "Order does not exist.", E.NOT_FOUND)),
    cancel(bybit.row(170147, "Order cancellation timeout", E.AMBIGUOUS)),
    cancel(bybit.row(170191, "Can not cancel order, please try again later", E.AMBIGUOUS)),
    cancel(bybit.row(170142, "Order has been canceled", E.REJECTED)),
    fetch(bybit.row(10000, "Server Timeout", E.AMBIGUOUS)),
    fetch(bybit.row(110001, "order not exists or too late to cancel", E.NOT_FOUND)),
    cancel(okx.row("51400", "Cancellation failed as the order has been filled, canceled or does not exist.", E.NOT_FOUND)),
    cancel(okx.row("51410", "Cancellation failed as the order is already in canceling status", E.AMBIGUOUS)),
    fetch(okx.whole("51603", "Order does not exist", E.NOT_FOUND, 200)),
    fetch(okx.whole("50026", "System error. Try again later", E.AMBIGUOUS, 500)),
    cancel(kraken.row("EOrder:Unknown order", E.NOT_FOUND)),
    cancel(kraken.row("EService:Unavailable", E.AMBIGUOUS)),
    cancel(kraken.row("EGeneral:Invalid arguments:cl_ord_id", E.AMBIGUOUS)),
    fetch(kraken.row("EOrder:Unknown order", E.NOT_FOUND)),
    fetch(kraken.row("EService:Busy", E.AMBIGUOUS)),
    cancel(cancelled_none("UNKNOWN_CANCEL_ORDER", E.NOT_FOUND)),
    cancel(cancelled_none("UNKNOWN_CANCEL_FAILURE_REASON", E.AMBIGUOUS)),
    fetch(coinbase.row(404, {"error": "NOT_FOUND", "error_details": "order with this orderID was not found"}, E.NOT_FOUND)),
    fetch(coinbase.row(500, {"error": "INTERNAL"}, E.AMBIGUOUS)),
    cancel(kucoin.row("400100", "order_not_exist_or_not_allow_to_cancel", E.NOT_FOUND)),
    cancel(kucoin.row("100001", "error.getOrder.orderNotExist", E.NOT_FOUND)),
    fetch(kucoin.row("100001", "error.getOrder.orderNotExist", E.NOT_FOUND)),
    fetch(kucoin.row("400700", "Transaction restricted, there's a risk problem in your account", E.REJECTED)),
    fetch(kucoin.row("408000", "Network timeout, please try again later", E.AMBIGUOUS)),
    cancel(gate.row(404, "ORDER_NOT_FOUND", "Order not found", E.NOT_FOUND)),
    cancel(gate.row(400, "ORDER_CLOSED", "Order is closed", E.NOT_FOUND)),
    cancel(gate.row(500, "SERVER_ERROR", "Internal error", E.AMBIGUOUS)),
    fetch(gate.row(404, "ORDER_NOT_FOUND", "Order not found", E.NOT_FOUND)),
    fetch(gate.row(404, "CLIENT_ID_NOT_FOUND", "Order with this client id not found", E.NOT_FOUND)),
    cancel(bitget.row(400, "43001", "The order does not exist", E.NOT_FOUND)),
    cancel(bitget.row(400, "22001", "No order to cancel", E.NOT_FOUND)),
    cancel(bitget.row(400, "40010", "Request timed out", E.AMBIGUOUS)),
    fetch(bitget.row(400, "40109", "The data of the order cannot be found", E.NOT_FOUND)),
    fetch(bitget.row(400, "40015", "System is abnormal, please try again later", E.AMBIGUOUS)),
    # What is no answer is none here either: not even that there is no such order.
    *(
        Asked(what, Row(venue, status, body, E.AMBIGUOUS))
        for what in (CANCEL, FETCH)
        for venue in EIGHT
        for status, body in ((200, ""), (200, "{}"), (404, "<html>Not found</html>"), (502, "<html>Bad gateway</html>"))
    ),
]  # fmt: skip
