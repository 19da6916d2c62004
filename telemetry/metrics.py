"""Metrics of this process, and the shape of those of the deployment, which one exporter reads from the database."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import accumulate

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.gc_collector import GCCollector
from prometheus_client.metrics_core import Metric
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

__all__ = [
    "CONTENT_TYPE_LATEST",
    "ApiMetrics",
    "Count",
    "Distribution",
    "Gauge",
    "Spread",
    "StateCollector",
    "exposition",
]

#: seconds; the promises are 5 and 10 ms for an order, 1 and 2 ms for a status
LATENCY_BUCKETS_S = (0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)

disable_created_metrics()  # type: ignore[no-untyped-call]


class ApiMetrics:
    """What the API counts of itself, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        self._latency = Histogram(
            "steadfill_http_request_duration_seconds",
            "Time from a request's first byte to its answer",
            ("method", "route"),
            buckets=LATENCY_BUCKETS_S,
            registry=self.registry,
        )
        self._answers = Counter(
            "steadfill_http_requests", "Requests answered", ("method", "route", "status"), registry=self.registry
        )

    def observe(self, method: str, route: str, status: int, seconds: float) -> None:
        """``route`` is the template (``/v1/orders/{id}``): one series per route, however many orders there are."""
        self._latency.labels(method, route).observe(seconds)
        self._answers.labels(method, route, str(status)).inc()


@dataclass(frozen=True, slots=True, kw_only=True)
class Gauge:
    """One gauge of the deployment's state, read at one moment."""

    name: str
    help: str
    label_names: tuple[str, ...] = ()
    #: label values in the order of ``label_names`` → value
    values: Mapping[tuple[str, ...], float] = field(default_factory=dict)

    def family(self) -> Metric:
        return _filled(GaugeMetricFamily(self.name, self.help, labels=self.label_names), self.values)


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """Something that the deployment counts; ``_total`` is added to its name."""

    name: str
    help: str
    label_names: tuple[str, ...] = ()
    #: label values in the order of ``label_names`` → count
    values: Mapping[tuple[str, ...], float] = field(default_factory=dict)

    def family(self) -> Metric:
        return _filled(CounterMetricFamily(self.name, self.help, labels=self.label_names), self.values)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    #: one count per bound, and one of what lies above all
    counts: tuple[int, ...]
    #: of all values together
    total: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """A histogram of the deployment."""

    name: str
    help: str
    label_names: tuple[str, ...] = ()
    #: upper bounds of the buckets, rising
    bounds: tuple[float, ...]
    #: label values in the order of ``label_names`` → what was counted
    values: Mapping[tuple[str, ...], Spread] = field(default_factory=dict)

    def family(self) -> Metric:
        family = HistogramMetricFamily(self.name, self.help, labels=self.label_names)
        ends = [*(str(bound) for bound in self.bounds), "+Inf"]
        for labels, spread in self.values.items():
            buckets = list(zip(ends, accumulate(spread.counts), strict=True))
            family.add_metric(list(labels), buckets=buckets, sum_value=spread.total)
        return family


class StateCollector:
    """Exports what ``read`` returns, at each scrape anew: gauges kept by processes outlive those that are killed."""

    def __init__(self, read: Callable[[], Iterable[Gauge | Count | Distribution]]) -> None:
        self._read = read

    def describe(self) -> Iterable[Metric]:
        return ()  # registering must not read the database

    def collect(self) -> Iterable[Metric]:
        for metric in self._read():
            yield metric.family()


def _filled(
    family: GaugeMetricFamily | CounterMetricFamily, values: Mapping[tuple[str, ...], float]
) -> GaugeMetricFamily | CounterMetricFamily:
    for labels, value in values.items():
        family.add_metric(list(labels), value)
    return family


def exposition(registry: CollectorRegistry) -> bytes:
    """Every metric of the registry as Prometheus text."""
    return generate_latest(registry)
