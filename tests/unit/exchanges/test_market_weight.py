from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from exchanges.market_weight import keep_compact, lighten


def market(symbol: str, **changes: Any) -> dict[str, Any]:
    info = {
        "status": "TRADING",
        "orderTypes": ["LIMIT", "MARKET"],
        "fees": {"maker": "0.1"},
        "filters": [{"filterType": "LOT_SIZE"}],
        "permissionSets": [["SPOT"]],
        "nested": {"a": {"b": 1}},
    }
    return {"symbol": symbol, "precision": {"price": "0.01"}, "info": info, **changes}


def test_single_words_and_flat_tables_of_the_description_stay_and_deeper_ones_go() -> None:
    markets = [market("A/B"), market("C/D")]

    lighten(markets)

    assert markets[0]["info"] == {
        "status": "TRADING", "orderTypes": ["LIMIT", "MARKET"], "fees": {"maker": "0.1"},
    }  # fmt: skip
    assert markets[0]["precision"] == {"price": "0.01"}
    assert markets[0]["info"]["orderTypes"] is markets[1]["info"]["orderTypes"]


def test_lists_that_only_look_equal_stay_apart() -> None:
    markets: list[dict[str, Any]] = [
        {"info": {"a": [1, 0]}},
        {"info": {"a": [True, False]}},
        {"info": {"a": ["1", "0"]}},
        {"info": None},
        {},
    ]

    lighten(markets)

    shown = [entry["info"]["a"] for entry in markets[:3]]
    assert [[type(part) for part in parts] for parts in shown] == [[int, int], [bool, bool], [str, str]]


def test_equal_parts_of_all_markets_are_one_and_the_markets_themselves_are_not() -> None:
    markets = [market("A/B", limits={"cost": {"min": "5"}, "amount": {"min": None}}) for _ in range(2)]
    markets[1]["limits"]["amount"]["min"] = "1"

    lighten(markets)

    one, other = markets
    assert one is not other
    assert one["precision"] is other["precision"]
    assert one["info"] is other["info"]
    assert one["limits"]["cost"] is other["limits"]["cost"]
    assert (one["limits"]["amount"], other["limits"]["amount"]) == ({"min": None}, {"min": "1"})


values = st.recursive(
    st.none() | st.booleans() | st.integers(0, 2) | st.floats(0, 2) | st.sampled_from(["0", "1", "a"]),
    lambda parts: st.lists(parts, max_size=3) | st.dictionaries(st.sampled_from("abc"), parts, max_size=3),
    max_leaves=8,
)


def said(value: object) -> str:
    """With types: 1, 1.0 and True are equal and are not the same; the order of keys counts as well."""
    return repr(value)


@given(st.lists(st.dictionaries(st.sampled_from("xyz"), values), max_size=4))
def test_whatever_is_shared_says_what_it_said(markets: list[dict[str, Any]]) -> None:
    before = said(markets)

    lighten(markets)

    assert said(markets) == before


def exchange(**markets: Any) -> SimpleNamespace:
    return SimpleNamespace(markets={name: market(name, **changes) for name, changes in markets.items()}, ids=[*markets])


def test_what_says_the_same_is_what_was_there_before() -> None:
    known, found = exchange(ab={}, cd={}, gone={}), exchange(ab={}, new={}, cd={"active": False})
    before = known.markets["ab"]

    keep_compact(found, known, ("markets", "ids"))

    assert list(found.markets) == found.ids == ["ab", "new", "cd"]
    assert found.markets["ab"] is before
    assert (found.markets["cd"], found.markets["new"]) == (market("cd", active=False), market("new"))
    assert list(known.markets) == ["ab", "cd", "gone"], "others may still read it"


def test_what_says_the_same_as_a_whole_stays() -> None:
    known, found = exchange(ab={}, cd={}), exchange(ab={}, cd={})

    keep_compact(found, known, ("markets", "ids"))

    assert (found.markets is known.markets, found.ids is known.ids) == (True, True)


def test_markets_that_are_all_gone_are_gone() -> None:
    known, found = exchange(ab={}), exchange()

    keep_compact(found, known, ("markets", "ids"))

    assert (found.markets, found.ids) == ({}, [])


def test_what_was_loaded_first_is_laid_out_anew_and_equal() -> None:
    loaded = {"A/B": market("A/B")}
    exchange = SimpleNamespace(markets=loaded, ids=["ab"])

    keep_compact(exchange, None, ("markets", "ids"))

    assert (exchange.markets, exchange.ids) == ({"A/B": market("A/B")}, ["ab"])
    assert exchange.markets is not loaded


def test_what_is_no_plain_value_stays_as_it_is() -> None:
    odd = {"A/B": market("A/B", parse=lambda value: value)}
    exchange = SimpleNamespace(markets=odd, ids=["ab"])

    keep_compact(exchange, None, ("markets", "ids"))

    assert exchange.markets is odd
