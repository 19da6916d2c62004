"""Coinbase: failure reasons of the Advanced Trade API's create order."""

from __future__ import annotations

import json

from tests.contract.evidence_rows.row import E, Row


def row(status: int, body: object, evidence: E, code: str = "") -> Row:
    return Row("coinbase", status, json.dumps(body), evidence, code)


def failed(evidence: E, code: str, *, status: int = 200, **reasons: str) -> Row:
    """A reply with success false; ``reasons`` as the venue spells them, ``error`` unless it is named."""
    response = {"message": "", "error_details": "", **({"error": code} | reasons)}
    return row(status, {"success": False, "error_response": response}, evidence, code)


BLANK = "UNKNOWN_FAILURE_REASON"
BLANKS = {"error": BLANK, "preview_failure_reason": "UNKNOWN_PREVIEW_FAILURE_REASON"}

ROWS = [
    failed(E.AMBIGUOUS, BLANK),
    failed(E.AMBIGUOUS, BLANK, **BLANKS, new_order_failure_reason=BLANK),
    failed(E.AMBIGUOUS, "SOMETHING_NOBODY_HAS_SEEN"),
    failed(E.DUPLICATE, "DUPLICATE_CLIENT_ORDER_ID"),
    failed(E.REJECTED, "INSUFFICIENT_FUND"),
    failed(E.REJECTED, "INSUFFICIENT_FUND", **BLANKS, new_order_failure_reason="INSUFFICIENT_FUND"),
    failed(E.REJECTED, "PREVIEW_INSUFFICIENT_FUND", **BLANKS | {"preview_failure_reason": "PREVIEW_INSUFFICIENT_FUND"}),
    failed(E.REJECTED, "INVALID_LIMIT_PRICE_POST_ONLY"),
    failed(
        E.REJECTED,
        "PREVIEW_INVALID_LIMIT_PRICE_POST_ONLY",
        **BLANKS | {"preview_failure_reason": "PREVIEW_INVALID_LIMIT_PRICE_POST_ONLY"},
    ),
    failed(E.REJECTED, "INVALID_SIZE_PRECISION"),
    failed(E.REJECTED, "INVALID_PRICE_PRECISION"),
    failed(E.REJECTED, "INVALID_PRODUCT_ID"),
    failed(E.REJECTED, "UNSUPPORTED_ORDER_CONFIGURATION"),
    failed(E.REJECTED, "INELIGIBLE_PAIR"),
    failed(E.REJECTED, "ORDER_ENTRY_DISABLED"),
    failed(
        E.REJECTED,
        "PREVIEW_INVALID_BASE_SIZE_TOO_SMALL",
        **BLANKS | {"preview_failure_reason": "PREVIEW_INVALID_BASE_SIZE_TOO_SMALL"},
    ),
    failed(E.AMBIGUOUS, "INSUFFICIENT_FUND", status=503),
    row(400, {"error": "INVALID_ARGUMENT", "error_details": "price is invalid", "message": "price is invalid"}, E.REJECTED, "INVALID_ARGUMENT"),
    row(400, {"error": "INVALID_ARGUMENT", "error_details": "client_order_id is invalid"}, E.AMBIGUOUS, "INVALID_ARGUMENT"),
    row(403, {"error": "PERMISSION_DENIED", "message": "Missing required scopes"}, E.CREDENTIALS, "PERMISSION_DENIED"),
    row(401, "Unauthorized", E.CREDENTIALS),
    row(401, {"errors": [{"id": "authentication_error", "message": "invalid signature"}]}, E.CREDENTIALS, "authentication_error"),
    row(429, {"error": "resource_exhausted", "message": "Too many requests"}, E.RATE_LIMITED, "resource_exhausted"),
    row(400, {"errors": [{"id": "rate_limit_exceeded", "message": "Slow down"}]}, E.RATE_LIMITED, "rate_limit_exceeded"),
    row(500, {"error": "INTERNAL"}, E.AMBIGUOUS, "INTERNAL"),
    row(504, {"error": "DEADLINE_EXCEEDED", "message": "context deadline exceeded"}, E.AMBIGUOUS, "DEADLINE_EXCEEDED"),
    row(400, {"error": "unknown", "error_details": "order with this orderID was not found"}, E.AMBIGUOUS, "unknown"),
    # Taken, and no order named.
    row(200, {"success": True, "success_response": {"order_id": "", "product_id": "BTC-USDT"}}, E.AMBIGUOUS),
    row(200, {"success": True}, E.AMBIGUOUS),
]  # fmt: skip
