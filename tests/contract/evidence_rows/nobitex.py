"""Nobitex: codes of https://apidocs.nobitex.ir, most of them in replies whose HTTP status is 200."""

from __future__ import annotations

import json

from tests.contract.evidence_rows.everywhere import ANSWERS, HTML
from tests.contract.evidence_rows.row import E, Row


def row(code: str, evidence: E, status: int = 200, message: str = "Order Validation Failed") -> Row:
    body = {"status": "failed", "code": code, "message": message, "clientOrderId": "abc000000000000001"}
    return Row("nobitex", status, json.dumps(body), evidence, code)


OWN = [
    row("InvalidOrderPrice", E.REJECTED),
    row("BadPrice", E.REJECTED),
    row("PriceConditionFailed", E.REJECTED),
    row("InvalidExecutionType", E.REJECTED),
    row("InvalidOrderType", E.REJECTED),
    row("OverValueOrder", E.REJECTED),
    row("SmallOrder", E.REJECTED),
    row("InvalidMarketPair", E.REJECTED),
    row("MarketClosed", E.REJECTED),
    row("FeatureUnavailable", E.REJECTED),
    row("ParseError", E.REJECTED, 400, 'Invalid monetary value "x"'),
    row("SomethingNew", E.REJECTED, 400, "Bad Request"),
    row("SomethingNew", E.REJECTED, 422, "Unprocessable"),
    row("TradingUnavailable", E.CREDENTIALS),
    Row("nobitex", 401, '{"detail": "Invalid token."}', E.CREDENTIALS, outage=False),
    Row("nobitex", 403, '{"detail": "You do not have permission to perform this action."}', E.CREDENTIALS),
    # An open order has the client id, and it is ours.
    row("DuplicateClientOrderId", E.DUPLICATE, 200, "Duplicate clientOrderId"),
    # Another order equals it. Whatever its words are, they do not say that this one exists, nor that it does not.
    row("DuplicateOrder", E.AMBIGUOUS),
    row("DuplicateOrder", E.AMBIGUOUS, 200, "Duplicate order"),
    row("DuplicateOrder", E.AMBIGUOUS, 200, "order already exists"),
    row("DuplicateOrder", E.AMBIGUOUS, 400, "Duplicate order"),
    row("TryAgainLater", E.AMBIGUOUS),
    row("SmallOrder", E.AMBIGUOUS, 200, "An internal error has occurred, please try again"),
    row("SomethingNew", E.AMBIGUOUS),
    Row("nobitex", 200, '{"status": "failed", "message": "Order Validation Failed"}', E.AMBIGUOUS),
    # Nobody says that of a create, so it is not understood.
    row("NotFound", E.AMBIGUOUS, 404, "Order not found"),
    row("OverValueOrder", E.AMBIGUOUS, 500),
    row("OverValueOrder", E.AMBIGUOUS, 503),
    row("TooManyRequests", E.RATE_LIMITED, 429, "12 s"),
    Row("nobitex", 403, HTML, E.AMBIGUOUS),
    # Taken, and no order named.
    Row("nobitex", 200, '{"status": "ok"}', E.AMBIGUOUS),
    Row("nobitex", 200, '{"status": "ok", "order": {"status": "Active", "amount": "0.01"}}', E.AMBIGUOUS),
    Row("nobitex", 200, '{"status": "ok", "orders": [{"id": 27, "status": "Active"}]}', E.AMBIGUOUS),
]

ROWS = [*OWN, *(Row("nobitex", status, body, evidence, outage=outage) for status, body, evidence, outage in ANSWERS)]
