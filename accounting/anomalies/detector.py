"""Tolerance, persistence and a two-sided CUSUM over one series, point by point, with a state that does not grow.

A baseline is learned from the first points: their median, and a scale for each side of it, since delays have a long tail
on one: the median distance of that side's points from the median times 1.4826, or their 90th percentile divided by 1.645 if that
is more (each the standard deviation, were they normal), but never less than a third of the tolerance, so that a series that
never moved has one too. From then on each point's distance from the median, in scales, clipped, less an allowance, adds to one sum for
rises and one for falls, neither of which goes below 0 (Page 1954). A series has moved when its sum is over the threshold,
enough points since the sum left 0 lie beyond the tolerance, and so do their mean and the median of the latest. Then the baseline is learned anew, on
the level that the series has now: one move is one finding.

Figures are rounded half to even to eight digits behind the point, which keeps states short; none is money.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Context, Decimal

from accounting.anomalies.series import Policy

_CONTEXT = Context(prec=60, rounding=ROUND_HALF_EVEN)
_STEP = Decimal("0.00000001")
_ZERO = Decimal(0)
#: makes the median absolute deviation of normal noise its standard deviation
_MAD_TO_SCALE = Decimal("1.4826")
#: the 90th percentile of the distances of normal noise, in standard deviations
_FAR_TO_SCALE = Decimal("1.645")
#: a third of the tolerance is the least scale: a move of the tolerance is then three scales, as a rule of thumb asks
_LEAST_SCALE = Decimal(3)
#: sums stay under so many thresholds, so that the way back from a long move that is tolerated is not longer than it
_MOST_THRESHOLDS = Decimal(2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    value: Decimal
    at: datetime
    #: what it tells of: the id of an order
    source: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    #: in the unit of the series; the scales are those above and below the median
    median: Decimal
    scale_up: Decimal
    scale_down: Decimal

    def scale(self, side: int) -> Decimal:
        """``side``: 1 above, -1 below."""
        return self.scale_up if side > 0 else self.scale_down


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """The points since one of the sums left 0."""

    #: scales
    cusum: Decimal = _ZERO
    points: int = 0
    #: of them, those beyond the tolerance on the run's side
    beyond: int = 0
    #: of their clipped distances from the median, in the unit of the series
    total: Decimal = _ZERO
    #: distances from the median of the latest of them, as many as must persist, in the unit of the series
    recent: tuple[Decimal, ...] = ()
    first_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesState:
    """All that is remembered of a series."""

    #: seen so far, over all baselines
    points: int = 0
    #: while the baseline is learned: its points
    training: tuple[Decimal, ...] = ()
    #: None while it is learned
    baseline: Baseline | None = None
    up: Run = field(default_factory=Run)
    down: Run = field(default_factory=Run)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A series has moved."""

    #: ``up`` or ``down``
    direction: str
    baseline: Baseline
    #: median distance of the run's latest points from the baseline's median; negative is down
    drift: Decimal
    #: in the unit of the series: the larger of both tolerances
    tolerance: Decimal
    #: scales
    cusum: Decimal
    #: in the run, and of them beyond the tolerance
    points: int
    beyond: int
    first_at: datetime
    last_at: datetime
    #: of the point that told
    source: str


def step(state: SeriesState, point: Point, policy: Policy) -> tuple[SeriesState, Finding | None]:
    """Take one more point. Raises ValueError for one that is no finite number."""
    if not point.value.is_finite():
        raise ValueError(f"a point of a series must be a finite number, got {point.value}")
    value, seen = _rounded(point.value), state.points + 1
    if state.baseline is None:
        training = (*state.training, value)
        if len(training) < policy.training:
            return replace(state, points=seen, training=training), None
        return SeriesState(points=seen, baseline=baseline_of(training, policy)), None
    baseline = state.baseline
    distance = _CONTEXT.subtract(value, baseline.median)
    runs = [
        _extended(run, side, distance, point.at, baseline, policy) for run, side in ((state.up, 1), (state.down, -1))
    ]
    for run, side in zip(runs, (1, -1), strict=True):
        finding = _finding(run, side, baseline, point, policy)
        if finding is not None:
            return SeriesState(points=seen), finding
    return replace(state, points=seen, up=runs[0], down=runs[1]), None


