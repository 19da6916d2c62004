"""A report's figures: exact in JSON and CSV, short on a terminal, escaped in HTML, harmless in a spreadsheet."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from html.parser import HTMLParser
from typing import Any

import pytest

from accounting.costs import CostFill, OrderCost, OrderFacts
from accounting.costs_market import IntervalMarket
from cli.csv_rows import csv_text
from cli.report_figures import flat, group_document, order_document, seconds
from cli.report_html import groups_page, order_page, orders_page
from cli.report_orders import grouped
from cli.report_tables import GROUP_COLUMNS, ORDER_COLUMNS, group_rows, lasting, order_pairs, order_rows, percent, short
from models.vocabulary import Liquidity, Side
from storage.costs import CostedOrder, MarketPoint, PlannedSlice

NOW = datetime(2030, 1, 31, 12, tzinfo=UTC)
EVIL = """<img src=x onerror="alert('1')">&"""


def costed(name: str = "mine", **changes: Any) -> CostedOrder:
    facts: dict[str, Any] = {
        "side": Side.BUY,
        "base": "BTC",
        "quote": "USDT",
        "quantity": Decimal(2),
        "decision_price": Decimal(100),
        "arrival_price": Decimal(101),
        "fills": (
            CostFill(
                quantity=Decimal(1), price=Decimal(102), cost=Decimal(102), fee=Decimal("0.5"), fee_asset="BNB",
                liquidity=Liquidity.TAKER, traded_at=NOW + timedelta(seconds=1.25),
            ),
        ),
        "submitted_at": NOW,
        "created_at": NOW,
        "first_sent_at": NOW + timedelta(milliseconds=1),
        "ended_at": NOW + timedelta(minutes=1),
        "market": IntervalMarket(
            start_at=NOW, end_at=NOW + timedelta(minutes=1), volume=Decimal(8), vwap=Decimal(100), twap=Decimal(100),
            first_price=Decimal(99), last_price=Decimal(103),
        ),
    }  # fmt: skip
    values: dict[str, Any] = {
        "id": "01m7",
        "client_order_id": name,
        "venue": "paper",
        "account": "main",
        "symbol": "BTC/USDT",
        "status": "CANCELED",
        "algorithm": "twap",
        "tags": {"desk": "one"},
        "slices": (PlannedSlice(quantity=Decimal(2), due_at=NOW),),
        "path": (MarketPoint(open_at=NOW, length=timedelta(minutes=1), close=Decimal(103), volume=Decimal(8)),),
        "market_problem": None,
    }
    facts |= {name: changes.pop(name) for name in list(changes) if name in facts}
    return CostedOrder(cost=OrderCost(facts=OrderFacts(**facts)), **{**values, **changes})


def nothing() -> CostedOrder:
    """An order that nothing is known of."""
    return costed(
        decision_price=None, arrival_price=None, fills=(), first_sent_at=None, market=None, path=(), slices=()
    )


class Page(HTMLParser):
    """Tags, attributes and words of a page, as a browser reads them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def test_a_document_has_every_figure_exactly() -> None:
    document = order_document(costed())

    assert document["shortfall"] == {
        "delay": "1", "impact": "1", "execution": "2", "opportunity": "3", "fees": "0", "total": "5", "bps": "250",
    }  # fmt: skip
    assert (document["slippage_bps"], document["vs_vwap_bps"], document["participation"]) == ("99.01", "200", "0.125")
    assert document["unvalued_fees"] == {"BNB": "0.5"}
    assert (document["time_to_send_s"], document["time_to_first_fill_s"], document["time_to_fill_s"]) == (
        "0.001", "1.25", None,
    )  # fmt: skip
    assert document["market"]["end_at"] == "2030-01-31T12:01:00.000000Z"


def test_what_is_not_known_is_null_under_the_same_names() -> None:
    full, empty = order_document(costed()), order_document(nothing())

    assert full.keys() == empty.keys()
    assert full["market"].keys() == empty["market"].keys()
    assert full["shortfall"].keys() == empty["shortfall"].keys()
    assert set(empty["market"].values()) == {None}
    assert (empty["average_price"], empty["slippage_bps"], empty["fill_rate"]) == (None, None, "0")


def test_every_document_has_a_row_under_every_column() -> None:
    for order in (costed(), nothing()):
        document = order_document(order)
        (row,) = order_rows([document])
        assert len(row) == len(ORDER_COLUMNS)
        assert order_pairs(document)[0]
        groups = [
            group_document({"symbol": key[0], "day": key[1]}, group)
            for key, group in grouped([order], ("symbol", "day"))
        ]
        assert len(group_rows(groups)[0]) == len(GROUP_COLUMNS) + 2


