"""Runs and breaks as documents: decimals as strings in plain notation, times in UTC."""

from typing import Any

from sqlalchemy import Connection

from models.clock import format_time
from models.money import plain, plain_or_none
from models.reconciliation import BreakAction, BreakStatus
from storage.breaks import Break, corrections_of, found_in
from storage.reconciliations import Run, RunAccount, accounts_of, get_run, looks_of


def run_document(conn: Connection, run_id: str) -> dict[str, Any] | None:
    """A run with its accounts and what it found; None where there is none such."""
    run = get_run(conn, run_id)
    if run is None:
        return None
    figures = {(look["venue"], look["account"]): look["body"]["figures"] for look in looks_of(conn, run_id)}
    return {
        **run_line(run),
        "accounts": [_account(one, figures.get((one.venue, one.account), {})) for one in accounts_of(conn, run_id)],
        "breaks": [{**break_line(one), "new": is_new} for one, is_new in found_in(conn, run_id)],
    }


def run_line(run: Run) -> dict[str, Any]:
    return {
        "id": run.id,
        "status": run.status.value,
        "scope": run.scope.value,
        "by": run.by,
        "started_at": format_time(run.started_at),
        "finished_at": run.finished_at and format_time(run.finished_at),
    }


def _account(one: RunAccount, figures: dict[str, int]) -> dict[str, Any]:
    """``figures`` are those of its last look."""
    return {
        "venue": one.venue,
        "account": one.account,
        "stage": one.stage.value,
        "message": one.message,
        "figures": figures,
    }


def break_line(one: Break) -> dict[str, Any]:
    """``difference`` is what has to be added to our books to make them the venue's."""
    return {
        "id": one.id,
        "kind": one.kind.value,
        "venue": one.venue,
        "account": one.account,
        "asset": one.asset,
        "order_id": one.order_id,
        "venue_order_id": one.venue_order_id,
        "ours": plain_or_none(one.ours),
        "cached": plain_or_none(one.cached),
        "theirs": plain_or_none(one.theirs),
        "difference": plain_or_none(one.difference),
        "severity": one.severity.value,
        "action": one.action.value,
        "status": one.status.value,
        "symbol": one.symbol,
        "child_id": one.child_id,
        "message": one.message,
        "frozen": one.status is BreakStatus.OPEN and one.action is BreakAction.FREEZE,
        "found_at": format_time(one.found_at),
        "seen_at": format_time(one.seen_at),
    }


def break_document(conn: Connection, one: Break) -> dict[str, Any]:
    """With the decision on it, and what was posted for it."""
    decision = one.decided_at and {"at": format_time(one.decided_at), "by": one.decided_by, "note": one.note}
    posted = [
        {
            "at": format_time(row["posted_at"]),
            "asset": row["asset"],
            "amount": plain(row["amount"]),
            "automatic": bool(row["automatic"]),
            "by": row["posted_by"],
            "reason": row["reason"],
            "entry_id": row["entry_id"],
        }
        for row in corrections_of(conn, one.id)
    ]
    return {**break_line(one), "run_id": one.run_id, "decision": decision, "posted": posted}
