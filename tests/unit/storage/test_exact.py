"""What the SQLite functions take and give: canonical plain text, exact, within bounds."""

from collections.abc import Iterator
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, text
from sqlalchemy.exc import OperationalError

from models.money import add, plain, subtract
from storage.engine import make_engine, read
from storage.exact import NotExact, checked, is_canonical


@pytest.fixture(scope="module")
def engine_free(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """One for all examples: they write nothing."""
    made = make_engine(f"sqlite:///{tmp_path_factory.mktemp('exact')}/functions.db")
    yield made
    made.dispose()


numbers = st.decimals(-(10**18), 10**18, places=18, allow_nan=False)


@pytest.mark.parametrize("value", ["0", "1", "-1", "0.5", "-0.5", "10", "1000000", "0.000000000000000001", "9" * 38])
def test_plain_notation_is_canonical(value: str) -> None:
    assert is_canonical(value)


@pytest.mark.parametrize(
    "value",
    ["", "-0", "00", "01", "1.", ".5", "1.0", "1.50", "+1", " 1", "1 ", "1e3", "1E400", "NaN", "Infinity", "abc", "١", "1_000",
     "1,5", "0x1", "1\n", "9" * 39, "0." + "1" * 41, None, 1, 1.5, b"1"],
)  # fmt: skip
def test_anything_else_is_not(value: object) -> None:
    assert not is_canonical(value)


@pytest.mark.parametrize(
    "value", [0.1, True, "1", None, Decimal("NaN"), Decimal("-Infinity"), Decimal("1e38"), Decimal("1e-41")]
)
def test_what_a_row_can_not_hold_is_refused(value: object) -> None:
    with pytest.raises(NotExact):
        checked(value)


@given(numbers, numbers)
def test_sqlite_adds_subtracts_and_compares_exactly(engine_free: Engine, left: Decimal, right: Decimal) -> None:
    values = {"a": plain(left), "b": plain(right)}
    with read(engine_free) as connection:
        row = connection.execute(text("SELECT exact_add(:a, :b), exact_sub(:a, :b), exact_cmp(:a, :b)"), values).one()
    assert row == (plain(add(left, right)), plain(subtract(left, right)), (left > right) - (left < right))


@pytest.mark.parametrize("function", ["exact_add", "exact_sub", "exact_cmp"])
@pytest.mark.parametrize("value", ["abc", "1e400", "1.0", ""])
def test_sqlite_refuses_text_that_is_no_number(engine_free: Engine, function: str, value: str) -> None:
    with read(engine_free) as connection, pytest.raises(OperationalError):
        connection.execute(text(f"SELECT {function}(:a, '1')"), {"a": value})


def test_null_in_is_null_out(engine_free: Engine) -> None:
    with read(engine_free) as connection:
        assert connection.execute(text("SELECT exact_add(NULL, '1'), exact_cmp('1', NULL)")).one() == (None, None)