def test_groups_are_by_key_and_quote_sorted_and_without_a_tag_last() -> None:
    orders = [
        costed(tags={"desk": "two"}), costed(tags={}), costed(tags={"desk": "one"}), costed(tags={"desk": "one"}),
        costed(tags={"desk": "one"}, quote="EUR"),
    ]  # fmt: skip

    found = [(key, group.quote, group.orders) for key, group in grouped(orders, ("tag:desk", "side"))]

    assert found == [
        (("one", "buy"), "EUR", 1),
        (("one", "buy"), "USDT", 2),
        (("two", "buy"), "USDT", 1),
        ((None, "buy"), "USDT", 1),
    ]


def test_a_day_is_the_day_in_utc_that_the_order_came_in() -> None:
    late = costed(created_at=datetime.fromisoformat("2030-01-31T23:30:00-02:00"))

    assert [key for key, _ in grouped([late], ("day",))] == [("2030-02-01",)]


def test_csv_has_one_row_an_order_and_the_same_columns_for_all() -> None:
    rows = [flat(order_document(order)) for order in (costed("first"), nothing())]

    found = list(csv.DictReader(io.StringIO(csv_text(rows))))

    assert [row["client_order_id"] for row in found] == ["first", "mine"]
    assert (found[0]["shortfall_total"], found[1]["shortfall_total"]) == ("5", "")
    assert (found[0]["unvalued_fees"], found[0]["tags"]) == ("0.5 BNB", "desk=one")
    assert found[0]["market_vwap"] == "100"
    assert csv_text([]) == ""


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("=HYPERLINK(1)", "'=HYPERLINK(1)"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("-1+1", "'-1+1"),
        ("+1", "'+1"),
        ("-1.5", "-1.5"),
        ("-order", "'-order"),
        ("1.5", "1.5"),
        ("plain", "plain"),
    ],
)
def test_a_cell_that_a_spreadsheet_would_run_is_made_harmless(text: str, written: str) -> None:
    assert list(csv.reader(io.StringIO(csv_text([{"a": text, "b": "x"}]))))[1] == [written, "x"]


def test_pages_run_nothing_and_load_nothing_whatever_an_order_says() -> None:
    order = costed(EVIL, tags={EVIL: EVIL}, venue=EVIL, algorithm=EVIL, market_problem=EVIL)
    document = order_document(order)
    groups = [group_document({"tag:desk": EVIL}, group) for _, group in grouped([order], ("side",))]
    totals = [group_document({}, group) for _, group in grouped([order], ())]

    for page in (order_page(order, document), orders_page([document], totals, EVIL), groups_page(["tag:desk"], groups)):
        read = Page(page)
        assert not {"img", "script", "link", "iframe", "object", "embed", "audio", "video", "base", "form"} & {
            *read.tags
        }
        assert not [name for name, _ in read.attributes if name in ("src", "href", "action") or name.startswith("on")]
        assert "url(" not in page
        assert "@import" not in page
        assert ("content", "default-src 'none'; style-src 'unsafe-inline'") in read.attributes
        assert EVIL in "".join(read.words)


def test_an_orders_page_has_both_charts_and_their_figures_as_tables() -> None:
    order = costed()

    read = Page(order_page(order, order_document(order)))

    assert read.tags.count("svg") == 2
    assert read.tags.count("details") == 3
    words = "".join(read.words)
    assert all(word in words for word in ("opportunity", "2030-01-31T12:00:01.250000Z", "taker", "arrival 101"))


def test_an_order_that_nothing_is_known_of_has_a_page_all_the_same() -> None:
    order = nothing()

    assert "Nothing to show." in "".join(Page(order_page(order, order_document(order))).words)


@pytest.mark.parametrize(
    ("time", "expected"),
    [("0.0004", "0.00 s"), ("4.256", "4.26 s"), ("119.99", "119.99 s"), ("120", "0:02:00"), ("90061", "25:01:01")],
)
def test_times_are_shown_as_long_as_they_are(time: str, expected: str) -> None:
    assert lasting(time) == expected


def test_numbers_are_short_for_eyes_only() -> None:
    assert (short("61961.5388888888889"), short("0.000000001234567890123"), short("100")) == (
        "61961.53889", "0.00000000123456789", "100",
    )  # fmt: skip
    assert (percent("0.333333"), percent("1"), percent(None)) == ("33.33 %", "100.00 %", None)
    assert seconds(timedelta(days=400, microseconds=1)) == "34560000.000001"
