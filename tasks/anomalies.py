"""Anomalies: what ended orders tell of fees, slippage and delays goes into series, and a series that moved is told."""

import threading
from collections.abc import Mapping
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal

from sqlalchemy import Connection

from accounting.anomalies.detector import Finding, SeriesState
from accounting.anomalies.detector import step as step_series
from accounting.anomalies.series import UNITS, Policy, SeriesKey, SeriesKind
from models.money import EXACT, plain
from settings import Anomalies
from storage.alerts import Severity, record_alert
from storage.anomalies import Cursor, cursor_of, load_series, move_cursor, record_finding, save_series
from storage.anomaly_balances import read_balance_points
from storage.anomaly_points import read_points
from storage.engine import write
from storage.leases import give_back, holds, take
from tasks.outcomes import MovedOn
from tasks.runtime import Runtime
from tasks.step import step

LEASE = "anomalies"
LEASE_MS = 60_000

#: orders and children whose points go into the series in one transaction, and transactions of one run
BATCH = 200
#: second looks of reconciliation whose balances do
LOOKS = 20
MOST_BATCHES = 20

#: A balance has a point a night: a month of learning is enough, for a series that should be 0 and stay there.
NIGHTS = 20
NIGHTS_IN_A_ROW = 4

#: delays that are half as long again as usual are still usual
_RELATIVE = Decimal("0.5")

_WORDS: Mapping[SeriesKind, str] = {
    SeriesKind.FEE_BPS: "fees",
    SeriesKind.SLIPPAGE_BPS: "slippage",
    SeriesKind.ACK_MS: "the time from send to answer",
    SeriesKind.FILL_MS: "the time from answer to first fill",
    SeriesKind.BALANCE_BPS: "differences between venue and books",
}


def policies_of(settings: Anomalies) -> Mapping[SeriesKind, Policy]:
    """When a series of each kind has moved."""

    def policy(tolerance: Decimal, relative: Decimal = Decimal(0)) -> Policy:
        return Policy(
            tolerance=tolerance,
            relative_tolerance=relative,
            training=settings.training,
            persistence=settings.persistence,
        )

    return {
        SeriesKind.FEE_BPS: policy(settings.fee_bps),
        SeriesKind.SLIPPAGE_BPS: policy(settings.slippage_bps),
        SeriesKind.ACK_MS: policy(settings.ack_ms, _RELATIVE),
        SeriesKind.FILL_MS: policy(settings.fill_ms, _RELATIVE),
        SeriesKind.BALANCE_BPS: Policy(tolerance=settings.balance_bps, training=NIGHTS, persistence=NIGHTS_IN_A_ROW),
    }


def watch_series(runtime: Runtime) -> str:
    """Read what ended since the last look. One process at a time; each batch is one transaction, so each point counts once."""
    if not runtime.settings.anomalies.watch:
        return "not watched: [anomalies] watch is false"
    with write(runtime.engine) as conn:
        epoch = take(conn, LEASE, owner=f"{runtime.owner}:{threading.get_ident()}", lease_ms=LEASE_MS)
    if epoch is None:
        return MovedOn("somebody else is reading")
    try:
        points = findings = 0
        for _ in range(MOST_BATCHES):
            told, found, goes_on = _read_batch(runtime, epoch)
            points, findings = points + told, findings + found
            if not goes_on:
                break
        return f"{points} points, {findings} anomalies"
    finally:
        with write(runtime.engine) as conn:
            give_back(conn, LEASE, epoch)


def _read_batch(runtime: Runtime, epoch: int) -> tuple[int, int, bool]:
    policies, now = policies_of(runtime.settings.anomalies), runtime.now()
    found = 0
    with write(runtime.engine) as conn:
        if not holds(conn, LEASE, epoch):
            return 0, 0, False
        after = cursor_of(conn)
        page = read_points(conn, after=after.transition_id, now=now, limit=BATCH)
        looks = read_balance_points(conn, after=after.look_at, now=now, limit=LOOKS)
        states: dict[SeriesKey, SeriesState] = {}
        latest: dict[SeriesKey, datetime] = {}
        for key, point in (*page.points, *looks.points):
            state = states[key] if key in states else load_series(conn, key)
            states[key], finding = step_series(state, point, policies[key.kind])
            latest[key] = point.at
            if finding is not None:
                found += 1
                _tell(conn, key, finding, now)
        for key, state in states.items():
            save_series(conn, key, state, latest[key])
        cursor = Cursor(transition_id=page.last, look_at=looks.last)
        if cursor != after:
            move_cursor(conn, cursor)
    return len(page.points) + len(looks.points), found, page.is_full or looks.is_full


def _tell(conn: Connection, key: SeriesKey, finding: Finding, now: datetime) -> None:
    number = record_finding(conn, key, finding, now)
    unit = UNITS[key.kind]
    way = "above" if finding.direction == "up" else "below"
    record_alert(
        conn,
        f"anomaly:{number}",
        kind="ANOMALY",
        severity=Severity.WARNING,
        message=(
            f"Since {finding.first_at:%Y-%m-%d %H:%M:%S} UTC {_WORDS[key.kind]} of {key.venue} {key.account} "
            f"{key.subject}".rstrip()
            + f" stand {_short(finding.drift.copy_abs())} {unit} {way} the usual "
            f"{_short(finding.baseline.median)} {unit} ({finding.beyond} points beyond the tolerance). See `steadfill "
            "anomalies list` and the venue's announcements; what is usual is learned anew from here."
        ),
        detail={"anomaly": number, "series": str(key), "order_id": finding.source},
        now=now,
    )


def _short(value: Decimal) -> str:
    """For a sentence: two digits behind the point; the row has them all."""
    return plain(value.quantize(Decimal("0.01"), rounding=ROUND_HALF_EVEN, context=EXACT))


watch_task = step("orders.watch_series")(watch_series)
