"""What came into an account and left it other than by trades, as Binance lists it."""

from collections.abc import Sequence
from datetime import UTC, datetime

from exchanges.paper.amounts import text_e8
from exchanges.paper.calls import Call
from exchanges.paper.errors import illegal
from exchanges.paper.state import Movement
from exchanges.paper.venue import Venue
from exchanges.paper.views import Json

MAX_ROWS = 1_000
_DEPOSIT_STATUS = {"pending": 0, "done": 1, "failed": 7}
_WITHDRAWAL_STATUS = {"pending": 4, "done": 6, "failed": 5}
#: Binance's words for transfers between the spot account and the one that this venue pretends to have
_DIRECTIONS = {"MAIN_FUNDING": False, "FUNDING_MAIN": True}


def deposits(venue: Venue, call: Call) -> list[Json]:
    return [_deposit(found) for found in _page(venue, call, "deposit")]


def withdrawals(venue: Venue, call: Call) -> list[Json]:
    return [_withdrawal(found) for found in _page(venue, call, "withdrawal")]


def transfers(venue: Venue, call: Call) -> Json:
    name = call.text("type")
    if "_" not in name:
        raise illegal("type", "MAIN_FUNDING")
    comes_in = _DIRECTIONS.get(name)
    rows = [found for found in _page(venue, call, "transfer", "size") if found.moved.comes_in is comes_in]
    return {
        "total": len(rows),
        "rows": [
            {
                "asset": found.moved.asset,
                "amount": text_e8(found.moved.amount_e8),
                "type": name,
                "status": {"done": "CONFIRMED", "pending": "PENDING", "failed": "FAILED"}[found.status],
                "tranId": found.moved.movement_id,
                "timestamp": found.begun_ms,
            }
            for found in rows
        ],
    }


def _page(venue: Venue, call: Call, kind: str, limit_name: str = "limit") -> Sequence[Movement]:
    """Newest first, as Binance lists them."""
    start, end = call.integer("startTime", 0) or 0, call.integer("endTime")
    limit = call.integer(limit_name, MAX_ROWS, most=MAX_ROWS) or MAX_ROWS
    found = [
        movement
        for movement in reversed(venue.engine.state.movements)
        if movement.moved.account == call.account
        and movement.moved.kind == kind
        and start <= movement.begun_ms
        and (end is None or movement.begun_ms <= end)
    ]
    return found[:limit]


def _deposit(found: Movement) -> Json:
    moved = found.moved
    return {
        "id": f"paper-{moved.movement_id}",
        "amount": text_e8(moved.amount_e8),
        "coin": moved.asset,
        "network": "PAPER",
        "status": _DEPOSIT_STATUS[found.status],
        "address": "",
        "addressTag": "",
        "txId": f"paper-{moved.movement_id}",
        "insertTime": found.begun_ms,
        **({"completeTime": found.ended_ms} if found.ended_ms else {}),
        "transferType": 0,
        "confirmTimes": "1/1",
    }


def _withdrawal(found: Movement) -> Json:
    moved = found.moved
    return {
        "id": f"paper-{moved.movement_id}",
        "amount": text_e8(moved.amount_e8),
        "transactionFee": text_e8(moved.fee_e8),
        "coin": moved.asset,
        "status": _WITHDRAWAL_STATUS[found.status],
        "address": "",
        "addressTag": "",
        "txId": f"paper-{moved.movement_id}",
        "applyTime": f"{datetime.fromtimestamp(found.begun_ms // 1000, UTC):%Y-%m-%d %H:%M:%S}",
        "network": "PAPER",
        "transferType": 0,
    }
