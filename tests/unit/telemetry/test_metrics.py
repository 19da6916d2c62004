"""Metrics: one series per route however many orders there are, and gauges read anew at each scrape."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from telemetry.metrics import ApiMetrics, Count, Distribution, Gauge, Spread, StateCollector, exposition


def samples(metrics: ApiMetrics) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    text = exposition(metrics.registry).decode()
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_requests_are_counted_by_route_and_status() -> None:
    metrics = ApiMetrics()

    for status in (201, 200, 201):
        metrics.observe("POST", "/v1/orders", status, 0.004)

    found = samples(metrics)
    labels = (("method", "POST"), ("route", "/v1/orders"))
    assert found["steadfill_http_requests_total", (*labels, ("status", "201"))] == 2
    assert found["steadfill_http_request_duration_seconds_count", labels] == 3
    assert found["steadfill_http_request_duration_seconds_bucket", (("le", "0.005"), *labels)] == 3
    assert found["steadfill_http_request_duration_seconds_bucket", (("le", "0.003"), *labels)] == 0


def test_the_state_is_read_at_each_scrape_and_not_before() -> None:
    metrics = ApiMetrics()
    reads = []

    def read() -> list[Gauge]:
        reads.append(1)
        return [Gauge(name="steadfill_halts", help="Halts", label_names=("venue",), values={("paper",): len(reads)})]

    metrics.registry.register(StateCollector(read))
    assert not reads

    assert samples(metrics)["steadfill_halts", (("venue", "paper"),)] == 1
    assert samples(metrics)["steadfill_halts", (("venue", "paper"),)] == 2


def test_counts_and_distributions_of_the_deployment_are_shown_as_such() -> None:
    metrics = ApiMetrics()
    count = Count(name="steadfill_errors", help="Errors", label_names=("venue",), values={("paper",): 3})
    spread = Distribution(
        name="steadfill_took_seconds", help="Took", bounds=(0.1, 1.0), values={(): Spread(counts=(2, 0, 1), total=7.5)}
    )
    metrics.registry.register(StateCollector(lambda: [count, spread]))

    found = samples(metrics)

    assert found["steadfill_errors_total", (("venue", "paper"),)] == 3
    assert [found["steadfill_took_seconds_bucket", (("le", end),)] for end in ("0.1", "1.0", "+Inf")] == [2, 2, 3]
    assert (found["steadfill_took_seconds_count", ()], found["steadfill_took_seconds_sum", ()]) == (3, 7.5)
