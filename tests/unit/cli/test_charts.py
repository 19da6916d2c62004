"""Charts: well-formed SVG that says in words what it draws, whatever the figures and the names are."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.charts import CSS, HEIGHT, LEFT, WIDTH, Bar, Level, Line, Mark, bar_chart, time_chart
from cli.cost_charts import ChartFill, price_chart, schedule_chart

NOW = datetime(2030, 1, 31, 12, tzinfo=UTC)
SVG = "{http://www.w3.org/2000/svg}"
EVIL = """<script>alert("1")</script>&'"""

values = st.decimals("-1000000000000", "1000000000000", places=8, allow_nan=False)
tiny = st.decimals("0", "0.00000001", places=18, allow_nan=False)
times = st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


def parsed(svg: str) -> ET.Element:
    return ET.fromstring(svg)  # noqa: S314 - made a line above


def texts(svg: str) -> list[str]:
    return [element.text or "" for element in parsed(svg).iter(f"{SVG}text")]


def course(*amounts: str) -> list[tuple[datetime, Decimal]]:
    return [(NOW + number * timedelta(minutes=1), Decimal(amount)) for number, amount in enumerate(amounts)]


def path_of(svg: str, look: str) -> str:
    (found,) = [one.get("d") for one in parsed(svg).iter(f"{SVG}path") if one.get("class") == f"line {look}"]
    assert found is not None
    return found


def fill(minute: float, quantity: str, price: str) -> ChartFill:
    return ChartFill(at=NOW + timedelta(minutes=minute), quantity=Decimal(quantity), price=Decimal(price))


# -------------------------------------------------------------------------------------------------------- any chart


def test_a_chart_has_a_title_and_a_summary_for_those_who_do_not_see_it() -> None:
    svg = parsed(time_chart("one", title="Price", summary="It rose.", unit="USDT", lines=[]))

    assert svg.get("role") == "img"
    assert svg.get("aria-labelledby") == "one-title one-summary"
    assert [(one.get("id"), one.text) for one in svg[:2]] == [("one-title", "Price"), ("one-summary", "It rose.")]


def test_whatever_is_written_in_it_is_escaped() -> None:
    chart = time_chart(
        "one", title=EVIL, summary=EVIL, unit=EVIL, marks_label=EVIL,
        lines=[Line(label=EVIL, look="plan", points=course("1", "2"))],
        marks=[Mark(at=NOW, value=Decimal(1), text=EVIL)],
        levels=[Level(label=EVIL, look="average", value=Decimal(1))],
    )  # fmt: skip
    bars = bar_chart("two", title=EVIL, summary=EVIL, bars=[Bar(label=EVIL, value=Decimal(1), text=EVIL)])

    for svg in (chart, bars):
        assert "<script" not in svg
        assert EVIL in "".join(parsed(svg).itertext())


def test_each_series_is_told_by_its_shape_and_named_in_the_legend() -> None:
    svg = time_chart(
        "one", title="", summary="", unit="", marks_label="fill",
        lines=[Line(label="planned", look="plan", points=course("1", "2")), Line(label="filled", look="fill", points=course("1", "2"))],
        marks=[Mark(at=NOW, value=Decimal(1), text="first")],
        levels=[Level(label="arrival 1", look="arrival", value=Decimal(1))],
    )  # fmt: skip

    assert {"planned", "filled", "fill", "arrival 1"} <= set(texts(svg))
    dashes = dict(re.findall(r"\.(plan|arrival|average) \{[^}]*stroke-dasharray: ([^;]*);", CSS))
    assert len(set(dashes.values())) == 3


def test_both_light_and_dark_have_a_colour_for_each_class() -> None:
    light, dark = (set(re.findall(r"(--\w+):", part)) for part in CSS.split("@media", 1)[:2])

    assert light == dark == set(re.findall(r"var\((--\w+)\)", CSS))


def test_a_stepped_line_stands_until_the_next_point_and_a_plain_one_goes_there() -> None:
    stepped, straight = (
        time_chart("a", title="", summary="", unit="", lines=[Line(label="", look="fill", points=course("1", "2"), stepped=on)])
        for on in (True, False)
    )  # fmt: skip

    assert re.fullmatch(r"M[\d.]+ [\d.]+H[\d.]+V[\d.]+", path_of(stepped, "fill"))
    assert re.fullmatch(r"M[\d.]+ [\d.]+L[\d.]+ [\d.]+", path_of(straight, "fill"))


def test_a_long_course_is_no_longer_than_the_screen_is_wide() -> None:
    points = [(NOW + timedelta(milliseconds=number), Decimal(1)) for number in range(100_000)]

    svg = time_chart("a", title="", summary="", unit="", lines=[Line(label="", look="market", points=points)])

    assert path_of(svg, "market").count("L") <= WIDTH * 10


