"""Identifiers: their shape, and that no two are the same."""

from __future__ import annotations

import re
import secrets
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.ids import ORDER_ID_RANDOM_BYTES, child_id, deployment_prefix, order_id, venue_client_order_id
from tests.support.order_values import NOW

CROCKFORD = "[0-9abcdefghjkmnpqrstvwxyz]"


@given(st.binary(min_size=10, max_size=10), st.integers(0, 10**12))
def test_an_order_id_is_26_characters_that_sort_by_time(randomness: bytes, later_ms: int) -> None:
    first = order_id(NOW, randomness)
    second = order_id(NOW + timedelta(milliseconds=later_ms + 1), bytes(10))

    assert re.fullmatch(CROCKFORD + "{26}", first)
    assert first < second


def test_an_order_id_needs_its_whole_randomness() -> None:
    with pytest.raises(ValueError, match="10 random bytes"):
        order_id(NOW, b"short")


@given(st.binary(min_size=1, max_size=16))
def test_a_prefix_is_three_characters_and_never_begins_with_a_t(randomness: bytes) -> None:
    """gate takes a leading t for its own."""
    prefix = deployment_prefix(randomness)

    assert re.fullmatch(f"[a-hjkmnp-su-z]{CROCKFORD}{{2}}", prefix)
    assert not prefix.startswith("t")


@given(st.binary(min_size=4, max_size=4), st.text(min_size=1, max_size=60))
def test_a_venue_client_id_is_18_alphanumerics_that_begin_with_the_prefix(randomness: bytes, child: str) -> None:
    prefix = deployment_prefix(randomness)

    client_id = venue_client_order_id(prefix, child)

    assert re.fullmatch("[0-9a-z]{18}", client_id)
    assert client_id.startswith(prefix)
    assert client_id == venue_client_order_id(prefix, child), "the same for every send of one child"


def test_no_two_of_a_hundred_thousand_are_the_same() -> None:
    orders = [order_id(NOW, secrets.token_bytes(ORDER_ID_RANDOM_BYTES)) for _ in range(20_000)]
    children = [child_id(order, slice_number, 1) for order in orders for slice_number in range(5)]
    prefixes = [deployment_prefix(secrets.token_bytes(4)) for _ in range(2)]

    assert len(set(orders)) == len(orders)
    assert len({venue_client_order_id("abc", child) for child in children}) == len(children)
    assert len({venue_client_order_id(prefix, children[0]) for prefix in {*prefixes, "abc", "abd"}}) >= 2


def test_each_slice_and_attempt_has_an_id_of_its_own() -> None:
    ids = {child_id("parent", slice_number, attempt) for slice_number in range(20) for attempt in range(1, 20)}

    assert len(ids) == 20 * 19
