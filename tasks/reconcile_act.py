"""What stands in two looks becomes breaks; what is small is corrected, what is not stops the asset. One transaction."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

import structlog
from sqlalchemy import Connection

from accounting.reconciliation import BalanceSeen, Tolerance, judge, standing
from accounting.reconciliation_orders import OrderBreak
from accounting.reconciliation_positions import PositionBreak
from failpoints import failpoint
from models.clock import format_time
from models.ids import break_id
from models.money import plain
from models.reconciliation import BreakAction, BreakKind, BreakSeverity, BreakStatus, RunScope
from storage.alerts import Severity, record_alert
from storage.breaks import Break, Finding, close_break, keep_finding, newest_break, open_breaks_of
from storage.ledger_corrections import (
    corrected_within_a_day,
    lock_for_correction,
    owned,
    post_correction,
)
from storage.ledger_posting import Locked
from storage.reconciliation_facts import assets_booked_since, motion
from storage.reconciliations import RunAccount
from tasks.reconcile_look import FirstSeen, Look
from tasks.runtime import Runtime

log = structlog.get_logger()

#: who decides where no person does
BY_ITSELF = "reconciliation"


@dataclass(slots=True, kw_only=True)
class Acted:
    corrected: int = 0
    #: open now, those that an earlier run had found included
    open: int = 0
    new: int = 0
    gone: int = 0
    unjudged: tuple[str, ...] = ()

    def sentence(self) -> str:
        parts = [f"{self.open} breaks stand open ({self.new} new)", f"{self.corrected} corrected", f"{self.gone} gone"]
        if self.unjudged:
            shown = ", ".join(self.unjudged[:10]) + (" …" if len(self.unjudged) > 10 else "")
            parts.append(f"{len(self.unjudged)} assets could not be judged, since orders of ours moved them: {shown}")
        return "; ".join(parts)


def act(
    conn: Connection,
    runtime: Runtime,
    seen: RunAccount,
    scope: RunScope,
    look: Look,
    first: FirstSeen,
    began_at: datetime,
) -> Acted:
    """Conclude from two looks; the caller holds the account's lease, and its transaction is this one's.

    ``began_at`` is when the first look began: assets that fills booked since then have moved are not judged, nor those
    whose books are other than in the second look.
    """
    now = runtime.now()
    acted = Acted()
    found: set[str] = set()
    judged: set[str] = set()
    if scope is RunScope.FULL:
        found, judged = _act_on_balances(conn, runtime, seen, look, first.differences, began_at, now, acted)
        for position in look.positions:
            if position.content in first.positions and set(position.symbol.split("/")) <= judged:
                found.add(position.key)
                _keep_position(conn, seen, position, now, acted)
    for one in look.orders:
        if one.content in first.orders:
            found.add(_key(one))
            _keep_order(conn, seen, one, now, acted)
    _close_gone(conn, seen, scope, look, found, judged, now, acted)
    return acted


def _act_on_balances(
    conn: Connection,
    runtime: Runtime,
    seen: RunAccount,
    look: Look,
    first_differences: Mapping[str, Decimal],
    began_at: datetime,
    now: datetime,
    acted: Acted,
) -> tuple[set[str], set[str]]:
    """Returns the keys of what was found, and the assets that were judged."""
    venue, account = seen.venue, seen.account
    candidates = sorted({one.asset for one in look.balances if one.difference != 0 and one.asset in first_differences})
    locked: Locked = lock_for_correction(conn, venue, account, candidates) if candidates else {}
    # Whatever is booked from here on waits for these locks.
    lag = timedelta(milliseconds=runtime.settings.venues[venue].visibility_lag_ms)
    moved = assets_booked_since(conn, venue, account, began_at - lag)
    moving = motion(conn, venue, account)
    changed = {one.asset for one in look.balances if one.asset in candidates and owned(locked, one.asset) != one.ours}
    blurred = look.blurred | moving.in_doubt | moved | changed
    stand, unjudged = standing(first_differences, look.balances, blurred)
    acted.unjudged = tuple(unjudged)
    keys = set()
    for one in stand:
        keys.add(one.asset)
        _keep_balance(conn, runtime, seen, one, look, locked, now, acted, live=one.asset in moving.live)
    return keys, {one.asset for one in look.balances} - blurred


def _keep_balance(
    conn: Connection,
    runtime: Runtime,
    seen: RunAccount,
    one: BalanceSeen,
    look: Look,
    locked: Locked,
    now: datetime,
    acted: Acted,
    *,
    live: bool,
) -> None:
    venue, account, asset = seen.venue, seen.account, one.asset
    known = newest_break(conn, venue, account, asset)
    if known is not None and known.status is BreakStatus.IGNORED and known.difference == one.difference:
        return  # a person said that just this may stay
    corrected = corrected_within_a_day(conn, venue, account, asset, now)
    verdict = judge(one, tolerance_of(runtime, asset), corrected=corrected, live=live)
    severity, action, why = verdict.severity, verdict.action, verdict.why
    if known is not None and known.status is BreakStatus.OPEN and known.action is BreakAction.FREEZE:
        # What a person is waited for is not taken from them because it has become smaller.
        severity, action, why = known.severity, BreakAction.FREEZE, "it waits for a person"
    message = f"{venue} ({account}) has {plain(one.theirs)} {asset}, our books have {plain(one.ours)}: {why}"
    if asset in look.strangers:
        message += (
            f"; trades of orders that are not ours moved {look.strangers[asset]} {asset} since "
            f"{format_time(look.strangers_from)}"
        )
    finding = Finding(
        id=break_id(seen.run_id, venue, account, asset),
        kind=BreakKind.BALANCE,
        venue=venue,
        account=account,
        key=asset,
        asset=asset,
        ours=one.ours,
        cached=one.cached,
        theirs=one.theirs,
        difference=one.difference,
        severity=severity,
        action=action,
        message=message,
    )
    if action is BreakAction.CORRECT:
        kept = keep_finding(conn, seen.run_id, finding, BreakStatus.CORRECTED, (), by=BY_ITSELF, now=now)
        reason = f"run {seen.run_id}: {message}"
        post_correction(conn, kept, asset, one.difference, locked, by=BY_ITSELF, reason=reason, automatic=True, now=now)
        failpoint("reconcile.correction.posted")
        acted.corrected += 1
        return
    _keep_open(conn, seen, finding, (asset,), now, acted)


def _keep_order(conn: Connection, seen: RunAccount, one: OrderBreak, now: datetime, acted: Acted) -> None:
    known = newest_break(conn, seen.venue, seen.account, _key(one))
    if known is not None and known.status in (BreakStatus.IGNORED, BreakStatus.ACCEPTED):
        return  # a person has seen this order
    assets = tuple(one.symbol.split("/")) if "/" in one.symbol else ()  # without: of a market that nobody knows
    finding = Finding(
        id=break_id(seen.run_id, seen.venue, seen.account, _key(one)),
        kind=BreakKind.ORDER,
        venue=seen.venue,
        account=seen.account,
        key=_key(one),
        asset=assets[0] if assets else None,
        symbol=one.symbol,
        order_id=one.order_id,
        child_id=one.child_id,
        venue_order_id=one.venue_order_id,
        ours=one.ours,
        cached=None,
        theirs=one.theirs,
        difference=one.difference,
        severity=one.severity,
        action=one.action,
        message=one.message,
    )
    _keep_open(conn, seen, finding, assets, now, acted)


def _keep_position(conn: Connection, seen: RunAccount, one: PositionBreak, now: datetime, acted: Acted) -> None:
    known = newest_break(conn, seen.venue, seen.account, one.key)
    closed = known is not None and known.status in (BreakStatus.IGNORED, BreakStatus.ACCEPTED)
    if known is not None and closed and known.difference == one.difference:
        return  # a person has seen just this
    base, quote = one.symbol.split("/")
    finding = Finding(
        id=break_id(seen.run_id, seen.venue, seen.account, one.key),
        kind=BreakKind.POSITION,
        venue=seen.venue,
        account=seen.account,
        key=one.key,
        asset=base,
        symbol=one.symbol,
        ours=one.ours.quantity,
        cached=None,
        theirs=one.theirs.quantity,
        difference=one.difference,
        severity=one.severity,
        action=one.action,
        message=one.message,
    )
    _keep_open(conn, seen, finding, (base, quote), now, acted)


def _keep_open(
    conn: Connection, seen: RunAccount, finding: Finding, assets: tuple[str, ...], now: datetime, acted: Acted
) -> None:
    """``assets``: what is frozen, if it is frozen at all."""
    frozen = assets if finding.action is BreakAction.FREEZE else ()
    kept = keep_finding(conn, seen.run_id, finding, BreakStatus.OPEN, frozen, by=BY_ITSELF, now=now)
    _note_open(conn, seen, kept, now, acted)


def _key(one: OrderBreak) -> str:
    return f"order:{one.key}"


def _note_open(conn: Connection, seen: RunAccount, kept: Break, now: datetime, acted: Acted) -> None:
    acted.open += 1
    acted.new += kept.run_id == seen.run_id
    if kept.severity is not BreakSeverity.CRITICAL:
        return
    new = record_alert(
        conn,
        f"break:{kept.id}",
        kind="RECONCILIATION_BREAK",
        severity=Severity.CRITICAL,
        message=(
            f"{kept.message}. New sends that touch it are stopped; cancels and fills go on. "
            f"Look with `steadfill breaks show {kept.id}` and decide: accept, post or ignore."
        ),
        detail={"break_id": kept.id, "run_id": seen.run_id, "venue": kept.venue, "account": kept.account},
        now=now,
    )
    if new:
        log.error("alert", kind="RECONCILIATION_BREAK", break_id=kept.id, message=kept.message)


def _close_gone(
    conn: Connection,
    seen: RunAccount,
    scope: RunScope,
    look: Look,
    found: set[str],
    judged: set[str],
    now: datetime,
    acted: Acted,
) -> None:
    """Breaks that stop nothing and that this run would have found end by themselves; the others wait for their person."""
    seen_again = _seen_again(look)
    for known in open_breaks_of(conn, seen.venue, seen.account):
        waits = known.action is BreakAction.FREEZE or known.key in found or known.key in seen_again
        if known.kind is BreakKind.ORDER:
            was_looked_for = look.looked_for_orders(known.symbol or "")
        else:
            was_looked_for = known.asset in judged
        if waits or scope is not RunScope.FULL or not was_looked_for:
            continue
        close_break(conn, known, BreakStatus.GONE, by=BY_ITSELF, note=f"run {seen.run_id} did not find it", now=now)
        acted.gone += 1


def _seen_again(look: Look) -> set[str]:
    """Keys of what differs in the second look, whether it stood in both or not."""
    differing = {one.asset for one in look.balances if one.difference != 0}
    return differing | {_key(one) for one in look.orders} | {one.key for one in look.positions}


def tolerance_of(runtime: Runtime, asset: str) -> Tolerance:
    """What is configured for the asset, and for all where nothing is."""
    common = runtime.settings.reconciliation
    own = common.assets.get(asset)

    def pick(name: str) -> Decimal:
        value: Decimal | None = None if own is None else getattr(own, name)
        return getattr(common, name) if value is None else value

    names = ("dust", "absolute", "relative", "daily_absolute", "daily_relative")
    return Tolerance(**{name: pick(name) for name in names})
