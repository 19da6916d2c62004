"""The deployment's state as gauges, read from the database at each scrape."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import structlog
from sqlalchemy import Connection, Engine, Select, func, select
from sqlalchemy.exc import SQLAlchemyError

from models.reconciliation import BreakStatus
from models.transitions import CHILD_FINAL, ORDER_FINAL
from models.vocabulary import ChildStatus, OrderStatus
from risk.breaker import BreakerStatus
from storage.anomaly_tables import anomalies
from storage.breakers import list_breakers
from storage.engine import is_unavailable, read
from storage.message_tables import dead_letters
from storage.order_tables import child_orders, orders
from storage.protection_tables import breaker_transitions
from storage.reconciliation_tables import breaks, freezes
from storage.reconciliations import last_finished
from storage.seals import chain_state
from storage.service_tables import alerts, halts, outbox, venue_states
from storage.verifications import last_verification
from telemetry.metrics import Gauge

log = structlog.get_logger(__name__)

#: final orders are left out: they grow without end, and a scrape must not count them all
_OPEN = tuple(status.value for status in OrderStatus if status not in ORDER_FINAL)
_ORDERS = select(orders.c.status, func.count()).where(orders.c.status.in_(_OPEN)).group_by(orders.c.status)
#: PLANNED too: what waits for its time; the final ones as the partial index excludes them
_CHILDREN = (
    select(child_orders.c.venue, child_orders.c.account, child_orders.c.status, func.count())
    .where(child_orders.c.status.not_in([status.value for status in ChildStatus if status in CHILD_FINAL]))
    .group_by(child_orders.c.venue, child_orders.c.account, child_orders.c.status)
)
_OUTBOX = select(outbox.c.kind, func.count()).group_by(outbox.c.kind)
_OLDEST = select(func.min(outbox.c.due_at))
_DEAD = select(dead_letters.c.code, func.count()).where(dead_letters.c.status == "open").group_by(dead_letters.c.code)
_ALERTS = select(alerts.c.kind, alerts.c.severity, func.count()).group_by(alerts.c.kind, alerts.c.severity)
_MOVES = select(
    breaker_transitions.c.venue, breaker_transitions.c.account, breaker_transitions.c.to_status, func.count()
).group_by(breaker_transitions.c.venue, breaker_transitions.c.account, breaker_transitions.c.to_status)
_ANOMALIES = select(anomalies.c.kind, anomalies.c.venue, anomalies.c.account, func.count()).group_by(
    anomalies.c.kind, anomalies.c.venue, anomalies.c.account
)
#: so that "above 0" is an alert
_BREAKER = {BreakerStatus.CLOSED: 0.0, BreakerStatus.HALF_OPEN: 1.0, BreakerStatus.OPEN: 2.0}
_BREAKS = (
    select(breaks.c.kind, breaks.c.severity, func.count())
    .where(breaks.c.status == BreakStatus.OPEN)
    .group_by(breaks.c.kind, breaks.c.severity)
)
_FREEZES = select(func.count()).select_from(freezes).where(freezes.c.lifted_at.is_(None))
_HALTS = select(func.count()).select_from(halts)


def read_gauges(engine: Engine) -> Iterable[Gauge]:
    """Every gauge of the deployment; where the database does not answer, one that says so."""
    up = "steadfill_database_up", "Whether the database answers"
    try:
        with read(engine, snapshot=True) as conn:
            gauges = _read(conn, datetime.now(UTC))
    except Exception as error:
        if not is_unavailable(error) and not isinstance(error, SQLAlchemyError):
            raise
        log.warning("metrics.no_database", error=str(error))
        return [_single(*up, 0)]  # the process's own metrics are still worth a scrape
    return [_single(*up, 1), *gauges]


def _read(conn: Connection, now: datetime) -> list[Gauge]:
    oldest = conn.execute(_OLDEST).scalar_one()
    states = conn.execute(select(venue_states)).mappings().all()
    return [
        _counts(conn, "steadfill_open_orders", "Orders that are not final", ("status",), _ORDERS),
        _counts(
            conn,
            "steadfill_open_child_orders",
            "Children that are not final",
            ("venue", "account", "status"),
            _CHILDREN,
        ),
        _counts(conn, "steadfill_outbox_messages", "Messages to be published", ("kind",), _OUTBOX),
        _single(
            "steadfill_outbox_overdue_seconds",
            "How long the oldest message is overdue",
            0 if oldest is None else max(0.0, (now - oldest).total_seconds()),
        ),
        _counts(conn, "steadfill_dead_letters", "Dead letters that nobody has decided on", ("code",), _DEAD),
        _counts(conn, "steadfill_alerts", "Alerts on record", ("kind", "severity"), _ALERTS),
        *_ledger(conn, now),
        _counts(conn, "steadfill_breaks", "Breaks that stand open", ("kind", "severity"), _BREAKS),
        _single("steadfill_freezes", "Assets on which new sends are stopped", conn.execute(_FREEZES).scalar_one()),
        Gauge(
            name="steadfill_reconciliation_age_seconds",
            help="Since when the venue account was last compared to the end",
            label_names=("venue", "account"),
            values={place: max(0.0, (now - ended).total_seconds()) for place, ended in last_finished(conn).items()},
        ),
        _counts(
            conn,
            "steadfill_anomalies",
            "Anomalies found so far",
            ("kind", "venue", "account"),
            _ANOMALIES,
        ),
        _single("steadfill_halts", "Halts that stand", conn.execute(_HALTS).scalar_one()),
        Gauge(
            name="steadfill_breaker_state",
            help="The breaker of the venue account: 0 closed, 1 half-open, 2 open",
            label_names=("venue", "account"),
            values={place: _BREAKER[breaker.status] for place, breaker in list_breakers(conn).items()},
        ),
        _counts(
            conn,
            "steadfill_breaker_transitions",
            "Moves of the venue account's breaker so far",
            ("venue", "account", "to"),
            _MOVES,
        ),
        Gauge(
            name="steadfill_venue_closed",
            help="Whether the venue account wants to be left alone",
            label_names=("venue", "account"),
            values={
                (state["venue"], state["account"]): float(
                    state["closed_until"] is not None and state["closed_until"] > now
                )
                for state in states
            },
        ),
        Gauge(
            name="steadfill_venue_latency_seconds",
            help="How long the venue's last answer took",
            label_names=("venue", "account"),
            values={
                (state["venue"], state["account"]): state["latency_ms"] / 1000
                for state in states
                if state["latency_ms"] is not None
            },
        ),
    ]


def _ledger(conn: Connection, now: datetime) -> list[Gauge]:
    state, last = chain_state(conn), last_verification(conn)
    waits_s = 0.0 if state.oldest_at is None else max(0.0, (now - state.oldest_at).total_seconds())
    gauges = [
        _single("steadfill_ledger_seals", "Entries in the hash chain", state.head.sequence if state.head else 0),
        _single("steadfill_ledger_unsealed", "Entries that wait for their seal", state.waiting),
        _single("steadfill_ledger_unsealed_seconds", "How long the oldest of them has waited", waits_s),
    ]
    if last is not None:
        age_s = max(0.0, (now - last.finished_at).total_seconds())
        gauges += [
            _single("steadfill_ledger_verified_seconds", "How long ago the books were verified", age_s),
            _single("steadfill_ledger_failures", "Checks that failed then", last.failures),
        ]
    return gauges


def _single(name: str, text: str, value: float) -> Gauge:
    return Gauge(name=name, help=text, values={(): value})


def _counts(conn: Connection, name: str, text: str, labels: tuple[str, ...], statement: Select[Any]) -> Gauge:
    """``statement`` gives the labels and then a count."""
    return Gauge(
        name=name,
        help=text,
        label_names=labels,
        values={tuple(str(label) for label in row[:-1]): row[-1] for row in conn.execute(statement)},
    )
