"""Gate: labels of https://www.gate.com/docs/developers/apiv4/en/#label-list."""

from __future__ import annotations

import json

from tests.contract.evidence_rows.row import E, Row


def row(status: int, label: str, message: str, evidence: E) -> Row:
    return Row("gate", status, json.dumps({"label": label, "message": message}), evidence, label)


ROWS = [
    row(400, "BALANCE_NOT_ENOUGH", "Not enough balance", E.REJECTED),
    row(400, "INVALID_CURRENCY_PAIR", "Invalid currency pair", E.REJECTED),
    row(400, "INVALID_PRECISION", "Invalid precision", E.REJECTED),
    row(400, "INVALID_PARAM_VALUE", "Your order size 0.1 USDT is too small. The minimum is 3 USDT", E.REJECTED),
    row(400, "INVALID_PARAM_VALUE", "invalid argument: price", E.REJECTED),
    row(400, "AMOUNT_TOO_LITTLE", "Amount too little", E.REJECTED),
    row(400, "AMOUNT_TOO_MUCH", "Amount too much", E.REJECTED),
    row(400, "QUANTITY_NOT_ENOUGH", "Not enough liquidity", E.REJECTED),
    row(400, "POC_FILL_IMMEDIATELY", "Order would match and take immediately so its cancelled", E.REJECTED),
    row(400, "PRICE_TOO_DEVIATED", "The price deviates too much", E.REJECTED),
    row(400, "TOO_MANY_ORDERS", "Too many open orders", E.REJECTED),
    row(400, "INVALID_PARAM_VALUE", "duplicate text", E.DUPLICATE),
    row(400, "INVALID_PARAM_VALUE", "order with this client id already exists", E.DUPLICATE),
    # It does not say of what: of a loan, or of this order.
    row(400, "REPEATED_CREATION", "Repeated creation", E.AMBIGUOUS),
    row(400, "ORDER_NOT_FOUND", "Order not found", E.AMBIGUOUS),
    row(400, "SOMETHING_NOBODY_HAS_SEEN", "Something", E.AMBIGUOUS),
    row(500, "INTERNAL", "Internal error", E.AMBIGUOUS),
    row(500, "SERVER_ERROR", "Internal error", E.AMBIGUOUS),
    row(503, "TOO_BUSY", "Server is too busy", E.AMBIGUOUS),
    row(400, "TOO_BUSY", "Server is too busy", E.AMBIGUOUS),
    row(502, "BALANCE_NOT_ENOUGH", "Not enough balance", E.AMBIGUOUS),
    # ccxt calls it a failure of the key.
    row(400, "REQUEST_EXPIRED", "gap between request Timestamp and server time exceeds 60", E.CLOCK),
    row(403, "REQUEST_EXPIRED", "gap between request Timestamp and server time exceeds 60", E.CLOCK),
    row(401, "INVALID_SIGNATURE", "Signature mismatch", E.CREDENTIALS),
    row(401, "INVALID_KEY", "Invalid key provided", E.CREDENTIALS),
    row(403, "FORBIDDEN", "Request forbidden", E.CREDENTIALS),
    row(403, "IP_FORBIDDEN", "Your IP is not whitelisted", E.CREDENTIALS),
    row(403, "READ_ONLY", "The key is read only", E.CREDENTIALS),
    row(429, "TOO_MANY_REQUESTS", "Request Rate limit Exceeded", E.RATE_LIMITED),
    row(400, "TOO_FAST", "Too fast", E.RATE_LIMITED),
    # Taken, and no order named.
    Row("gate", 201, '{"text":"t-abc000000000000001","status":"open","currency_pair":"BTC_USDT"}', E.AMBIGUOUS),
]
