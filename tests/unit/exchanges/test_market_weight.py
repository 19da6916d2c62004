from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from exchanges.market_weight import keep_compact, lighten, unchanged


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


def test_what_says_the_same_is_what_was_there_before() -> None:
    known = {"A/B": market("A/B"), "C/D": market("C/D"), "GONE/D": market("GONE/D")}
    found = {"A/B": market("A/B"), "C/D": market("C/D", active=False), "NEW/D": market("NEW/D")}

    kept = unchanged(known, found)

    assert list(kept) == ["A/B", "C/D", "NEW/D"]
    assert kept["A/B"] is known["A/B"]
    assert kept["C/D"] == market("C/D", active=False)
    assert unchanged(known, {name: market(name) for name in known}) is known


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
