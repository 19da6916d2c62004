"""Detectors compared on the same series: how often each cries without need, and how soon each sees what moved.

Series are of five shapes that fees, slippage and delays have, from seeds that nothing was tuned on. Calm ones do not
move: whatever is told of them is a false alarm. In the others the level moves for good in the middle. That a point is odd
by itself is not what is asked: a single outlier is no move. The forest of scikit-learn takes part where it is installed.

    .venv/bin/python -m pytest tests/bench/bench_anomalies.py -s -m bench
"""

from __future__ import annotations

import math
import os
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from importlib import import_module
from statistics import median

import pytest

from accounting.anomalies.detector import Point, steps
from accounting.anomalies.series import Policy, SeriesKind
from settings import Anomalies
from tasks.anomalies import policies_of

pytestmark = pytest.mark.bench

POLICIES = policies_of(Anomalies())
TRAINING = POLICIES[SeriesKind.FEE_BPS].training
#: of each shape
SERIES = int(os.environ.get("STEADFILL_BENCH_SERIES", "30"))
LENGTH = 600
MOVES_AT = 300
#: an alarm of the learned model and of single scores stands for all odd points of so many, as an operator would be told
QUIET = 20
NOW = datetime(2030, 1, 1, tzinfo=UTC)

#: index of each alarm
Detector = Callable[[Sequence[float]], list[int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    name: str
    policy: Policy
    make: Callable[[random.Random, int], list[float]]
    #: in the unit of the series
    move: float


def _student(chance: random.Random) -> float:
    """Three degrees of freedom: tails as heavy as those of returns."""
    return chance.gauss(0, 1) / math.sqrt(sum(chance.gauss(0, 1) ** 2 for _ in range(3)) / 3)


def _correlated(chance: random.Random, length: int) -> list[float]:
    values, last = [], 0.0
    for _ in range(length):
        last = 0.5 * last + chance.gauss(0, 3)
        values.append(1.5 + last)
    return values


def _fees(chance: random.Random, length: int) -> list[float]:
    """10 bps but for what rounding to the asset's digits does; one fill in 50 is a rebate's."""
    return [0.0 if chance.random() < 0.02 else 10 + chance.uniform(-0.2, 0.2) for _ in range(length)]


def _delays(chance: random.Random, length: int) -> list[float]:
    """Log-normal around 80 ms, slower and faster over a day of 288 points, and one in a hundred hangs for seconds."""
    return [
        math.exp(chance.gauss(math.log(80 * (1 + 0.3 * math.sin(2 * math.pi * number / 288))), 0.4))
        + (chance.uniform(1_000, 4_000) if chance.random() < 0.01 else 0)
        for number in range(length)
    ]


SHAPES = (
    Shape(name="fees", policy=POLICIES[SeriesKind.FEE_BPS], make=_fees, move=2.5),
    Shape(
        name="slippage, normal",
        policy=POLICIES[SeriesKind.SLIPPAGE_BPS],
        make=lambda chance, length: [chance.gauss(1.5, 4) for _ in range(length)],
        move=8,
    ),
    Shape(
        name="slippage, heavy tails",
        policy=POLICIES[SeriesKind.SLIPPAGE_BPS],
        make=lambda chance, length: [1.5 + 3 * _student(chance) for _ in range(length)],
        move=8,
    ),
    Shape(name="slippage, correlated", policy=POLICIES[SeriesKind.SLIPPAGE_BPS], make=_correlated, move=8),
    Shape(name="delays over a day", policy=POLICIES[SeriesKind.ACK_MS], make=_delays, move=150),
)


def core(policy: Policy) -> Detector:
    def detect(values: Sequence[float]) -> list[int]:
        points = [
            Point(value=Decimal(repr(value)), at=NOW + timedelta(seconds=number)) for number, value in enumerate(values)
        ]
        return [(found.last_at - NOW) // timedelta(seconds=1) for found in steps(points, policy)]

    return detect


def mad_z(values: Sequence[float]) -> list[int]:
    """Each point against median and MAD of the training, at the usual 3.5."""
    usual = median(values[:TRAINING])
    scale = 1.4826 * median(abs(value - usual) for value in values[:TRAINING]) or 1e-9
    return _alarms(number for number in range(TRAINING, len(values)) if abs(values[number] - usual) / scale > 3.5)


def half_space_trees(values: Sequence[float]) -> list[int]:
    """25 random trees of depth 8 over the training's range, the mass of each leaf learned from it (Tan et al. 2011)."""
    chance = random.Random(0)
    low, high = min(values[:TRAINING]), max(values[:TRAINING])
    room = (high - low) or 1.0
    trees = []
    for _ in range(25):
        middle, reach = chance.uniform(low, high), room * chance.uniform(1, 2)
        trees.append((middle - reach, middle + reach))

    def leaves(value: float) -> list[int]:
        return [min(max(int((value - start) / (end - start) * 256), -1), 256) for start, end in trees]

    mass: list[dict[int, int]] = [{} for _ in trees]
    for value in values[:TRAINING]:
        for counts, leaf in zip(mass, leaves(value), strict=True):
            counts[leaf] = counts.get(leaf, 0) + 1
    seen = sorted(_mass(mass, leaves(value)) for value in values[:TRAINING])
    least = seen[len(seen) // 100]
    odd = (number for number in range(TRAINING, len(values)) if _mass(mass, leaves(values[number])) < least)
    return _alarms(odd)


def _mass(mass: list[dict[int, int]], leaves: list[int]) -> int:
    return sum(counts.get(leaf, 0) for counts, leaf in zip(mass, leaves, strict=True))


def isolation_forest(values: Sequence[float]) -> list[int]:
    """As a person would: trained on the training, one point in a hundred odd."""
    forest = import_module("sklearn.ensemble").IsolationForest(contamination=0.01, random_state=0)
    forest.fit([[value] for value in values[:TRAINING]])
    verdicts = forest.predict([[value] for value in values[TRAINING:]])
    return _alarms(TRAINING + number for number, verdict in enumerate(verdicts) if verdict < 0)


def _alarms(odd: object) -> list[int]:
    """One alarm for what comes within QUIET points of the last one."""
    alarms: list[int] = []
    last = -QUIET
    for number in odd:  # type: ignore[attr-defined]
        if number - last >= QUIET:
            alarms.append(number)
        last = number
    return alarms


def has_forest() -> bool:
    try:
        import_module("sklearn.ensemble")
    except ImportError:
        return False
    return True


@pytest.mark.timeout(900)  # the forest is slow, and so is a machine that does other things as well
@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
def test_detectors_compared(shape: Shape, capsys: pytest.CaptureFixture[str]) -> None:
    detectors: dict[str, Detector] = {
        "core": core(shape.policy),
        "MAD-z": mad_z,
        "half-space trees": half_space_trees,
        **({"IsolationForest": isolation_forest} if has_forest() else {}),
    }
    for name, detect in detectors.items():
        began = time.process_time()
        false, delays = 0, []
        for seed in range(SERIES):
            false += len(detect(shape.make(random.Random(f"calm {seed}"), LENGTH)))
            values = shape.make(random.Random(f"moves {seed}"), LENGTH)
            alarms = detect([value + (shape.move if at >= MOVES_AT else 0) for at, value in enumerate(values)])
            false += sum(alarm < MOVES_AT for alarm in alarms)
            delays += [alarm - MOVES_AT + 1 for alarm in alarms if alarm >= MOVES_AT][:1]
        us = (time.process_time() - began) * 1e6 / (2 * SERIES * LENGTH)
        with capsys.disabled():
            print(
                f"{shape.name:24} {name:18} false {false:5}  seen {len(delays):3} of {SERIES}"
                f"  after {median(delays) if delays else float('nan'):5.1f} points  {us:6.1f} µs a point"
            )
