"""Charts as inline SVG: lines over time, marks and levels on them, and bars. No script, no font, nothing from a network.

Everything that is told by a colour is told by a shape as well (dashes, steps, dots), and each chart has a title and a
summary for those who do not see it. Colours are classes, which ``CSS`` gives a light and a dark face.

A place on the screen is a float: what is drawn is a tenth of a pixel exact. The figures beside it come from elsewhere.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from html import escape
from typing import Literal

#: what a series is drawn as
Look = Literal["plan", "fill", "market", "arrival", "average"]

CSS = """
:root { color-scheme: light dark; --ink: #1b1f24; --soft: #5b6472; --grid: #d9dee5; --plan: #5b6472; --fill: #0b57b0;
  --market: #8a5200; --arrival: #b3261e; --average: #0a6b37; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ee; --soft: #aab2bf; --grid: #3a414b; --plan: #aab2bf;
  --fill: #6db3ff; --market: #e0a84a; --arrival: #ff8a80; --average: #6fdc9c; } }
svg.chart { display: block; width: 100%; max-width: 60rem; height: auto; }
svg.chart text { fill: var(--ink); font: 12px system-ui, sans-serif; }
svg.chart .soft { fill: var(--soft); }
svg.chart .grid { stroke: var(--grid); stroke-width: 1; }
svg.chart .line { fill: none; stroke-width: 1.75; stroke-linejoin: round; }
svg.chart .plan { stroke: var(--plan); stroke-dasharray: 7 4; }
svg.chart .fill { stroke: var(--fill); }
svg.chart .market { stroke: var(--market); }
svg.chart .arrival { stroke: var(--arrival); stroke-dasharray: 10 4 2 4; }
svg.chart .average { stroke: var(--average); stroke-dasharray: 2 3; }
svg.chart circle, svg.chart rect.bar { fill: var(--fill); stroke: none; }
svg.chart rect.worse { fill: var(--arrival); }
""".strip()

WIDTH, HEIGHT = 860, 320
LEFT, RIGHT, TOP, BOTTOM = 96, 20, 40, 34
BAR_HEIGHT, BAR_LEFT = 26, 240

_TIME_STEPS_S = (
    1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400, 172_800, 604_800,
    1_209_600, 2_592_000, 7_776_000, 31_536_000,
)  # fmt: skip
_MOST_TIMES = 8
_MOST_VALUES = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A course of values over time. ``stepped``: each stands until the next."""

    label: str
    look: Look
    points: Sequence[tuple[datetime, Decimal]]
    stepped: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """One dot; ``text`` is what a pointer on it shows."""

    at: datetime
    value: Decimal
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """One value over the whole time."""

    label: str
    look: Look
    value: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    label: str
    #: above zero is worse; None: not known
    value: Decimal | None
    text: str


def time_chart(
    name: str,
    *,
    title: str,
    summary: str,
    unit: str,
    lines: Sequence[Line] = (),
    marks: Sequence[Mark] = (),
    marks_label: str = "",
    levels: Sequence[Level] = (),
    from_zero: bool = False,
) -> str:
    """Lines, marks and levels over time; times are shown in UTC. ``name`` must be unique in its page.

    An SVG element; without any point or mark one that says so.
    """
    times = [at for line in lines for at, _ in line.points] + [mark.at for mark in marks]
    values = [value for line in lines for _, value in line.points]
    values += [mark.value for mark in marks] + [level.value for level in levels]
    if not times:
        return _svg(name, title, summary, HEIGHT, [_text(WIDTH / 2, HEIGHT / 2, "Nothing to show.", "middle")])
    time_axis = _Times(min(times), max(times))
    value_axis = _Values([float(value) for value in values] + ([0.0] if from_zero else []))
    parts = [*value_axis.grid(), *time_axis.grid(), _text(LEFT, TOP - 24, unit, "start", "soft")]
    for line in lines:
        path = _path(line, time_axis.x, value_axis.y)
        if path:
            parts.append(f'<path class="line {line.look}" d="{path}"/>')
    for level in levels:
        y = _number(value_axis.y(level.value))
        parts.append(f'<line class="line {level.look}" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}"/>')
    parts += _dots(marks, time_axis.x, value_axis.y)
    keys: list[tuple[Look | None, str]] = [(line.look, line.label) for line in lines]
    keys += [(level.look, level.label) for level in levels]
    parts += _legend(keys + ([(None, marks_label)] if marks and marks_label else []))
    return _svg(name, title, summary, HEIGHT, parts)


def bar_chart(name: str, *, title: str, summary: str, bars: Sequence[Bar]) -> str:
    """Bars from a common zero, what is worse to the right; each with its text beside it."""
    height = TOP + BAR_HEIGHT * max(len(bars), 1)
    known = [float(bar.value) for bar in bars if bar.value is not None]
    least, most = min([0.0, *known]), max([0.0, *known])
    room = WIDTH - BAR_LEFT - RIGHT - 150  # for the text behind the longest bar
    scale = room / ((most - least) or 1.0)
    zero = BAR_LEFT - least * scale
    parts = [
        f'<line class="grid" x1="{_number(zero)}" x2="{_number(zero)}" y1="{TOP - 10}" y2="{height}"/>',
    ]
    for number, bar in enumerate(bars):
        y = TOP + number * BAR_HEIGHT
        parts.append(_text(BAR_LEFT - 70, y + 14, _shortened(bar.label, 28), "end"))
        end = zero
        if bar.value is not None:
            width = float(bar.value) * scale
            end = max(zero, zero + width)
            look = "bar worse" if bar.value > 0 else "bar"
            parts.append(
                f'<rect class="{look}" x="{_number(min(zero, zero + width))}" y="{y + 3}" '
                f'width="{_number(abs(width))}" height="{BAR_HEIGHT - 10}"/>'
            )
        parts.append(_text(end + 8, y + 14, bar.text, "start"))
    return _svg(name, title, summary, height, parts)


class _Times:
    def __init__(self, first: datetime, last: datetime) -> None:
        pad = (last - first) / 40 or timedelta(seconds=1)
        self.first, self.last = first.astimezone(UTC) - pad, last.astimezone(UTC) + pad

    def x(self, at: datetime) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * ((at - self.first) / (self.last - self.first))

    def grid(self) -> list[str]:
        seconds = (self.last - self.first).total_seconds()
        step_s = next((step for step in _TIME_STEPS_S if seconds / step <= _MOST_TIMES), _TIME_STEPS_S[-1])
        words = "%H:%M:%S" if step_s < 60 else "%H:%M" if step_s < 86_400 else "%Y-%m-%d"
        begin = self.first.timestamp()
        at_s = math.ceil(begin / step_s) * step_s
        parts = []
        while at_s <= self.last.timestamp():
            at = datetime.fromtimestamp(at_s, UTC)
            parts.append(_text(self.x(at), HEIGHT - BOTTOM + 18, at.strftime(words), "middle", "soft"))
            at_s += step_s
        return parts


class _Values:
    def __init__(self, values: Sequence[float]) -> None:
        least, most = min(values), max(values)
        pad = (most - least) * 0.06 or abs(most) * 0.001 or 1.0
        self.least = least if least == 0 <= most else least - pad
        self.most = most + pad

    def y(self, value: Decimal | float) -> float:
        return TOP + (HEIGHT - TOP - BOTTOM) * (1 - (float(value) - self.least) / (self.most - self.least))

    def grid(self) -> list[str]:
        step = _nice((self.most - self.least) / (_MOST_VALUES - 1))
        digits = max(0, -math.floor(math.log10(step)))
        parts = []
        for number in range(math.ceil(self.least / step), math.floor(self.most / step) + 1):
            value = number * step
            y = self.y(value)
            parts.append(
                f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{_number(y)}" y2="{_number(y)}"/>'
                + _text(LEFT - 8, y + 4, f"{value:,.{digits}f}", "end", "soft")
            )
        return parts


def _nice(step: float) -> float:
    """The next of 1, 2, 5, 10, 20, 50 … and their fractions."""
    power = 10.0 ** math.floor(math.log10(step))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= step * 0.999999)


