"""Error reports and traces to Sentry, when a DSN is configured; without locals, bodies and secrets."""

from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from contextlib import contextmanager
from typing import Any, cast

import sentry_sdk
from sentry_sdk.scrubber import DEFAULT_DENYLIST, DEFAULT_PII_DENYLIST, EventScrubber
from sentry_sdk.types import Breadcrumb, BreadcrumbHint, Event, Hint, SamplingContext

from telemetry.redact import SECRET_NAMES, redact_value

#: spellings of names that Sentry's own list lacks; it compares whole names, without case
_DENIED = [
    *DEFAULT_DENYLIST,
    *SECRET_NAMES,
    "api-key",
    "apiKey",
    "api_secret",
    "broker_url",
    "client_secret",
    "database_url",
    "listen_key",
    "pass_phrase",
    "redis_url",
    "secret_key",
    "sentry_dsn",
    "x-api-key",
    "x-mbx-apikey",
]

#: asked every few seconds by whoever watches, and of no interest in a trace
_UNTRACED_PATHS = ("/health", "/health/live", "/metrics")


def init_sentry(
    dsn: str | None,
    *,
    role: str,
    release: str,
    environment: str = "production",
    traces_sample_rate: float = 1.0,
    unmonitored_beat_tasks: Sequence[str] = (),
) -> bool:
    """Start reporting; without a DSN nothing is started and False is returned.

    ``role``: which piece of the deployment this process is (api, worker, beat). ``unmonitored_beat_tasks``: patterns of
    beat entries that send no check-in: those more frequent than once a minute, which Sentry does not take.
    """
    if not dsn:
        return False
    # Imported when used: they bring Celery and FastAPI along, which a command line without a DSN does not need.
    from sentry_sdk.integrations.celery import CeleryIntegration
    from sentry_sdk.integrations.fastapi import FastApiIntegration
    from sentry_sdk.integrations.logging import LoggingIntegration
    from sentry_sdk.integrations.sqlalchemy import SqlalchemyIntegration
    from sentry_sdk.integrations.starlette import StarletteIntegration

    sentry_sdk.init(
        dsn=dsn,
        release=release,
        environment=environment,
        traces_sampler=_sampler(traces_sample_rate),
        send_default_pii=False,
        include_local_variables=False,
        max_request_body_size="never",
        trace_propagation_targets=[],  # no venue is to see our trace ids
        event_scrubber=EventScrubber(denylist=list(_DENIED), pii_denylist=list(DEFAULT_PII_DENYLIST), recursive=True),
        before_send=_strike_out,
        before_send_transaction=_strike_out,
        before_breadcrumb=_strike_out_breadcrumb,
        auto_enabling_integrations=False,
        integrations=[
            CeleryIntegration(
                propagate_traces=True, monitor_beat_tasks=True, exclude_beat_tasks=list(unmonitored_beat_tasks)
            ),
            StarletteIntegration(transaction_style="url"),
            FastApiIntegration(transaction_style="url"),
            SqlalchemyIntegration(),
            LoggingIntegration(event_level=None),  # breadcrumbs; exceptions come by `report_logged_exception`
        ],
    )
    sentry_sdk.get_global_scope().set_tag("role", role)
    return True


def trace_headers() -> dict[str, str]:
    """What joins a later step to the trace of this one, to be stored beside it; empty when nothing is traced."""
    if not sentry_sdk.is_initialized():
        return {}
    traceparent, baggage = sentry_sdk.get_traceparent(), sentry_sdk.get_baggage()
    return {name: value for name, value in (("sentry-trace", traceparent), ("baggage", baggage)) if value is not None}


@contextmanager
def continued_trace(headers: Mapping[str, str] | None, *, name: str, op: str) -> Iterator[None]:
    """Run a block as part of the trace that ``trace_headers`` described; without headers it runs as it is."""
    if not headers or not sentry_sdk.is_initialized():
        yield
        return
    with sentry_sdk.isolation_scope():
        transaction = sentry_sdk.continue_trace(dict(headers), op=op, name=name)
        with sentry_sdk.start_transaction(transaction):
            yield


def report_logged_exception(logger: object, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A structlog processor: an exception that is logged as an error and not raised further is reported too."""
    del logger
    exc_info = event.get("exc_info")
    if exc_info and method in ("error", "exception", "critical"):
        sentry_sdk.capture_exception(None if exc_info is True else exc_info)
    return event


def _sampler(rate: float) -> Callable[[SamplingContext], float]:
    def sample(context: SamplingContext) -> float:
        path = (context.get("asgi_scope") or {}).get("path")
        if path in _UNTRACED_PATHS:
            return 0.0
        parent: bool | None = context.get("parent_sampled")
        return rate if parent is None else float(parent)

    return sample


def _strike_out(event: Event, hint: Hint) -> Event | None:
    del hint
    return cast("Event", redact_value(event))


def _strike_out_breadcrumb(crumb: Breadcrumb, hint: BreadcrumbHint) -> Breadcrumb | None:
    del hint
    return cast("Breadcrumb", redact_value(crumb))
