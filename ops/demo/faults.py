"""What goes wrong at the demo's venue, and when. The venue draws from its seed which request is hit."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Armed:
    #: part of the basket that was sent when it is armed
    at: float
    says: str
    plan: dict[str, Any] = field(default_factory=dict)


def faults() -> list[Armed]:
    """Each hits a few requests and is spent; the name tells them apart in the venue's log."""
    return [
        Armed(
            at=0.0,
            says="every venue answer takes 10 to 60 ms",
            plan={
                "kind": "latency",
                "name": "slow",
                "probability": 0.5,
                "delay_ms": [10, 60],
                "endpoint": "order",
                "count": 40,
            },
        ),
        Armed(
            at=0.15,
            says="the venue takes two orders and drops the connection before it answers",
            plan={
                "kind": "drop",
                "name": "dropped after",
                "method": "POST",
                "endpoint": "order",
                "when": "after",
                "count": 2,
            },
        ),
        Armed(
            at=0.3,
            says="the venue drops two connections before it sees the order",
            plan={
                "kind": "drop",
                "name": "dropped before",
                "method": "POST",
                "endpoint": "order",
                "when": "before",
                "count": 2,
            },
        ),
        Armed(
            at=0.4,
            says="two orders are answered with status 502, unseen by the matching engine",
            plan={
                "kind": "error",
                "name": "502 before",
                "method": "POST",
                "endpoint": "order",
                "when": "before",
                "status": 502,
                "count": 2,
            },
        ),
        Armed(
            at=0.6,
            says="one order is taken and answered with status 503",
            plan={
                "kind": "error",
                "name": "503 after",
                "method": "POST",
                "endpoint": "order",
                "when": "after",
                "status": 503,
                "count": 1,
            },
        ),
        Armed(
            at=0.65,
            says="one order is taken, dropped, and missing from the venue's answers for 700 ms",
            plan={
                "kind": "drop",
                "name": "lagging",
                "method": "POST",
                "endpoint": "order",
                "when": "after",
                "count": 1,
                "lag_ms": 700,
            },
        ),
        Armed(
            at=0.75,
            says="one order is taken and answered with a page of HTML",
            plan={
                "kind": "unreadable",
                "name": "html",
                "method": "POST",
                "endpoint": "order",
                "form": "html",
                "count": 1,
            },
        ),
        Armed(
            at=0.85,
            says="the venue refuses two requests for asking too often (429)",
            plan={
                "kind": "rate_limited",
                "name": "429",
                "endpoint": "order",
                "status": 429,
                "retry_after_s": 1,
                "count": 2,
            },
        ),
    ]
