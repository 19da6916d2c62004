"""Column types that mean the same on PostgreSQL and SQLite: exact decimals, UTC times, JSON, closed sets of words."""
# ruff: noqa: ARG002 - the signatures are SQLAlchemy's

from __future__ import annotations

import json
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, Integer, Numeric, Text, literal
from sqlalchemy.engine import Dialect
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql import operators
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeDecorator, TypeEngine

from models.clock import from_micros, micros
from models.money import plain
from storage.exact import checked

#: a key that the database counts up; SQLite gives row ids to INTEGER only
RowId = BigInteger().with_variant(Integer(), "sqlite")


class Exact(TypeDecorator[Decimal]):
    """``Decimal`` without loss: NUMERIC without a scale on PostgreSQL, canonical plain text on SQLite.

    ``==`` works as always; ``< <= > >= + -`` between such columns compile to exact arithmetic on both databases,
    where plain SQL on SQLite would compare letters. A float is refused.
    """

    impl = Numeric
    cache_ok = True

    class Comparator(TypeDecorator.Comparator[Decimal]):
        _ORDER = frozenset({operators.lt, operators.le, operators.gt, operators.ge})

        def operate(self, op: Any, *other: Any, **kwargs: Any) -> Any:
            if op in self._ORDER:
                return op(exact_cmp(self.expr, _exact(other[0])), 0)
            if op is operators.add:
                return exact_add(self.expr, _exact(other[0]))
            if op is operators.sub:
                return exact_sub(self.expr, _exact(other[0]))
            return super().operate(op, *other, **kwargs)

        def reverse_operate(self, op: Any, other: Any, **kwargs: Any) -> Any:
            if op is operators.add:
                return exact_add(_exact(other), self.expr)
            if op is operators.sub:
                return exact_sub(_exact(other), self.expr)
            return super().reverse_operate(op, other, **kwargs)

    comparator_factory = Comparator

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(Text() if dialect.name == "sqlite" else Numeric())

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> Any:
        if value is None:
            return None
        number = checked(value)
        return plain(number) if dialect.name == "sqlite" else number

    def process_result_value(self, value: Any, dialect: Dialect) -> Decimal | None:
        return None if value is None else value if isinstance(value, Decimal) else Decimal(value)


class Timestamp(TypeDecorator[datetime]):
    """An aware time in UTC as microseconds since the epoch in a BIGINT: exact, and comparable on both databases."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value.isoformat()} has no zone: a stored time must say which it is in")
        return micros(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        return None if value is None else from_micros(value)


class Json(TypeDecorator[Any]):
    """A dict or list as compact JSON text; decimals and times go in as strings, by the caller."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        return None if value is None else compact_json(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        return None if value is None else json.loads(value, parse_float=Decimal)


class Word(TypeDecorator[Any]):
    """A StrEnum stored as its text; pair it with :func:`one_of` so that the database knows the set too."""

    impl = Text
    cache_ok = True

    def __init__(self, words: type[StrEnum]) -> None:
        super().__init__()
        self.words = words

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        return None if value is None else self.words(value).value

    def process_result_value(self, value: Any, dialect: Dialect) -> StrEnum | None:
        return None if value is None else self.words(value)


def one_of(column: str, words: type[StrEnum], *, name: str | None = None) -> CheckConstraint:
    """A CHECK that the column holds one of the words (or NULL, where the column allows it)."""
    listed = ", ".join(f"'{word.value}'" for word in words)
    return CheckConstraint(f"{column} IN ({listed})", name=name or f"{column}_known")


_COMPACT = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def compact_json(value: Any) -> str:
    """JSON as the database keeps it; NaN and infinities are refused, keys stay in order."""
    return _COMPACT.encode(value)


class exact_add(FunctionElement[Decimal]):  # noqa: N801 - spelled as the SQL function
    """``a + b`` of two Exact expressions."""

    type = Exact()
    inherit_cache = True


class exact_sub(FunctionElement[Decimal]):  # noqa: N801
    """``a - b`` of two Exact expressions."""

    type = Exact()
    inherit_cache = True


class exact_cmp(FunctionElement[int]):  # noqa: N801
    """Negative, zero or positive as ``a`` is below, equal to or above ``b``: compare it with 0."""

    type = Integer()
    inherit_cache = True


class exact_sum(FunctionElement[Decimal]):  # noqa: N801
    """The sum of an Exact column over a group; 0 over no rows."""

    type = Exact()
    inherit_cache = True


@compiles(exact_add)
def _compile_add(element: FunctionElement[Any], compiler: SQLCompiler, **kwargs: Any) -> str:
    return _compile(element, compiler, "exact_add", "+", **kwargs)


@compiles(exact_sub)
def _compile_sub(element: FunctionElement[Any], compiler: SQLCompiler, **kwargs: Any) -> str:
    return _compile(element, compiler, "exact_sub", "-", **kwargs)


@compiles(exact_cmp)
def _compile_cmp(element: FunctionElement[Any], compiler: SQLCompiler, **kwargs: Any) -> str:
    return _compile(element, compiler, "exact_cmp", "-", **kwargs)


@compiles(exact_sum)
def _compile_sum(element: FunctionElement[Any], compiler: SQLCompiler, **kwargs: Any) -> str:
    summed = compiler.process(element.clauses, **kwargs)
    return f"COALESCE(exact_sum({summed}), '0')" if compiler.dialect.name == "sqlite" else f"COALESCE(SUM({summed}), 0)"


def _compile(element: FunctionElement[Any], compiler: SQLCompiler, function: str, operator: str, **kwargs: Any) -> str:
    left, right = (compiler.process(clause, **kwargs) for clause in element.clauses)
    return f"{function}({left}, {right})" if compiler.dialect.name == "sqlite" else f"({left} {operator} {right})"


def _exact(value: Any) -> Any:
    """A plain number beside an Exact column takes the column's type, so that it is bound exactly."""
    return value if isinstance(value, ColumnElement) else literal(value, Exact())