def _path(line: Line, x: Callable[[datetime], float], y: Callable[[Decimal], float]) -> str:
    """Points that fall together on the screen are one, so that a long course is no long text."""
    words: list[str] = []
    previous: tuple[str, str] | None = None
    for at, value in line.points:
        place = _number(x(at)), _number(y(value))
        if place == previous:
            continue
        if previous is None:
            words.append(f"M{place[0]} {place[1]}")
        elif line.stepped:
            words.append(f"H{place[0]}V{place[1]}")
        else:
            words.append(f"L{place[0]} {place[1]}")
        previous = place
    return "".join(words)


def _dots(marks: Sequence[Mark], x: Callable[[datetime], float], y: Callable[[Decimal], float]) -> list[str]:
    """One dot for those that fall together on the screen, with the text of all of them but for a crowd."""
    places: dict[tuple[str, str], list[str]] = {}
    for mark in marks:
        places.setdefault((_number(x(mark.at)), _number(y(mark.value))), []).append(mark.text)
    return [
        f'<circle cx="{cx}" cy="{cy}" r="3.5"><title>{escape(_crowd(texts))}</title></circle>'
        for (cx, cy), texts in places.items()
    ]


def _crowd(texts: Sequence[str]) -> str:
    return "; ".join(texts[:5]) + (f"; and {len(texts) - 5} more" if len(texts) > 5 else "")


def _legend(keys: Sequence[tuple[Look | None, str]]) -> list[str]:
    """Above the chart, to the right; None is a dot."""
    parts = []
    x = float(WIDTH - RIGHT)
    for look, label in reversed(keys):
        x -= 7.0 * len(label)
        parts.append(_text(x, TOP - 24, label, "start"))
        if look is None:
            x -= 14
            parts.append(f'<circle cx="{_number(x + 6)}" cy="{TOP - 28}" r="3.5"/>')
        else:
            x -= 34
            parts.append(
                f'<line class="line {look}" x1="{_number(x)}" x2="{_number(x + 28)}" y1="{TOP - 28}" y2="{TOP - 28}"/>'
            )
        x -= 18
    return parts


def _svg(name: str, title: str, summary: str, height: int, parts: Sequence[str]) -> str:
    name = escape(name)
    return (
        f'<svg class="chart" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
        f'aria-labelledby="{name}-title {name}-summary">'
        f'<title id="{name}-title">{escape(title)}</title><desc id="{name}-summary">{escape(summary)}</desc>'
        + "".join(parts)
        + "</svg>"
    )


def _text(x: float, y: float, text: str, anchor: str, look: str = "") -> str:
    shown = f' class="{look}"' if look else ""
    return f'<text x="{_number(x)}" y="{_number(y)}" text-anchor="{anchor}"{shown}>{escape(text)}</text>'


def _shortened(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _number(value: float) -> str:
    """A tenth of a pixel, without an idle zero."""
    return f"{value:.1f}".removesuffix(".0")
