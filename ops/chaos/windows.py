"""The short windows of a trial, so that what has to be waited out is over within a second or two.

The first half is configuration that any deployment may set. The second half shortens how patient the steps are with
each other (`PATIENCE`), which is no configuration: it changes when somebody looks, never what is concluded.

All of them are for a machine that is not overloaded. Where an order does not come to its end in them the cell is tried
again at a slower *pace*, with every window so many times as long.
"""

import sys
from collections.abc import Mapping
from datetime import timedelta
from types import ModuleType
from typing import Any

LEASE_MS = 800
RECV_WINDOW_MS = 600
CLOCK_SKEW_MS = 50
VISIBILITY_LAG_MS = 400
TIMEOUT_MS = 1_200

#: how much slower each further try of a cell is, and the slowest
SLOWER = 3.0
SLOWEST = 9.0

#: after this a paused process is no owner of anything any more, and the venue refuses whatever it still sends
PAUSE_S = (LEASE_MS + RECV_WINDOW_MS + CLOCK_SKEW_MS + VISIBILITY_LAG_MS) / 1000 + 0.3

#: seconds between two runs of a task that beat starts
EVERY_S = {"orders.watch": 0.5, "orders.rescue": 0.5, "orders.relay": 2.0}

#: (module, name) → the shorter value; other modules that imported the name get it too
PATIENCE: dict[tuple[str, str], Any] = {
    ("storage.orders", "FIRST_PATIENCE_S"): 0.8,
    ("storage.orders", "FIRST_PATIENCE"): timedelta(seconds=0.8),
    ("storage.outbox", "GRACE"): timedelta(seconds=0.4),
    ("tasks.rescue", "PATIENCE"): timedelta(seconds=0.6),
    ("tasks.rescue", "SLACK"): timedelta(seconds=0.3),
    ("tasks.rescue", "SETTLE_EVERY_MS"): 1_500,
    ("tasks.postpone", "STEP_PATIENCE"): timedelta(seconds=1),
    ("tasks.lookup", "FIRST_PAUSE_S"): 0.2,
    ("tasks.lookup", "LONGEST_PAUSE_S"): 2.0,
    ("tasks.withdraw", "LONGEST_PAUSE_S"): 2.0,
    ("tasks.rescue", "TIMER_EVERY_MS"): 1_500,
    ("tasks.commit", "SLOW_RETRY_S"): 1.0,
    ("tasks.plan", "AHEAD"): timedelta(seconds=1.6),
    ("tasks.plan", "HALTED_PAUSE"): timedelta(seconds=0.4),
    ("tasks.plan_soon", "PLAN_EVERY_MS"): 1_000,
    ("tasks.plan_soon", "SLICE_PATIENCE"): timedelta(seconds=0.6),
    ("tasks.amend", "FIRST_PAUSE_S"): 0.2,
    ("tasks.amend", "LONGEST_PAUSE_S"): 2.0,
    ("tasks.follow_up", "FIRST_PAUSE_S"): 0.2,
    ("tasks.follow_up", "LONGEST_PAUSE_S"): 2.0,
    ("tasks.look", "HINT_MS"): 1_000,
    ("workflows.relay", "CLAIM"): timedelta(seconds=0.8),
    ("workflows.relay", "TROUBLED_S"): 0.3,
}

#: whose modules may have imported a name of PATIENCE
_TIMES_OF_RULES = ("delay_ms", "lag_ms", "duration_ms", "piece_ms")
_OURS = ("storage", "tasks", "workflows")


def configuration(accounts: dict[str, tuple[str, str]], *, paper_port: int, pace: float) -> str:
    """A steadfill.toml with one paper venue; ``accounts`` are name to (key, secret), ``main`` among them.

    Cell follows cell on it, each with faults of its own: together they would keep the breaker open.
    """
    key, secret = accounts["main"]
    others = "".join(
        f'\n[venues.paper.accounts.{name}]\napi_key = "{key}"\nsecret = "{secret}"\n'
        for name, (key, secret) in accounts.items()
        if name != "main"
    )
    return f"""[breaker]
failure_threshold = 1000

[execution]
lease_ms = {round(LEASE_MS * pace)}
retry_base_ms = 50
retry_max_ms = {round(500 * pace)}
order_timeout_ms = {round(2000 * pace)}
max_age_s = 600
late_slice_s = 600

[venues.paper]
paper = true
port = {paper_port}
api_key = "{key}"
secret = "{secret}"
timeout_ms = {round(TIMEOUT_MS * pace)}
recv_window_ms = {round(RECV_WINDOW_MS * pace)}
clock_skew_ms = {round(CLOCK_SKEW_MS * pace)}
visibility_lag_ms = {round(VISIBILITY_LAG_MS * pace)}
rate_limit = "100000/second"
{others}"""


def scaled(rule: Mapping[str, Any], pace: float) -> dict[str, Any]:
    """A rule of the venue at another pace."""
    return {name: round(value * pace) if name in _TIMES_OF_RULES else value for name, value in rule.items()}


def shorten(pace: float) -> list[str]:
    """Apply PATIENCE in this process; returns the names that this version does not have."""
    missing = []
    for (module_name, name), shorter in PATIENCE.items():
        value = type(shorter)(shorter * pace) if isinstance(shorter, int | float) else shorter * pace
        module = sys.modules.get(module_name)
        if module is None or not hasattr(module, name):
            missing.append(f"{module_name}.{name}")
            continue
        before = getattr(module, name)
        value = min(value, before)  # a slow pace is no slower than what is usual
        for other in _our_modules():
            if other.__dict__.get(name) is before:
                setattr(other, name, value)
    return missing


def _our_modules() -> list[ModuleType]:
    return [module for name, module in list(sys.modules.items()) if name.partition(".")[0] in _OURS]
