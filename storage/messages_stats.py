"""Figures of messages per task and queue, from the newest rows of a time."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection, select

from storage.message_tables import messages
from storage.messages import What

#: rows that are read for the figures at most, the newest ones: a second of work for the database and this process
MOST_ROWS = 50_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """Milliseconds that half, and all but one in a hundred, stayed within; None where nothing was measured."""

    p50_ms: float | None
    p99_ms: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskFigures:
    task: str
    queue: str
    published: int
    #: messages that came to a worker
    received: int
    #: deliveries beyond the first of a message
    redelivered: int
    succeeded: int
    failed: int
    expired: int
    dead: int
    #: from the publishing to the beginning of the task
    wait: Spread
    #: of the task itself
    run: Spread


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    since: datetime
    #: messages that were counted
    counted: int
    #: False where there were more than are counted
    complete: bool
    items: Sequence[TaskFigures]


@dataclass(slots=True)
class _Group:
    published: int = 0
    received: int = 0
    redelivered: int = 0
    by_status: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    waits_ms: list[float] = field(default_factory=list)
    runs_ms: list[float] = field(default_factory=list)


def figures(conn: Connection, since: datetime, *, most: int = MOST_ROWS) -> Figures:
    """What became of the messages that were first heard of from ``since`` on."""
    table = messages.c
    statement = (
        select(
            table.task,
            table.queue,
            table.status,
            table.attempts,
            table.published_at,
            table.received_at,
            table.started_at,
            table.run_ms,
        )
        .where(table.first_at >= since)
        .order_by(table.first_at.desc())
        .limit(most + 1)
    )
    groups: dict[tuple[str, str], _Group] = {}
    counted = 0
    for row in conn.execute(statement):
        counted += 1
        if counted > most:
            break
        group = groups.setdefault((row.task, row.queue), _Group())
        group.published += row.published_at is not None
        group.received += row.received_at is not None
        group.redelivered += max(0, row.attempts - 1)
        group.by_status[row.status] += 1
        if row.started_at is not None and row.published_at is not None:
            # Two processes' clocks: what seems to begin before it was published began at once.
            group.waits_ms.append(max(0.0, (row.started_at - row.published_at).total_seconds() * 1000))
        if row.run_ms is not None:
            group.runs_ms.append(float(row.run_ms))
    return Figures(
        since=since,
        counted=min(counted, most),
        complete=counted <= most,
        items=[_figures_of(task, queue, groups[task, queue]) for task, queue in sorted(groups)],
    )


def _figures_of(task: str, queue: str, group: _Group) -> TaskFigures:
    status: Mapping[str, int] = group.by_status
    return TaskFigures(
        task=task,
        queue=queue,
        published=group.published,
        received=group.received,
        redelivered=group.redelivered,
        succeeded=status.get(What.SUCCEEDED.value, 0),
        failed=status.get(What.FAILED.value, 0),
        expired=status.get(What.EXPIRED.value, 0),
        dead=status.get(What.DEAD.value, 0),
        wait=_spread(group.waits_ms),
        run=_spread(group.runs_ms),
    )


def _spread(values: list[float]) -> Spread:
    """By the nearest rank: a value that was measured."""
    if not values:
        return Spread(p50_ms=None, p99_ms=None)
    ordered = sorted(values)
    return Spread(p50_ms=_at(ordered, 50), p99_ms=_at(ordered, 99))


def _at(ordered: Sequence[float], percent: int) -> float:
    rank = -(-len(ordered) * percent // 100)  # rounded up
    return round(ordered[max(rank, 1) - 1], 3)
