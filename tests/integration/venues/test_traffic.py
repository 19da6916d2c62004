"""What goes over the venues' connections, added up over processes in Redis and read as metrics."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from api.traffic_metrics import read_traffic
from exchanges.traffic import Connections, Traffic
from settings import load_settings
from storage import redis_traffic
from storage.redis_reservations import reservations_client
from storage.redis_traffic import RedisTraffic
from tasks.runtime import Runtime
from tasks.traffic import TrafficThread, tell
from telemetry.metrics import StateCollector, exposition
from tests.support.servers.redis import RedisServer

pytestmark = [pytest.mark.integration, pytest.mark.redis]

PLACE = {"venue": "paper", "account": "main"}


def runtime(url: str, home: Path) -> Runtime:
    """As a worker has it; each one stands for a process of its own."""
    environ = {"STEADFILL_CONFIG": "/dev/null", "STEADFILL_HOME": str(home), "STEADFILL_BROKER_URL": url}
    made = Runtime(load_settings(environ))
    made.gateways  # noqa: B018 - as one that has asked a venue something
    return made


def traffic_of(process: Runtime) -> Traffic:
    return process.gateways.traffic()["paper", "main"]


def scraped(process: Runtime) -> Mapping[tuple[str, ...], float]:
    """Name and further labels of each sample of the built-in venue, to its value."""
    registry = CollectorRegistry()
    registry.register(StateCollector(lambda: read_traffic(process)))
    return {
        (sample.name, *(value for name, value in sorted(sample.labels.items()) if name not in PLACE)): sample.value
        for family in text_string_to_metric_families(exposition(registry).decode())
        for sample in family.samples
        if PLACE.items() <= sample.labels.items()
    }


def test_all_processes_are_added_up(redis_url: str, tmp_path: Path) -> None:
    first, second = runtime(redis_url, tmp_path), runtime(redis_url, tmp_path)
    traffic_of(first).watch(lambda: Connections(open=3, busy=2, waiting=1))
    traffic_of(second).watch(lambda: Connections(open=1, busy=1, waiting=0))
    traffic_of(first).replied(0.002)
    traffic_of(first).replied(0.2)
    traffic_of(second).replied(60.0)
    traffic_of(second).failed("ambiguous")
    tell(first)
    tell(second)
    traffic_of(second).failed("ambiguous")
    tell(second)
    tell(second)

    seen = scraped(first)

    assert seen["steadfill_venue_connections_open",] == 4
    assert seen["steadfill_venue_requests_busy",] == 3
    assert seen["steadfill_venue_requests_waiting",] == 1
    assert seen["steadfill_venue_request_errors_total", "ambiguous"] == 2
    assert seen["steadfill_venue_request_duration_seconds_bucket", "0.001"] == 0
    assert seen["steadfill_venue_request_duration_seconds_bucket", "0.0025"] == 1
    assert seen["steadfill_venue_request_duration_seconds_bucket", "0.25"] == 2
    assert seen["steadfill_venue_request_duration_seconds_bucket", "+Inf"] == 3
    assert seen["steadfill_venue_request_duration_seconds_count",] == 3
    assert seen["steadfill_venue_request_duration_seconds_sum",] == pytest.approx(60.202)


def test_who_has_ended_has_nothing_open_and_what_it_counted_stays(redis_url: str, tmp_path: Path) -> None:
    process = runtime(redis_url, tmp_path)
    traffic_of(process).watch(lambda: Connections(open=3, busy=2, waiting=1))
    traffic_of(process).failed("rejected")
    thread = TrafficThread(process, every_s=3600)
    thread.start()
    thread.stop()
    thread.join(60)

    seen = scraped(process)

    assert seen["steadfill_venue_connections_open",] == 0
    assert seen["steadfill_venue_request_errors_total", "rejected"] == 1


def test_who_fell_silent_is_left_out_and_forgotten(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    client = reservations_client(redis_url)
    shared = RedisTraffic(client)
    shared.add("host:1", "paper", "main", present={"open": 5}, counts={"error:rejected": 1})
    monkeypatch.setattr(redis_traffic, "SILENT_S", -1.0)

    seen = shared.read("paper", "main")

    assert seen.present == {}
    assert seen.counts == {"error:rejected": 1}
    monkeypatch.undo()
    assert shared.read("paper", "main").present == {}
    client.close()


def test_while_redis_is_away_nothing_is_lost_and_no_scrape_fails(private_redis: RedisServer, tmp_path: Path) -> None:
    process = runtime(private_redis.url, tmp_path)
    traffic_of(process).failed("rejected")
    private_redis.kill()

    tell(process)
    assert scraped(process) == {}
    private_redis.start()
    tell(process)

    assert scraped(process)["steadfill_venue_request_errors_total", "rejected"] == 1


def test_a_process_that_asks_no_venue_makes_no_gateways_for_it(redis_url: str, tmp_path: Path) -> None:
    process = runtime(redis_url, tmp_path)
    del process.__dict__["gateways"]

    tell(process)

    assert "gateways" not in process.__dict__
