"""A wave of slices as a chord: each slice a task with its own time, and behind them the plan of the next wave.

The chord is the fast path. Rows know every time in it: a slice whose message is lost is sent on by `rescue`, and the next
wave is planned at its time whether the callback comes or not.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import structlog
from celery import Signature, chord
from redis import RedisError

from models.clock import parse_time
from tasks.app import app
from tasks.queues import VENUE

log = structlog.get_logger()

#: A slice that is due within this time is sent without an ETA: RabbitMQ delays by whole seconds.
SHORTEST_DELAY = timedelta(seconds=1)


def start_wave(wave: Mapping[str, Any], now: datetime, **options: Any) -> None:
    """Publish one wave. ``wave`` holds ``order_id``, its number ``wave``, and ``slices`` as pairs of child id and time.

    ``now`` is the deployment's time: a worker compares an ETA with its own host's, so that ETAs are told by this host's.
    ``options`` are the publisher's. Raises what the broker raises when it is away.
    """
    order_id = wave["order_id"]
    host_ahead = app.now() - now
    header = [_slice(order_id, child_id, parse_time(due_at), now, host_ahead) for child_id, due_at in wave["slices"]]
    body = app.signature("orders.plan", kwargs={"order_id": order_id, "wave": wave["wave"]}, immutable=True)
    body.set(queue=VENUE, ignore_result=True)
    try:
        chord(header, app=app)(body, **options)
    except RedisError as error:
        # Chords need the result backend. Without it each slice goes out alone, and the next wave at its own time.
        log.warning("a wave goes out without its chord; the next one is planned by its time", error=str(error))
        for one in header:
            one.apply_async(ignore_result=True, **options)


def _slice(order_id: str, child_id: str, due_at: datetime, now: datetime, host_ahead: timedelta) -> Signature:
    signature = app.signature("orders.commit", kwargs={"order_id": order_id, "child_id": child_id}, immutable=True)
    signature.set(queue=VENUE, retry=False)
    if due_at - now > SHORTEST_DELAY:
        signature.set(eta=due_at + host_ahead)
    return signature
