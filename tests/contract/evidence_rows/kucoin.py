"""KuCoin: codes of its API documentation; one code, 400100, stands for many things, so that words decide."""

from __future__ import annotations

import json

from tests.contract.evidence_rows.row import E, Row


def row(code: str, msg: str, evidence: E, status: int = 200) -> Row:
    return Row("kucoin", status, json.dumps({"code": code, "msg": msg}), evidence, code)


ROWS = [
    row("126044", "clientOid duplicate", E.DUPLICATE),
    row("126033", "Duplicate order", E.DUPLICATE),
    row("400100", "validation.createOrder.clientOidDuplicated", E.DUPLICATE),
    row("400100", "clientOid already exists", E.DUPLICATE),
    row("400100", "validation.createOrder.clientOidIsRequired", E.AMBIGUOUS),
    row("400100", "Order size below the minimum requirement.", E.REJECTED),
    row("400100", "price not in the given range!", E.REJECTED),
    row("600100", "Order size increment invalid.", E.REJECTED),
    row("600100", "Funds below the minimum requirement.", E.REJECTED),
    row("200004", "Balance insufficient!", E.REJECTED),
    row("230003", "Balance insufficient!", E.REJECTED),
    row("200001", "Order creation for this pair suspended", E.REJECTED),
    row("200003", "Number of orders breached the limit", E.REJECTED),
    row("400200", "Forbidden to place an order", E.REJECTED),
    row("400600", "validation.createOrder.symbolNotAvailable", E.REJECTED),
    row("400700", "Transaction restricted, there's a risk problem in your account", E.REJECTED),
    row("400760", "order price should be more than 1", E.REJECTED),
    row("900001", "symbol not exists", E.REJECTED),
    row("408000", "Network timeout, please try again later", E.AMBIGUOUS),
    row("500000", "Internal Server Error", E.AMBIGUOUS),
    row("500000", "Internal Server Error", E.AMBIGUOUS, 500),
    row("100001", "error.getOrder.orderNotExist", E.AMBIGUOUS),
    row("126038", "Third-party service call failed (internal exception)", E.AMBIGUOUS),
    row("999999", "Something nobody has seen", E.AMBIGUOUS),
    row("200004", "Balance insufficient!", E.AMBIGUOUS, 503),
    row("400002", "KC-API-TIMESTAMP Invalid", E.CLOCK, 401),
    row("400001", "Please check the header of your request for KC-API-KEY", E.CREDENTIALS, 401),
    row("400003", "KC-API-KEY not exists", E.CREDENTIALS, 401),
    row("400004", "KC-API-PASSPHRASE error", E.CREDENTIALS, 401),
    row("400005", "Invalid KC-API-SIGN", E.CREDENTIALS, 401),
    row("400006", "The requested ip address is not in the api whitelist", E.CREDENTIALS, 401),
    row("400007", "Access denied, require more permission.", E.CREDENTIALS, 403),
    row("429000", "Too many requests", E.RATE_LIMITED),
    row("429000", "Too many requests", E.RATE_LIMITED, 429),
    # Taken, and no order named.
    Row("kucoin", 200, '{"code":"200000","data":{"orderId":""}}', E.AMBIGUOUS),
    Row("kucoin", 200, '{"code":"200000","data":null}', E.AMBIGUOUS),
]
