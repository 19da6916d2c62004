"""The two charts of an order: its schedule against its fills, and its fills against the market's price.

They take values and no rows, so that an order that was never sent (a simulated one) is drawn by the same code.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from cli.charts import Level, Line, Mark, time_chart
from models.clock import format_time
from models.money import ZERO, add, plain

Points = Sequence[tuple[datetime, Decimal]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChartFill:
    at: datetime
    #: base
    quantity: Decimal
    #: quote per base
    price: Decimal


def schedule_chart(
    name: str, *, planned: Points, fills: Sequence[ChartFill], quantity: Decimal, base: str, until: datetime
) -> str:
    """What was due and what was filled, both added up over time.

    ``planned`` are slices (when due, how much); what is planned again, since it did not fill, counts once: the sum stops
    at ``quantity``. Both lines go on to ``until``.
    """
    due = _added_up(planned, most=quantity)
    filled = _added_up([(fill.at, fill.quantity) for fill in fills])
    begin = min([at for at, _ in (*due, *filled)], default=until)
    lines = [
        Line(label="planned", look="plan", points=_from_to(due, begin, until), stepped=True),
        Line(label="filled", look="fill", points=_from_to(filled, begin, until), stepped=True),
    ]
    done = filled[-1][1] if filled else ZERO
    first = f", the first due {_time(due[0][0])}" if due else ""
    summary = (
        f"{plain(done)} of {plain(quantity)} {base} were filled by {_time(until)}. "
        f"Slices: {len(planned)}{first}. Fills: {len(fills)}."
    )
    return time_chart(
        name,
        title="Schedule and fills",
        summary=summary,
        unit=base,
        lines=lines if due or filled else [],
        from_zero=True,
    )


def price_chart(
    name: str,
    *,
    market: Points,
    fills: Sequence[ChartFill],
    arrival: Decimal | None,
    average_price: Decimal | None,
    unit: str,
) -> str:
    """Each fill at its price over the market's course, with arrival and average price as levels."""
    levels = []
    if arrival is not None:
        levels.append(Level(label=f"arrival {_price(arrival)}", look="arrival", value=arrival))
    if average_price is not None:
        levels.append(Level(label=f"average {_price(average_price)}", look="average", value=average_price))
    marks = [
        Mark(at=fill.at, value=fill.price, text=f"{plain(fill.quantity)} at {plain(fill.price)}, {_time(fill.at)}")
        for fill in fills
    ]
    prices = [price for _, price in market]
    parts = [f"Fills: {len(fills)}"]
    if fills:
        worst, best = max(fill.price for fill in fills), min(fill.price for fill in fills)
        parts.append(f"between {plain(best)} and {plain(worst)}")
    if prices:
        parts.append(f"while the market stood between {plain(min(prices))} and {plain(max(prices))}")
    parts += [level.label for level in levels]
    return time_chart(
        name,
        title="Price",
        summary=", ".join(parts) + f" {unit}.",
        unit=unit,
        lines=[Line(label="market", look="market", points=market)] if market else [],
        marks=marks,
        marks_label="fill",
        levels=levels,
    )


def _added_up(points: Points, most: Decimal | None = None) -> list[tuple[datetime, Decimal]]:
    total = ZERO
    course = []
    for at, amount in sorted(points):
        total = add(total, amount)
        if most is not None:
            total = min(total, most)
        course.append((at, total))
    return course


def _from_to(course: Points, begin: datetime, until: datetime) -> Points:
    """From nothing at ``begin`` to where it stood last."""
    last = course[-1][1] if course else ZERO
    return [(begin, ZERO), *course, (max([until, *(at for at, _ in course)]), last)]


def _price(value: Decimal) -> str:
    """To ten digits: it stands in a legend."""
    text = plain(value)
    return text if len(text) <= 11 else plain(Decimal(f"{value:.10g}"))


def _time(at: datetime) -> str:
    return format_time(at)[:19].replace("T", " ") + " UTC"
