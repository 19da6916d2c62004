"""A learned model over the watched series, for a second look: each series' points by how alone they stand."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib import import_module
from typing import Any

from sqlalchemy import Connection

from accounting.anomalies.detector import Point
from accounting.anomalies.series import UNITS, SeriesKey, SeriesKind
from cli.errors import CommandError
from cli.report_orders import open_database
from models.clock import format_time
from models.money import plain
from storage.anomaly_points import read_points

#: a forest of fewer points tells nothing
FEWEST_POINTS = 50
#: orders and children read at once
_PAGE = 500


def odd_points(kind: SeriesKind, share: float) -> Sequence[Mapping[str, Any]]:
    """The share of each series' points that stands most alone, oddest first. Raises CommandError without the extra."""
    forest = _forest()
    with open_database() as conn:
        points = _all_points(conn, kind)
    odd = []
    for key, series in points.items():
        if len(series) < FEWEST_POINTS:
            continue
        values = [[float(point.value)] for point in series]  # a model's features are floats; no money is computed here
        scores = forest(contamination=share, random_state=0).fit(values).decision_function(values)
        for point, score in zip(series, scores, strict=True):
            if score < 0:
                odd.append(_shown(key, point, float(score)))
    return sorted(odd, key=lambda item: item["score"])


def _forest() -> Any:
    try:
        return import_module("sklearn.ensemble").IsolationForest
    except ImportError:
        raise CommandError(
            "The learned model needs scikit-learn, which is not installed: run `.venv/bin/pip install 'scikit-learn>=1.5,<2'` "
            "(the extra `learned`). What raises alerts needs it not: `steadfill anomalies list`."
        ) from None


def _all_points(conn: Connection, kind: SeriesKind) -> Mapping[SeriesKey, list[Point]]:
    points: dict[SeriesKey, list[Point]] = defaultdict(list)
    after, now = 0, datetime.now(UTC)
    while True:
        page = read_points(conn, after=after, now=now, limit=_PAGE)
        for key, point in page.points:
            if key.kind is kind:
                points[key].append(point)
        after = page.last
        if not page.is_full:
            return points


def _shown(key: SeriesKey, point: Point, score: float) -> Mapping[str, Any]:
    return {
        "kind": key.kind.value,
        "venue": key.venue,
        "account": key.account,
        "subject": key.subject,
        "at": format_time(point.at),
        "value": plain(point.value),
        "unit": UNITS[key.kind],
        "score": round(score, 4),
        "order_id": point.source,
    }
