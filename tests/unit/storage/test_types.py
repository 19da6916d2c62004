"""Columns give back what was put in, and refuse what they could not."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from enum import StrEnum

import pytest
from sqlalchemy import Column, Engine, MetaData, Table, bindparam, select, update
from sqlalchemy.exc import IntegrityError, StatementError

from storage.engine import db_now, read, write
from storage.types import Exact, Json, RowId, Timestamp, Word, exact_sum, one_of


class Color(StrEnum):
    RED = "red"
    BLUE = "blue"


things = Table(
    "things",
    MetaData(),
    Column("id", RowId, primary_key=True, autoincrement=True),
    Column("amount", Exact),
    Column("at", Timestamp),
    Column("detail", Json),
    Column("color", Word(Color)),
    one_of("color", Color),
)


@pytest.fixture(autouse=True)
def _table(engine: Engine) -> None:
    with write(engine) as connection:
        things.create(connection)


def _put(engine: Engine, **values: object) -> None:
    with write(engine) as connection:
        connection.execute(things.insert(), values)


@pytest.mark.parametrize(
    "number", ["0.1", "1E+2", "-5.50", "0", "-0", "9" * 38 + "." + "1" * 40, "0.000000000000000001"]
)
def test_a_decimal_comes_back_to_the_last_digit(engine: Engine, number: str) -> None:
    _put(engine, amount=Decimal(number))
    with read(engine) as connection:
        assert connection.execute(select(things.c.amount)).scalar_one() == Decimal(number)


@pytest.mark.parametrize("value", [0.1, Decimal("NaN"), Decimal("1e400"), "1"])
def test_a_float_or_a_boundless_number_never_reaches_the_database(engine: Engine, value: object) -> None:
    with pytest.raises(StatementError):
        _put(engine, amount=value)


def test_order_and_arithmetic_of_decimals_are_numeric_not_alphabetic(engine: Engine) -> None:
    for number in ("9", "10", "-1", "-2"):
        _put(engine, amount=Decimal(number))
    amount = things.c.amount
    with write(engine) as connection:
        assert connection.execute(select(amount).where(amount > Decimal(9))).scalars().all() == [10]
        assert sorted(connection.execute(select(amount).where(amount <= Decimal(-1))).scalars()) == [-2, -1]
        assert connection.execute(select(exact_sum(amount))).scalar_one() == 16
        connection.execute(
            update(things).values(amount=amount + bindparam("more", type_=Exact())), {"more": Decimal("0.1")}
        )
        assert connection.execute(select(Decimal(1) - amount).where(amount == Decimal("9.1"))).scalar_one() == Decimal(
            "-8.1"
        )


def test_a_sum_over_nothing_is_zero(engine: Engine) -> None:
    with read(engine) as connection:
        assert connection.execute(select(exact_sum(things.c.amount))).scalar_one() == 0


def test_a_time_comes_back_in_utc_to_the_microsecond(engine: Engine) -> None:
    at = datetime(2030, 1, 31, 12, 0, 0, 123457, tzinfo=timezone(timedelta(hours=3)))
    _put(engine, at=at)
    with read(engine) as connection:
        found = connection.execute(select(things.c.at)).scalar_one()
    assert found == at
    assert found.tzinfo is UTC


def test_a_time_without_a_zone_is_refused(engine: Engine) -> None:
    with pytest.raises(StatementError, match="zone"):
        _put(engine, at=datetime(2030, 1, 31))  # noqa: DTZ001 - that is the point


def test_the_databases_now_stands_in_statements_with_an_offset(engine: Engine) -> None:
    with read(engine) as connection:
        now, later = connection.execute(select(db_now(), db_now(timedelta(hours=1)))).one()
    assert abs(datetime.now(UTC) - now) < timedelta(minutes=1)
    assert timedelta(minutes=59) < later - now < timedelta(minutes=61)


def test_json_comes_back_with_its_decimals_as_text(engine: Engine) -> None:
    _put(engine, detail={"größe": ["1.10", None, 3]})
    with read(engine) as connection:
        assert connection.execute(select(things.c.detail)).scalar_one() == {"größe": ["1.10", None, 3]}


def test_a_word_comes_back_as_its_enum_and_others_are_refused(engine: Engine) -> None:
    _put(engine, color="red")
    with read(engine) as connection:
        assert connection.execute(select(things.c.color)).scalar_one() is Color.RED
    with pytest.raises(StatementError):
        _put(engine, color="green")
    with pytest.raises(IntegrityError), write(engine) as connection:
        connection.exec_driver_sql("INSERT INTO things (color) VALUES ('green')")