def test_dots_that_fall_together_are_one_with_the_words_of_all() -> None:
    marks = [Mark(at=NOW, value=Decimal(1), text=f"fill {number}") for number in range(8)]

    svg = parsed(time_chart("a", title="", summary="", unit="", marks=marks))

    (dot,) = svg.iter(f"{SVG}circle")
    assert dot[0].text == "fill 0; fill 1; fill 2; fill 3; fill 4; and 3 more"


@pytest.mark.parametrize(
    ("lasting", "expected"),
    [
        (timedelta(seconds=4), "12:00:02"),
        (timedelta(minutes=30), "12:10"),
        (timedelta(hours=20), "21:00"),
        (timedelta(days=9), "2030-02-03"),
    ],
)
def test_times_are_written_as_fine_as_they_need_to_be(lasting: timedelta, expected: str) -> None:
    points = [(NOW, Decimal(1)), (NOW + lasting, Decimal(2))]

    assert expected in texts(time_chart("a", title="", summary="", unit="", lines=[Line(label="", look="fill", points=points)]))  # fmt: skip


def test_nothing_to_show_is_said() -> None:
    assert texts(time_chart("a", title="", summary="", unit="")) == ["Nothing to show."]


@given(st.lists(st.tuples(times, values | tiny), min_size=1, max_size=20), st.booleans())
def test_every_point_lies_on_the_chart(points: list[tuple[datetime, Decimal]], from_zero: bool) -> None:
    marks = [Mark(at=at, value=value, text="") for at, value in points]

    svg = parsed(time_chart("a", title="", summary="", unit="", marks=marks, from_zero=from_zero))

    for dot in svg.iter(f"{SVG}circle"):
        x, y = float(dot.get("cx") or "nan"), float(dot.get("cy") or "nan")
        assert LEFT <= x <= WIDTH
        assert 0 <= y <= HEIGHT
    written = [one.text or "" for one in svg.iter(f"{SVG}text")]
    assert 1 < len(written) <= 40


def test_bars_stand_on_their_side_of_zero_and_what_is_not_known_has_none() -> None:
    svg = parsed(
        bar_chart("a", title="", summary="", bars=[
            Bar(label="worse", value=Decimal(5), text="5"),
            Bar(label="better", value=Decimal("-2.5"), text="-2.5"),
            Bar(label="open", value=None, text="not known"),
        ])
    )  # fmt: skip

    worse, better = svg.iter(f"{SVG}rect")
    assert (worse.get("class"), better.get("class")) == ("bar worse", "bar")
    assert math.isclose(float(worse.get("width") or 0), 2 * float(better.get("width") or 0), abs_tol=0.2)
    assert float(worse.get("x") or 0) >= float(better.get("x") or 0) + float(better.get("width") or 0) - 0.2


# ------------------------------------------------------------------------------------------------ charts of an order


def test_a_schedule_is_drawn_added_up_and_stops_at_the_orders_quantity() -> None:
    svg = schedule_chart(
        "s", planned=course("1", "1", "1"), fills=[fill(0.1, "1", "100")],
        quantity=Decimal(2), base="BTC", until=NOW + timedelta(minutes=10),
    )  # fmt: skip

    summary = parsed(svg)[1].text
    assert summary == (
        "1 of 2 BTC were filled by 2030-01-31 12:10:00 UTC. Slices: 3, the first due 2030-01-31 12:00:00 UTC. Fills: 1."
    )
    # The second slice reaches the total; the third, which is planned again, adds nothing: both ends are one height.
    heights = re.findall(r"V([\d.]+)", path_of(svg, "plan"))
    assert heights[0] != heights[1]
    assert len(set(heights[1:])) == 1


def test_a_price_chart_says_between_which_prices_it_traded() -> None:
    svg = price_chart(
        "p", market=course("99", "103"), fills=[fill(0.1, "1", "100"), fill(0.5, "2", "102")],
        arrival=Decimal(100), average_price=Decimal("101.333333333333333"), unit="USDT per BTC",
    )  # fmt: skip

    assert parsed(svg)[1].text == (
        "Fills: 2, between 100 and 102, while the market stood between 99 and 103, arrival 100, "
        "average 101.3333333 USDT per BTC."
    )
    assert len(list(parsed(svg).iter(f"{SVG}circle"))) == 3  # one of them is the legend's


def test_an_order_without_fills_or_market_has_charts_that_say_so() -> None:
    schedule = schedule_chart("s", planned=[], fills=[], quantity=Decimal(2), base="BTC", until=NOW)
    price = price_chart("p", market=[], fills=[], arrival=Decimal(100), average_price=None, unit="USDT per BTC")

    assert texts(schedule) == texts(price) == ["Nothing to show."]
    assert parsed(schedule)[1].text == "0 of 2 BTC were filled by 2030-01-31 12:00:00 UTC. Slices: 0. Fills: 0."
