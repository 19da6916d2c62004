"""Faults on demand: a plan is data, ``Faults.next`` a pure decision from it and a seed. ``docs/paper-venue.md`` lists them."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from fnmatch import fnmatchcase
from typing import Any

#: kind to what it may say besides the common fields
KINDS: dict[str, frozenset[str]] = {
    "latency": frozenset({"when"}),
    "drop": frozenset({"when"}),
    "reset": frozenset({"when"}),
    "error": frozenset({"when", "status", "code", "msg"}),
    "late": frozenset({"form"}),
    "unreadable": frozenset({"form"}),
    "drip": frozenset({"piece_bytes", "piece_ms"}),
    "lag": frozenset(),
    "rate_limited": frozenset({"status", "retry_after_s"}),
    "outage": frozenset({"form", "after_ms", "duration_ms", "every_ms"}),
    "stream": frozenset({"form", "duration_ms"}),
}
FORMS: dict[str, tuple[str, ...]] = {
    "unreadable": ("empty", "garbage", "truncated", "no_id", "html", "cut"),
    "outage": ("close", "reset", "error", "refuse"),
    "late": ("close", "reset"),
    "stream": ("drop", "silence", "duplicate", "reorder", "delay", "lose"),
}
#: the method of what is pushed over a WebSocket: only rules of the kind ``stream`` strike it, and they nothing else
STREAM_METHOD = "WS"
COMMON = frozenset(
    {"kind", "name", "method", "endpoint", "client_id", "probability", "count", "skip", "delay_ms", "lag_ms"}
)

_NUMBERS = (
    *("probability", "skip", "lag_ms", "status", "retry_after_s", "piece_bytes", "piece_ms"),
    *("after_ms", "duration_ms", "every_ms"),
)

#: no plan may keep a request longer than this
MAX_DELAY_MS = 600_000


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultRule:
    """One line of a plan: which requests, how often, and what happens to them."""

    kind: str
    #: to disarm it by, and shown in the journal
    name: str = ""
    #: GET, POST, DELETE or "" for any
    method: str = ""
    #: the path after /api/v3/, with * as a wildcard
    endpoint: str = "*"
    #: matched against newClientOrderId or origClientOrderId, with * as a wildcard
    client_id: str = "*"
    #: of each matching request
    probability: float = 1.0
    #: how many requests it hits before it is spent; None: no end
    count: int | None = None
    #: how many matching requests pass first
    skip: int = 0
    #: waited before (or with ``when: after``, after) the engine sees the request; drawn between the two
    delay_ms: tuple[int, int] = (0, 0)
    #: an order created by the hit request stays out of the reads for so long
    lag_ms: int = 0
    #: "before" or "after" the request takes effect
    when: str = "before"
    form: str = ""
    status: int = 0
    code: int = 0
    msg: str = ""
    retry_after_s: int = 1
    piece_bytes: int = 1
    piece_ms: int = 100
    #: an outage begins so long after it was armed
    after_ms: int = 0
    duration_ms: int = 0
    #: and comes again so often; 0: once
    every_ms: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What happens to one request: its rule, with the delay drawn."""

    rule: FaultRule
    delay_ms: int

    @property
    def kind(self) -> str:
        return self.rule.kind


class BadPlan(ValueError):
    """A plan that can't be used; the message names the entry, the field and the rule."""


def parse_plan(plan: object) -> tuple[FaultRule, ...]:
    """Read a plan: a list of objects with at least ``kind``. Raises BadPlan."""
    entries = [plan] if isinstance(plan, Mapping) else plan
    if not isinstance(entries, Sequence) or isinstance(entries, str):
        raise BadPlan(f"a fault plan must be a list of objects such as {{'kind': 'drop'}}, not {plan!r}")
    return tuple(_parse_rule(index, entry) for index, entry in enumerate(entries))


def _parse_rule(index: int, entry: object) -> FaultRule:
    if not isinstance(entry, Mapping) or entry.get("kind") not in KINDS:
        raise BadPlan(f"fault {index}: kind must be one of {', '.join(KINDS)}, in {entry!r}")
    kind = str(entry["kind"])
    allowed = COMMON | KINDS[kind]
    for name in entry:
        if name not in allowed:
            raise BadPlan(
                f"fault {index} ({kind}): {name!r} does not belong here; allowed are {', '.join(sorted(allowed))}"
            )
    values: dict[str, Any] = dict(entry)
    values["delay_ms"] = _delay(index, values.get("delay_ms", 0))
    if kind in FORMS:
        values.setdefault("form", FORMS[kind][0])
        if values["form"] not in FORMS[kind]:
            raise BadPlan(
                f"fault {index} ({kind}): form must be one of {', '.join(FORMS[kind])}, not {values['form']!r}"
            )
    if values.get("when", "before") not in {"before", "after"}:
        raise BadPlan(f"fault {index} ({kind}): when must be before or after, not {values['when']!r}")
    values["method"] = str(values.get("method", "")).upper()
    if isinstance(values.get("probability"), Decimal):  # JSON from the admin side is read by its digits
        values["probability"] = float(values["probability"])
    return _checked(index, FaultRule(**values))


