from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchanges.client_ids import SHAPES, UnfitClientId, shape
from models.ids import deployment_prefix, venue_client_order_id

COMMON = "abc000000000000001"


@pytest.mark.parametrize(
    ("ccxt_id", "expected"),
    [
        ("binance", COMMON),
        ("bybit", COMMON),
        ("okx", COMMON),
        ("kraken", COMMON),
        ("coinbase", COMMON),
        ("kucoin", COMMON),
        ("gate", f"t-{COMMON}"),
        ("bitget", COMMON),
        ("someoneelse", COMMON),
    ],
)
def test_a_common_id_fits_every_venue(ccxt_id: str, expected: str) -> None:
    assert shape(ccxt_id, COMMON) == expected
    assert shape(ccxt_id, expected) == expected, "shaping twice changes nothing"


@given(prefix=st.binary(min_size=1, max_size=4), child=st.text(min_size=1, max_size=40))
def test_every_id_that_we_make_fits_every_venue(prefix: bytes, child: str) -> None:
    common = venue_client_order_id(deployment_prefix(prefix), child)
    for ccxt_id in (*SHAPES, "someoneelse"):
        assert shape(ccxt_id, common).endswith(common)


@pytest.mark.parametrize(
    ("ccxt_id", "unfit"),
    [
        ("binance", "a" * 37),
        ("binance", "a b"),
        ("okx", "with-dash"),
        ("kraken", "a" * 19),
        ("gate", "a" * 29),
        ("someoneelse", "a" * 19),
        ("binance", ""),
        ("kucoin", "ü" * 5),
        ("bybit", "abc\n"),
    ],
)
def test_an_id_that_does_not_fit_is_a_defect(ccxt_id: str, unfit: str) -> None:
    with pytest.raises(UnfitClientId):
        shape(ccxt_id, unfit)
