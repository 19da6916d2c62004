"""The table of capabilities against ccxt's classes, where they say something of it."""

from __future__ import annotations

import functools
import inspect
from typing import Any

import pytest

from exchanges.capabilities import CAPABILITIES, CAREFUL, Amend, AmendSize, IdScope, capabilities
from exchanges.ccxt_import import exchange_class
from exchanges.client_ids import SHAPES, shape
from exchanges.venue_codes import CODES

VENUES = sorted(CAPABILITIES)
#: venues whose class is ccxt's own
OF_CCXT = sorted(set(VENUES) - {"nobitex"})
COMMON_ID = "abc000000000000001"
HAS = {
    "fetch_orders": "fetchOrders",
    "fetch_closed_orders": "fetchClosedOrders",
    "fetch_canceled_orders": "fetchCanceledOrders",
    "fetch_canceled_and_closed_orders": "fetchCanceledAndClosedOrders",
}


@functools.cache
def instance(ccxt_id: str) -> Any:
    return exchange_class(ccxt_id)({})


def spot(ccxt_id: str, method: str) -> dict[str, Any]:
    return ((instance(ccxt_id).features or {}).get("spot") or {}).get(method) or {}


def source(ccxt_id: str) -> str:
    return inspect.getsource(inspect.getmodule(exchange_class(ccxt_id)) or exchange_class(ccxt_id))


@pytest.mark.parametrize("ccxt_id", VENUES)
def test_what_the_order_protocol_needs_is_there_and_not_emulated(ccxt_id: str) -> None:
    has = instance(ccxt_id).has
    needed = (
        "createOrder",
        "cancelOrder",
        "fetchOrder",
        "fetchOpenOrders",
        "fetchMyTrades",
        "fetchBalance",
        "fetchMarkets",
    )
    assert [name for name in needed if has.get(name) is not True] == []
    listed = [HAS[method] for method in CAPABILITIES[ccxt_id].closed_orders_by or ()]
    assert listed
    assert [name for name in listed if has.get(name) is not True] == []


@pytest.mark.parametrize("ccxt_id", VENUES)
def test_every_venue_has_a_shape_of_ids_and_a_table_of_codes(ccxt_id: str) -> None:
    assert ccxt_id in SHAPES
    assert ccxt_id in CODES
    assert shape(ccxt_id, COMMON_ID).endswith(COMMON_ID)


def test_no_shape_or_code_is_of_a_venue_without_an_entry() -> None:
    assert set(SHAPES) == set(CODES) == set(CAPABILITIES)


@pytest.mark.parametrize("ccxt_id", OF_CCXT)
def test_names_of_params_are_read_by_the_class(ccxt_id: str) -> None:
    can, text = CAPABILITIES[ccxt_id], source(ccxt_id)
    for name in (can.client_id_param, can.finds_by, can.lists_filter):
        assert name is None or f"'{name}'" in text, name
    for name in can.fetch_params:
        assert f"'{name}'" in text, name


@pytest.mark.parametrize("ccxt_id", OF_CCXT)
def test_the_class_can_what_the_venue_is_said_to_take(ccxt_id: str) -> None:
    can, taken = CAPABILITIES[ccxt_id], spot(ccxt_id, "createOrder").get("timeInForce")
    assert taken
    assert all(taken[name] for name in can.times_in_force)
    assert bool(taken["PO"]) is can.post_only


@pytest.mark.parametrize("ccxt_id", OF_CCXT)
def test_market_buys_are_refused_where_the_class_counts_them_in_quote(ccxt_id: str) -> None:
    in_quote = bool(spot(ccxt_id, "createOrder").get("marketBuyRequiresPrice"))
    asked_for_base = ccxt_id == "bybit"  # without a price it asks for marketUnit baseCoin, see tests of create requests

    assert (CAPABILITIES[ccxt_id].market_buy_params is None) is (in_quote and not asked_for_base)


@pytest.mark.parametrize("ccxt_id", VENUES)
def test_an_entry_is_consistent_in_itself(ccxt_id: str) -> None:
    can = CAPABILITIES[ccxt_id]
    if can.amend is Amend.IN_PLACE:
        assert instance(ccxt_id).has["editOrder"] is True
        assert can.amend_size is not AmendSize.NONE
        assert can.amended_at
    else:
        assert can.amend_size is AmendSize.NONE
        assert (can.amended_at, can.amend_keeps_id, can.amend_deadline) == ("", False, False)
    assert can.native_iceberg is bool(can.iceberg_param)
    assert can.native_iceberg or not can.iceberg_params
    assert can.signs_milliseconds or not (can.enforces_deadline or can.increasing_nonce)
    assert can.fee_in in {"received", "quote", "base"}
    assert "GTC" in can.times_in_force


@pytest.mark.parametrize("ccxt_id", ["mexc", "hitbtc", "nothing-of-the-kind"])
def test_a_venue_without_an_entry_gets_the_most_careful_values(ccxt_id: str) -> None:
    can = capabilities(ccxt_id)

    assert can is CAREFUL
    assert not can.enforces_deadline, "absence is never proven, so nothing is sent again"
    assert not can.gets_only_read, "an order may be sent by GET"
    assert not can.rate_limit_is_rejection
    assert can.client_ids_unique is IdScope.UNKNOWN
    assert can.amend is Amend.NONE
    assert can.market_buy_params is None
    assert can.acknowledges_only
    assert not can.native_iceberg
