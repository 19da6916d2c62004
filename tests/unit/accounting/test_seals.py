"""Whatever is changed in an entry or a seal changes its hash, and the form that is hashed stays what it was."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounting.seals import GENESIS, Seal, SealedEntry, entry_digest, next_seal, seal_is_true

ENTRY = SealedEntry(
    id=7,
    key="fill:paper:main:BTC/USDT:1:2",
    kind="fill",
    order_id="o1",
    detail='{"fee":"0"}',
    leg_count=1,
    posted_at=1_893_456_000_000_000,
    legs=[(9, 1, (3, "paper", "main", "USDT", "clearing"), (1, "paper", "main", "USDT", "hold"), "USDT", "10.5")],
)


def test_the_form_that_is_hashed_is_fixed_for_ever() -> None:
    """A chain of an earlier version must still be verified: another form needs another name, beside this one."""
    assert entry_digest(ENTRY) == "4a139eac2df9a73260b1621d3f0bf468676afa73b9d9d8fe7c5d2ea0f1ef979f"
    assert (
        next_seal(None, 7, entry_digest(ENTRY), sealed_at=5).hash
        == "036bf61b842395b367beeca130b5111f53a87e5f8723ab366c40c91cb8e32725"
    )


changes = st.one_of(
    st.builds(lambda value: {"id": value}, st.integers(1, 99)),
    *(st.builds(lambda value, name=name: {name: value}, st.text(max_size=5)) for name in ("key", "kind", "detail")),
    st.builds(lambda value: {"order_id": value}, st.none() | st.text(max_size=5)),
    st.builds(lambda value: {"leg_count": value}, st.integers(0, 9)),
    st.builds(lambda value: {"posted_at": value}, st.integers()),
    st.builds(
        lambda place, value: {
            "legs": [tuple(value if at == place else part for at, part in enumerate(ENTRY.legs[0]))]  # type: ignore[dict-item]
        },
        st.sampled_from((0, 1, 4, 5)),
        st.integers(0, 99) | st.text(max_size=5),
    ),
    st.just({"legs": []}),
    st.just({"legs": [*ENTRY.legs, *ENTRY.legs]}),
)


@given(changes)
def test_any_change_of_an_entry_is_another_digest(change: dict[str, object]) -> None:
    changed = replace(ENTRY, **change)  # type: ignore[arg-type]
    assert (entry_digest(changed) == entry_digest(ENTRY)) == (changed == ENTRY)


@pytest.mark.parametrize("side", [2, 3])
@pytest.mark.parametrize("part", range(5))
def test_what_an_account_stands_for_is_in_the_digest(side: int, part: int) -> None:
    account = tuple("x" if at == part else value for at, value in enumerate(ENTRY.legs[0][side]))  # type: ignore[arg-type]
    leg = tuple(account if at == side else value for at, value in enumerate(ENTRY.legs[0]))
    assert entry_digest(replace(ENTRY, legs=[leg])) != entry_digest(ENTRY)  # type: ignore[list-item]


def test_a_chain_begins_at_genesis_and_each_seal_follows_the_one_before() -> None:
    first = next_seal(None, 7, "a" * 64, sealed_at=5)
    second = next_seal(first, 3, "b" * 64, sealed_at=6)

    assert (first.sequence, first.previous_hash) == (1, GENESIS)
    assert (second.sequence, second.previous_hash, second.entry_id) == (2, first.hash, 3)
    assert second.head == f"2:{second.hash}"
    assert seal_is_true(first)
    assert seal_is_true(second)


@pytest.mark.parametrize("name", [field.name for field in fields(Seal)])
def test_a_seal_whose_word_was_changed_is_not_true(name: str) -> None:
    seal = next_seal(None, 7, "a" * 64, sealed_at=5)
    value = getattr(seal, name)
    assert not seal_is_true(replace(seal, **{name: value + 1 if isinstance(value, int) else "c" * 64}))  # type: ignore[arg-type]
