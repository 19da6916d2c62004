"""Bitget: codes of https://www.bitget.com/api-doc/spot/error-code/restapi."""

from __future__ import annotations

import json

from tests.contract.evidence_rows.row import E, Row


def row(status: int, code: str, msg: str, evidence: E) -> Row:
    return Row("bitget", status, json.dumps({"code": code, "msg": msg, "data": None}), evidence, code)


ROWS = [
    row(400, "40786", "Duplicate clientOid", E.DUPLICATE),
    row(400, "43118", "clientOrderId duplicate", E.DUPLICATE),
    row(400, "40500", "Client_oid check error", E.AMBIGUOUS),
    row(400, "40015", "System is abnormal, please try again later", E.AMBIGUOUS),
    # ccxt calls it a failure of the signature.
    row(400, "40010", "Request timed out", E.AMBIGUOUS),
    row(400, "40725", "service return an error", E.AMBIGUOUS),
    row(400, "45001", "Unknown error", E.AMBIGUOUS),
    row(400, "50008", "network timeout", E.AMBIGUOUS),
    row(400, "40200", "Server upgrade, please try again later", E.AMBIGUOUS),
    row(400, "40604", "Server is busy, please try again later", E.AMBIGUOUS),
    row(400, "43001", "The order does not exist", E.AMBIGUOUS),
    row(400, "22001", "No order to cancel", E.AMBIGUOUS),
    row(400, "99999", "Something nobody has seen", E.AMBIGUOUS),
    row(500, "43012", "Insufficient balance", E.AMBIGUOUS),
    row(400, "43012", "Insufficient balance", E.REJECTED),
    row(400, "40762", "The order amount exceeds the balance", E.REJECTED),
    row(400, "45110", "less than the minimum amount 5 USDT", E.REJECTED),
    row(
        400, "40808", "Parameter verification exception size checkBDScale error value=2293.577 checkScale=2", E.REJECTED
    ),
    row(400, "41103", "param price scale error error", E.REJECTED),
    row(400, "41117", "K/USDT selling price cannot be lower than 0.00085", E.REJECTED),
    row(400, "40019", "Parameter BTCUSDT cannot be empty", E.REJECTED),
    row(400, "40017", "Parameter verification failed", E.REJECTED),
    row(400, "40017", "Parameter verification failed clientOid", E.AMBIGUOUS),
    row(400, "40004", "Request timestamp expired", E.CLOCK),
    row(400, "40005", "Invalid ACCESS_TIMESTAMP", E.CLOCK),
    row(400, "40008", "Request timestamp expired", E.CLOCK),
    row(400, "40006", "Invalid ACCESS_KEY", E.CREDENTIALS),
    row(400, "40009", "sign signature error", E.CREDENTIALS),
    row(400, "40012", "apikey/password is incorrect", E.CREDENTIALS),
    row(400, "40014", "Incorrect permissions, need spot order write permissions", E.CREDENTIALS),
    row(400, "40018", "Invalid IP", E.CREDENTIALS),
    row(429, "429", "Too Many Requests", E.RATE_LIMITED),
    row(400, "1001", "The request is too frequent and has been throttled", E.RATE_LIMITED),
    # Taken, and no order named.
    Row("bitget", 200, '{"code":"00000","msg":"success","requestTime":1,"data":{}}', E.AMBIGUOUS),
    Row("bitget", 200, '{"code":"00000","msg":"success","requestTime":1,"data":null}', E.AMBIGUOUS),
]
