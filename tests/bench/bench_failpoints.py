"""What a stage costs: nothing armed, something else armed, and an empty function for scale; then as a share of an order.

``.venv/bin/pytest -s -p no:xdist -m bench tests/bench/bench_failpoints.py``
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import pytest

from failpoints import failpoint, inherit

STAGE = "commit.begun"
ROUNDS = 7
CALLS = 200_000

#: more than a market order passes from intake to its end (tests/integration/orders/test_stages.py), transactions included
STAGES_OF_AN_ORDER = 100
#: the fastest that an order alone has gone from POST to FILLED, in seconds
FASTEST_ORDER_S = 0.060


def _nothing(name: str) -> None:
    pass


def _ns_per_call(function: Callable[[str], None]) -> float:
    started = time.perf_counter()
    for _ in range(CALLS):
        function(STAGE)
    return (time.perf_counter() - started) / CALLS * 1e9


@pytest.mark.bench
def test_a_stage_that_is_not_armed_is_free() -> None:
    figures: dict[str, list[float]] = {"an empty function": [], "nothing armed": [], "another stage armed": []}
    for _ in range(ROUNDS):
        figures["an empty function"].append(_ns_per_call(_nothing))
        inherit({})
        figures["nothing armed"].append(_ns_per_call(failpoint))
        inherit({"STEADFILL_FAILPOINTS": "settle.begun=kill"})
        figures["another stage armed"].append(_ns_per_call(failpoint))
    inherit({})
    medians = {name: statistics.median(values) for name, values in figures.items()}
    print()
    for name, value in medians.items():
        print(f"{name:>22}: {value:6.0f} ns a call, {value / medians['an empty function']:.2f} of an empty function")
    share = medians["nothing armed"] * STAGES_OF_AN_ORDER / 1e9 / FASTEST_ORDER_S
    print(f"{STAGES_OF_AN_ORDER} stages an order: {share:.5%} of {FASTEST_ORDER_S * 1000:.0f} ms")