def steps(points: Iterable[Point], policy: Policy) -> list[Finding]:
    """The findings of a whole series."""
    state, findings = SeriesState(), []
    for point in points:
        state, finding = step(state, point, policy)
        if finding is not None:
            findings.append(finding)
    return findings


def baseline_of(training: Sequence[Decimal], policy: Policy) -> Baseline:
    """What is usual, from these points. One outlier among them moves it little."""
    median = _median(training)
    least = _CONTEXT.divide(tolerance_of(median, policy), _LEAST_SCALE)
    up, down = (
        _scale(
            [distance for value in training if (distance := _towards(side, _CONTEXT.subtract(value, median))) >= 0],
            least,
        )
        for side in (1, -1)
    )
    return Baseline(median=_rounded(median), scale_up=up, scale_down=down)


def _scale(distances: Sequence[Decimal], least: Decimal) -> Decimal:
    """Of the distances of one side's points: never empty, since the median or its neighbour is among them."""
    ordered = sorted(distances)
    far = ordered[min(len(ordered) * 9 // 10, len(ordered) - 1)]
    from_median = _CONTEXT.multiply(_median(ordered), _MAD_TO_SCALE)
    return max(_rounded(max(from_median, _CONTEXT.divide(far, _FAR_TO_SCALE), least)), _STEP)


def tolerance_of(median: Decimal, policy: Policy) -> Decimal:
    """In the unit of the series."""
    return max(policy.tolerance, _CONTEXT.multiply(policy.relative_tolerance, median.copy_abs()))


def _extended(run: Run, side: int, distance: Decimal, at: datetime, baseline: Baseline, policy: Policy) -> Run:
    towards = _towards(side, distance)
    near, far = baseline.scale(side), baseline.scale(-side)
    clipped = min(towards, _CONTEXT.multiply(policy.clip, near))
    clipped = max(clipped, _CONTEXT.multiply(policy.clip, far).copy_negate())
    gain = _CONTEXT.subtract(_CONTEXT.divide(clipped, near if clipped > 0 else far), policy.allowance)
    cusum = min(_CONTEXT.add(run.cusum, gain), _CONTEXT.multiply(policy.threshold, _MOST_THRESHOLDS))
    if cusum <= 0:
        return Run()
    return Run(
        cusum=_rounded(cusum),
        points=run.points + 1,
        beyond=run.beyond + (towards > tolerance_of(baseline.median, policy)),
        total=_rounded(_CONTEXT.add(run.total, clipped)),
        recent=(*run.recent, distance)[-policy.persistence :],
        first_at=run.first_at or at,
    )


def _towards(side: int, distance: Decimal) -> Decimal:
    return distance if side > 0 else distance.copy_negate()


def _finding(run: Run, side: int, baseline: Baseline, point: Point, policy: Policy) -> Finding | None:
    if run.cusum <= policy.threshold or run.beyond < policy.persistence or run.first_at is None:
        return None
    drift = _rounded(_median(run.recent))
    tolerance = tolerance_of(baseline.median, policy)
    mean = _CONTEXT.divide(run.total, Decimal(run.points))
    if min(mean, _towards(side, drift)) <= tolerance:
        return None
    return Finding(
        direction="up" if side > 0 else "down",
        baseline=baseline,
        drift=drift,
        tolerance=_rounded(tolerance),
        cusum=run.cusum,
        points=run.points,
        beyond=run.beyond,
        first_at=run.first_at,
        last_at=point.at,
        source=point.source,
    )


def _median(values: Sequence[Decimal]) -> Decimal:
    ordered = sorted(values)
    middle = len(ordered) // 2
    if len(ordered) % 2:
        return ordered[middle]
    return _CONTEXT.divide(_CONTEXT.add(ordered[middle - 1], ordered[middle]), Decimal(2))


def _rounded(value: Decimal) -> Decimal:
    return value.quantize(_STEP, rounding=ROUND_HALF_EVEN, context=_CONTEXT)
