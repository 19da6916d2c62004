"""Binance: codes and words of https://developers.binance.com/docs/binance-spot-api-docs/errors."""

from __future__ import annotations

import json

from tests.contract.evidence_rows.row import E, Row


def row(status: int, code: int, msg: str, evidence: E) -> Row:
    return Row("binance", status, json.dumps({"code": code, "msg": msg}), evidence, str(code))


def cancel_replace(status: int, code: int, cancel: str, new: str) -> Row:
    """The reply to a cancel with a new order: one code for both, and what became of each."""
    data = {"cancelResult": cancel, "newOrderResult": new, "cancelResponse": {"code": -2011}, "newOrderResponse": {}}
    body = {"code": code, "msg": "Order cancel-replace partially failed.", "data": data}
    return Row("binance", status, json.dumps(body), E.AMBIGUOUS, str(code), outage=False)


ROWS = [
    row(400, -2010, "Duplicate order sent.", E.DUPLICATE),
    row(400, -2010, "Account has insufficient balance for requested action.", E.REJECTED),
    row(400, -2010, "Order would immediately match and take.", E.REJECTED),
    row(400, -2010, "This symbol is not permitted for this account.", E.REJECTED),
    row(400, -2010, "This action is disabled on this account.", E.REJECTED),
    row(400, -2010, "Unsupported order combination.", E.REJECTED),
    row(400, -2010, "Price * QTY is zero or less.", E.REJECTED),
    row(400, -2010, "IcebergQty exceeds QTY.", E.REJECTED),
    row(400, -2010, "Market is closed.", E.REJECTED),
    row(400, -2010, "Filter failure: MAX_NUM_ORDERS", E.REJECTED),
    row(400, -1013, "Filter failure: NOTIONAL", E.REJECTED),
    row(400, -1013, "Filter failure: MIN_NOTIONAL", E.REJECTED),
    row(400, -1013, "Filter failure: LOT_SIZE", E.REJECTED),
    row(400, -1013, "Filter failure: MARKET_LOT_SIZE", E.REJECTED),
    row(400, -1013, "Filter failure: PRICE_FILTER", E.REJECTED),
    row(400, -1013, "Filter failure: PERCENT_PRICE_BY_SIDE", E.REJECTED),
    row(400, -1013, "Filter failure: MAX_POSITION", E.REJECTED),
    row(400, -1100, "Illegal characters found in parameter 'price'.", E.REJECTED),
    row(400, -1102, "Mandatory parameter 'quantity' was not sent, was empty/null, or malformed.", E.REJECTED),
    row(400, -1106, "Parameter 'timeInForce' sent when not required.", E.REJECTED),
    row(400, -1111, "Parameter 'quantity' has too much precision.", E.REJECTED),
    row(400, -1115, "Invalid timeInForce.", E.REJECTED),
    row(400, -1116, "Invalid orderType.", E.REJECTED),
    row(400, -1117, "Invalid side.", E.REJECTED),
    row(400, -1121, "Invalid symbol.", E.REJECTED),
    row(400, -1021, "Timestamp for this request is outside of the recvWindow.", E.CLOCK),
    row(400, -1021, "Timestamp for this request was 1000ms ahead of the server's time.", E.CLOCK),
    row(400, -1022, "Signature for this request is not valid.", E.CREDENTIALS),
    row(401, -1002, "You are not authorized to execute this request.", E.CREDENTIALS),
    row(401, -2015, "Invalid API-key, IP, or permissions for action.", E.CREDENTIALS),
    row(401, -2014, "API-key format invalid.", E.CREDENTIALS),
    row(504, -1007, "Timeout waiting for response from backend server.", E.AMBIGUOUS),
    row(400, -1007, "Timeout waiting for response from backend server.", E.AMBIGUOUS),
    row(400, -1006, "An unexpected response was received. Execution status unknown.", E.AMBIGUOUS),
    row(400, -1001, "Internal error; unable to process your request.", E.AMBIGUOUS),
    row(400, -1000, "An unknown error occurred while processing the request.", E.AMBIGUOUS),
    row(200, -1000, "An unknown error occurred while processing the request.", E.AMBIGUOUS),
    row(400, -1016, "This service is no longer available.", E.AMBIGUOUS),
    row(503, -1008, "Server is currently overloaded with other requests.", E.AMBIGUOUS),
    row(400, -1008, "Server is currently overloaded with other requests.", E.AMBIGUOUS),
    row(503, -1, "Unknown error, please check your request or try again later.", E.AMBIGUOUS),
    row(503, 0, "Service Unavailable.", E.AMBIGUOUS),
    row(451, 0, "Service unavailable from a restricted location.", E.AMBIGUOUS),
    row(429, -1003, "Too many requests.", E.RATE_LIMITED),
    row(418, -1003, "IP banned until 1760000005000.", E.RATE_LIMITED),
    row(400, -1015, "Too many new orders.", E.RATE_LIMITED),
    row(400, -9999, "Something nobody has seen.", E.AMBIGUOUS),
    row(503, -2010, "Account has insufficient balance for requested action.", E.AMBIGUOUS),
    # What it does not know yet, an order that was just sent among them, is no refusal of the order.
    row(400, -2013, "Order does not exist.", E.AMBIGUOUS),
    row(400, -2011, "Unknown order sent.", E.AMBIGUOUS),
    # What looks like an order, from where nobody was sent to.
    Row("binance", 307, '{"symbol":"BTCUSDT","orderId":1,"status":"NEW","origQty":"0.01"}', E.AMBIGUOUS, outage=True),
    # A cancel with a new order that went wrong by half: the old order may be gone, the new one may be there.
    cancel_replace(409, -2021, "SUCCESS", "FAILURE"),
    cancel_replace(409, -2021, "FAILURE", "SUCCESS"),
    cancel_replace(400, -2022, "FAILURE", "FAILURE"),
]