def _checked(index: int, rule: FaultRule) -> FaultRule:
    numbers: list[Any] = [getattr(rule, name) for name in _NUMBERS]
    if rule.count is not None:
        numbers.append(rule.count)
    if any(isinstance(number, bool) or not isinstance(number, int | float) or number < 0 for number in numbers):
        raise BadPlan(f"fault {index} ({rule.kind}): {', '.join(_NUMBERS)} and count must be numbers of 0 or more")
    if rule.probability > 1:
        raise BadPlan(f"fault {index} ({rule.kind}): probability must be 0 to 1, not {rule.probability}")
    if rule.kind == "outage" and rule.duration_ms <= 0:
        raise BadPlan(f"fault {index} (outage): duration_ms must be over 0")
    if rule.kind == "rate_limited" and rule.status not in {0, 418, 429}:
        raise BadPlan(f"fault {index} (rate_limited): status must be 418 or 429, not {rule.status}")
    return rule


def _delay(index: int, value: object) -> tuple[int, int]:
    parts: list[Any] = list(value) if isinstance(value, list | tuple) else [value, value]
    whole = [
        part for part in parts if isinstance(part, int) and not isinstance(part, bool) and 0 <= part <= MAX_DELAY_MS
    ]
    if len(parts) != 2 or len(whole) != 2 or whole[0] > whole[1]:
        raise BadPlan(
            f"fault {index}: delay_ms must be milliseconds or [low, high] up to {MAX_DELAY_MS}, not {value!r}"
        )
    return whole[0], whole[1]


@dataclass(slots=True)
class _Armed:
    rule: FaultRule
    armed_ms: int
    seen: int = 0
    hits: int = 0
    stream: random.Random = field(default_factory=random.Random)


class Faults:
    """The armed rules. The same plan, seed and requests give the same faults."""

    def __init__(self, plan: Sequence[FaultRule], seed: int, now_ms: int = 0) -> None:
        self._seed = seed
        self._armed_ever = 0
        self._armed: list[_Armed] = []
        self.arm(plan, now_ms)

    def arm(self, plan: Sequence[FaultRule], now_ms: int) -> None:
        for rule in plan:
            self._armed_ever += 1
            named = rule if rule.name else replace(rule, name=f"{rule.kind}-{self._armed_ever}")
            # A stream of its own: arming another rule does not change what this one does.
            stream = random.Random(f"{self._seed}:{self._armed_ever}")
            self._armed.append(_Armed(named, now_ms, stream=stream))

    def disarm(self, name: str | None = None) -> None:
        """One rule by its name, or all."""
        self._armed = [armed for armed in self._armed if name is not None and armed.rule.name != name]

    def next(self, method: str, endpoint: str, client_id: str, now_ms: int) -> Fault | None:
        """What happens to this request: the first armed rule that matches and strikes, or nothing."""
        for armed in self._armed:
            rule = armed.rule
            if not _matches(rule, method, endpoint, client_id) or not _in_window(armed, now_ms):
                continue
            armed.seen += 1
            if armed.seen <= rule.skip or (rule.count is not None and armed.hits >= rule.count):
                continue
            if rule.probability < 1 and armed.stream.random() >= rule.probability:
                continue
            armed.hits += 1
            return Fault(rule=rule, delay_ms=armed.stream.randint(*rule.delay_ms))
        return None

    @property
    def armed(self) -> bool:
        return bool(self._armed)

    def refusing(self, now_ms: int) -> bool:
        """Whether an outage of the form ``refuse`` is on: nobody listens."""
        return any(a.rule.form == "refuse" and _in_window(a, now_ms) for a in self._armed)

    def report(self) -> list[dict[str, object]]:
        """What is armed and how often each struck."""
        return [
            {"name": a.rule.name, "kind": a.rule.kind, "seen": a.seen, "hits": a.hits, "count": a.rule.count}
            for a in self._armed
        ]


def _matches(rule: FaultRule, method: str, endpoint: str, client_id: str) -> bool:
    return (
        (rule.kind == "stream") == (method == STREAM_METHOD)
        and rule.method in {"", method}
        and fnmatchcase(endpoint, rule.endpoint)
        and (rule.client_id == "*" or fnmatchcase(client_id, rule.client_id))
    )


def _in_window(armed: _Armed, now_ms: int) -> bool:
    rule = armed.rule
    if rule.kind != "outage":
        return True
    since_ms = now_ms - armed.armed_ms - rule.after_ms
    if since_ms < 0:
        return False
    return (since_ms % rule.every_ms if rule.every_ms else since_ms) < rule.duration_ms
