"""OKX: codes of https://www.okx.com/docs-v5/en/#error-code."""

from __future__ import annotations

import json

from tests.contract.evidence_rows.row import E, Row


def row(code: str, msg: str, evidence: E, status: int = 200) -> Row:
    """What the venue says of one order; the code of the whole reply is 1 then."""
    data = [{"clOrdId": "", "ordId": "", "sCode": code, "sMsg": msg, "tag": ""}]
    return Row("okx", status, json.dumps({"code": "1", "data": data, "msg": ""}), evidence, code)


def whole(code: str, msg: str, evidence: E, status: int) -> Row:
    return Row("okx", status, json.dumps({"code": code, "data": [], "msg": msg}), evidence, code)


ROWS = [
    row("51016", "Duplicated client order ID", E.DUPLICATE),
    row("51011", "Duplicated order ID", E.DUPLICATE),
    row("51149", "Order timed out. Please try again later.", E.AMBIGUOUS),
    row("51054", "Request timed out. Please try again.", E.AMBIGUOUS),
    row("50001", "Service temporarily unavailable. Try again later", E.AMBIGUOUS),
    row("50004", "Endpoint request timeout", E.AMBIGUOUS),
    whole("50004", "Endpoint request timeout", E.AMBIGUOUS, 400),
    row("50013", "Systems are busy. Please try again later.", E.AMBIGUOUS),
    whole("50013", "Systems are busy. Please try again later.", E.AMBIGUOUS, 503),
    row("50026", "System error. Try again later", E.AMBIGUOUS),
    whole("50026", "System error. Try again later", E.AMBIGUOUS, 500),
    row("51603", "Order does not exist", E.AMBIGUOUS),
    row("59999", "Something nobody has seen", E.AMBIGUOUS),
    row("51008", "Order failed. Insufficient USDT balance in account.", E.REJECTED),
    row("51131", "Insufficient balance", E.REJECTED),
    row("51001", "Instrument ID does not exist", E.REJECTED),
    row("51006", "Order price is not within the price limit", E.REJECTED),
    row("51020", "Your order should meet or exceed the minimum order amount.", E.REJECTED),
    row("51121", "Order quantity must be a multiple of the lot size.", E.REJECTED),
    row("51000", "Parameter px error", E.REJECTED),
    row("51000", "Parameter clOrdId error", E.AMBIGUOUS),
    row("51008", "Order failed. Insufficient USDT balance in account.", E.AMBIGUOUS, 502),
    whole("50102", "Timestamp request expired", E.CLOCK, 401),
    whole("50112", "Invalid OK-ACCESS-TIMESTAMP", E.CLOCK, 401),
    whole("50105", "Request header OK-ACCESS-PASSPHRASE incorrect", E.CREDENTIALS, 401),
    whole("50110", "Your IP is not included in your API key's IP whitelist.", E.CREDENTIALS, 401),
    whole("50111", "Invalid OK-ACCESS-KEY", E.CREDENTIALS, 401),
    whole("50113", "Invalid Sign", E.CREDENTIALS, 401),
    whole("50011", "Too Many Requests", E.RATE_LIMITED, 429),
    row("50011", "Rate limit reached. Please refer to API documentation.", E.RATE_LIMITED),
    row("50061", "Sub-account rate limit exceeded.", E.RATE_LIMITED),
    # Here ccxt speaks of an exchange that is not available.
    Row("okx", 429, "Too Many Requests", E.RATE_LIMITED, outage=False),
    # Taken, says the whole, and names no order.
    Row("okx", 200, '{"code":"0","msg":"","data":[{"clOrdId":"","ordId":"","sCode":"0","sMsg":""}]}', E.AMBIGUOUS),
    Row("okx", 200, '{"code":"0","msg":"","data":[]}', E.AMBIGUOUS),
]
