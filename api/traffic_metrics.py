"""What goes over the connections to the venues, of all processes, as metrics."""

from collections.abc import Iterable, Mapping

import structlog
from redis.exceptions import RedisError

from exchanges.traffic import LATENCY_BOUNDS_S
from storage.redis_traffic import TrafficSeen
from tasks.runtime import Runtime
from telemetry.metrics import Count, Distribution, Gauge, Spread

log = structlog.get_logger(__name__)

_LABELS = ("venue", "account")
_PRESENT = {
    "open": ("steadfill_venue_connections_open", "Connections to the venue account that stand, used or not"),
    "busy": ("steadfill_venue_requests_busy", "Requests to the venue account under way"),
    "waiting": ("steadfill_venue_requests_waiting", "Requests to the venue account that wait for one of those to end"),
}


def read_traffic(runtime: Runtime) -> Iterable[Gauge | Count | Distribution]:
    """Nothing where Redis does not answer, or is not there."""
    shared = runtime.shared_traffic
    if shared is None:
        return
    places = [(name, account) for name, venue in runtime.settings.venues.items() for account in venue.accounts]
    try:
        seen = {place: shared.read(*place) for place in places}
    except RedisError as error:
        log.warning("metrics.no_redis", error=str(error))
        return
    for name, (metric, text) in _PRESENT.items():
        values: dict[tuple[str, ...], float] = {
            place: float(found.present.get(name, 0)) for place, found in seen.items()
        }
        yield Gauge(name=metric, help=text, label_names=_LABELS, values=values)
    yield Count(
        name="steadfill_venue_request_errors",
        help="Requests to the venue account that failed, by what the failure proves",
        label_names=(*_LABELS, "evidence"),
        values={
            (*place, evidence): float(count) for place, found in seen.items() for evidence, count in _errors(found)
        },
    )
    yield Distribution(
        name="steadfill_venue_request_duration_seconds",
        help="Time from a request's begin to the venue's complete reply, connecting included",
        label_names=_LABELS,
        bounds=LATENCY_BOUNDS_S,
        values={place: _spread(found.counts) for place, found in seen.items()},
    )


def _errors(found: TrafficSeen) -> Iterable[tuple[str, int]]:
    for name, count in sorted(found.counts.items()):
        kind, _, evidence = name.partition(":")
        if kind == "error":
            yield evidence, count


def _spread(counts: Mapping[str, int]) -> Spread:
    replies = tuple(counts.get(f"reply:{bucket}", 0) for bucket in range(len(LATENCY_BOUNDS_S) + 1))
    return Spread(counts=replies, total=counts.get("took_us", 0) / 1_000_000)
