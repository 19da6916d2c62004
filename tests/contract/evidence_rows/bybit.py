"""Bybit: codes of https://bybit-exchange.github.io/docs/v5/error."""

from __future__ import annotations

import json

from tests.contract.evidence_rows.row import E, Row


def row(code: int, msg: str, evidence: E, status: int = 200) -> Row:
    body = json.dumps({"retCode": code, "retMsg": msg, "result": {}, "retExtInfo": {}, "time": 1})
    return Row("bybit", status, body, evidence, "" if code == 0 else str(code))


ROWS = [
    row(170141, "Duplicate clientOrderId.", E.DUPLICATE),
    row(110072, "OrderLinkedID is duplicate", E.DUPLICATE),
    row(12141, "Duplicate clientOrderId.", E.DUPLICATE),
    row(0, "OK", E.AMBIGUOUS),  # no id
    row(10000, "Server Timeout", E.AMBIGUOUS),
    row(5004, "Server Timeout", E.AMBIGUOUS),
    row(10014, "Request is duplicate", E.AMBIGUOUS),
    row(10016, "Internal server error.", E.AMBIGUOUS),
    row(170001, "Internal error.", E.AMBIGUOUS),
    row(170007, "Timeout waiting for response from backend server.", E.AMBIGUOUS),
    row(170032, "Network error. Please try again later", E.AMBIGUOUS),
    row(170146, "Order creation timeout", E.AMBIGUOUS),
    row(170147, "Order cancellation timeout", E.AMBIGUOUS),
    row(170149, "Create order failed", E.AMBIGUOUS),
    row(170213, "Order does not exist.", E.AMBIGUOUS),
    row(170234, "System Error", E.AMBIGUOUS),
    row(999999, "Something nobody has seen", E.AMBIGUOUS),
    row(170131, "Balance insufficient", E.REJECTED),
    row(170033, "margin Insufficient account balance", E.REJECTED),
    row(170121, "Invalid symbol.", E.REJECTED),
    row(170124, "Order amount too large.", E.REJECTED),
    row(170132, "Order price too high.", E.REJECTED),
    row(170134, "Order price decimal too long.", E.REJECTED),
    row(170136, "Order quantity lower than the minimum.", E.REJECTED),
    row(170137, "Order volume decimal too long", E.REJECTED),
    row(170140, "Transaction amount lower than the minimum.", E.REJECTED),
    row(170193, "Buy order price cannot be higher than 50000.", E.REJECTED),
    row(170210, "New order rejected.", E.REJECTED),
    row(170218, "The LIMIT-MAKER order is rejected due to invalid price.", E.REJECTED),
    row(10001, "params error: side invalid", E.REJECTED),
    # Words that name the id are no refusal of the order: it may be there under this id.
    row(10001, "The order with this orderLinkId exists", E.AMBIGUOUS),
    row(10002, "invalid request, please check your server timestamp or recv_window param", E.CLOCK),
    row(10003, "API key is invalid.", E.CREDENTIALS),
    row(10004, "error sign! origin_string[...]", E.CREDENTIALS),
    row(10005, "Permission denied, please check your API key permissions.", E.CREDENTIALS),
    row(10010, "Unmatched IP, please check your API key's bound IP addresses.", E.CREDENTIALS),
    row(33004, "Your api key has expired.", E.CREDENTIALS),
    row(10006, "Too many visits!", E.RATE_LIMITED),
    row(10018, "Exceeded the IP Rate Limit.", E.RATE_LIMITED),
    row(170005, "Too many new orders; current limit is 20 orders per second.", E.RATE_LIMITED),
    row(170222, "Too many requests in this time frame.", E.RATE_LIMITED),
    # It answers so to an address that asks too often, and to some countries.
    Row("bybit", 403, "access too frequent, please try again in 5 minutes", E.RATE_LIMITED),
    Row("bybit", 403, "<html><body>Forbidden</body></html>", E.RATE_LIMITED),
    row(170131, "Balance insufficient", E.AMBIGUOUS, 500),
]
