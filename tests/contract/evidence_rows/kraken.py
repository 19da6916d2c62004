"""Kraken: words of https://docs.kraken.com/api/docs/guides/spot-errors and its support pages."""

from __future__ import annotations

import json

from tests.contract.evidence_rows.row import E, Row


def row(error: str, evidence: E, status: int = 200) -> Row:
    return Row("kraken", status, json.dumps({"error": [error]}), evidence, ":".join(error.split(":")[:2]))


ROWS = [
    row("EService:Timeout", E.AMBIGUOUS),
    row("EService:Unavailable", E.AMBIGUOUS),
    row("EService:Busy", E.AMBIGUOUS),
    row("EService:Deadline elapsed", E.AMBIGUOUS),
    row("EGeneral:Internal error", E.AMBIGUOUS),
    row("EGeneral:Internal error:1234", E.AMBIGUOUS),
    row("EGeneral:Something new", E.AMBIGUOUS),
    row("EOrder:Unknown order", E.AMBIGUOUS),
    # It may be about a client id that an open order has.
    row("EGeneral:Invalid arguments:cl_ord_id", E.AMBIGUOUS),
    row("EOrder:Insufficient funds", E.REJECTED),
    row("EOrder:Order minimum not met", E.REJECTED),
    row("EOrder:Cost minimum not met", E.REJECTED),
    row("EOrder:Tick size check failed", E.REJECTED),
    row("EOrder:Orders limit exceeded", E.REJECTED),
    row("EOrder:Invalid price", E.REJECTED),
    row("EOrder:Invalid price:Invalid price argument", E.REJECTED),
    row("EOrder:Post only order", E.REJECTED),
    row("EGeneral:Invalid arguments:volume", E.REJECTED),
    row("EGeneral:Invalid arguments:price", E.REJECTED),
    row("EQuery:Unknown asset pair", E.REJECTED),
    row("EAccount:Invalid permissions:ABC trading restricted for XY.", E.REJECTED),
    row("EService:Market in cancel_only mode", E.REJECTED),
    row("EService:Market in post_only mode", E.REJECTED),
    row("EOrder:Insufficient funds", E.AMBIGUOUS, 520),
    row("EAPI:Invalid nonce", E.CLOCK),
    row("EGeneral:Invalid arguments:deadline", E.CLOCK),
    row("EAPI:Invalid key", E.CREDENTIALS),
    row("EAPI:Invalid signature", E.CREDENTIALS),
    row("EGeneral:Permission denied", E.CREDENTIALS),
    row("EAuth:Account temporary disabled", E.CREDENTIALS),
    row("EAPI:Rate limit exceeded", E.RATE_LIMITED),
    row("EOrder:Rate limit exceeded", E.RATE_LIMITED),
    row("EOrder:Domain rate limit exceeded", E.RATE_LIMITED),
    row("EGeneral:Temporary lockout", E.RATE_LIMITED),
    row("EGeneral:Too many requests", E.RATE_LIMITED),
    # One of several that proves nothing takes back the others.
    Row(
        "kraken",
        200,
        '{"error":["EOrder:Insufficient funds","EService:Busy"]}',
        E.AMBIGUOUS,
        "EOrder:Insufficient funds",
    ),
    # Taken, and no order named.
    Row("kraken", 200, '{"error":[],"result":{"descr":{"order":"buy"},"txid":[]}}', E.AMBIGUOUS),
]
