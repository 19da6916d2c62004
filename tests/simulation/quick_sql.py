"""A connection that runs the prebuilt statements of ``storage`` without SQLAlchemy's machinery around each execution.

The text is what SQLAlchemy compiles, values pass the same bind and result processors, the same SQLite and the same
triggers run it. Only the way there is shorter, which is worth three times the schedules. Whatever is not prebuilt goes
the usual way. That both ways mean the same is tested by running schedules on either and comparing their traces.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache, lru_cache, partial
from importlib import import_module
from operator import itemgetter
from typing import Any, cast

from sqlalchemy import Connection, TextClause, TypeDecorator
from sqlalchemy.exc import DBAPIError, MultipleResultsFound, NoResultFound
from sqlalchemy.sql.elements import ClauseElement
from sqlalchemy.sql.selectable import TextualSelect

import storage
import tasks
from storage.types import Exact, Json, Timestamp, Word

Processor = Callable[[Any], Any] | None


class Row(tuple[Any, ...]):
    """Values by position, and by attribute in the classes made of it."""

    __slots__ = ()


@cache
def _row_class(names: tuple[str, ...]) -> type[Row]:
    by_name = {name: property(itemgetter(place)) for place, name in enumerate(names) if name not in dir(Row)}
    return type("Row", (Row,), {"__slots__": (), **by_name})


class _Columns:
    """What is made of the values of a row as SQLite gives them."""

    __slots__ = ("mapping", "row")

    def __init__(self, names: tuple[str, ...], processors: Sequence[Processor]) -> None:
        values = [
            f"row[{place}]" if process is None else f"process{place}(row[{place}])"
            for place, process in enumerate(processors)
        ]
        known = {f"process{place}": process for place, process in enumerate(processors)}
        make = _row_class(names)
        self.row: Callable[[Any], Row] = (
            _written(f"row: make(({', '.join(values)},))", {**known, "make": make}) if any(processors) else make
        )
        entries = ", ".join(f"{name!r}: {value}" for name, value in zip(names, values, strict=True))
        self.mapping: Callable[[Any], dict[str, Any]] = _written(f"row: {{{entries}}}", known)


@cache
def _plain_columns(names: tuple[str, ...]) -> _Columns:
    return _Columns(names, [None] * len(names))


class _Rows:
    """Rows as SQLite gave them, and the ways to take them that rows and mappings share."""

    __slots__ = ("_made", "_rows")

    def __init__(self, made: Callable[[Any], Any], rows: list[tuple[Any, ...]]) -> None:
        self._made = made
        self._rows = rows

    def __iter__(self) -> Iterator[Any]:
        return map(self._made, self._rows)

    def all(self) -> list[Any]:
        return list(map(self._made, self._rows))

    def first(self) -> Any:
        return self._made(self._rows[0]) if self._rows else None

    def one_or_none(self) -> Any:
        if len(self._rows) > 1:
            raise MultipleResultsFound("Multiple rows were found when one or none was required")
        return self._made(self._rows[0]) if self._rows else None

    def one(self) -> Any:
        if not self._rows:
            raise NoResultFound("No row was found when one was required")
        return self.one_or_none()


class Result(_Rows):
    """The part of SQLAlchemy's results that the code uses."""

    __slots__ = ("_columns", "rowcount")

    def __init__(self, columns: _Columns, rows: list[tuple[Any, ...]], rowcount: int) -> None:
        self._made = columns.row
        self._rows = rows
        self._columns = columns
        self.rowcount = rowcount

    def scalar_one(self) -> Any:
        return self.one()[0]

    def scalar_one_or_none(self) -> Any:
        row = self.one_or_none()
        return None if row is None else row[0]

    def scalar(self) -> Any:
        row = self.first()
        return None if row is None else row[0]

    def scalars(self) -> Scalars:
        return Scalars([row[0] for row in self])

    def mappings(self) -> _Rows:
        return _Rows(self._columns.mapping, self._rows)


class Scalars(list[Any]):
    def all(self) -> list[Any]:
        return list(self)

    def first(self) -> Any:
        return self[0] if self else None

    def one_or_none(self) -> Any:
        return self.first()


class _Plan:
    """How one statement runs, with lists of the lengths that it was first run with."""

    __slots__ = ("_columns", "_text", "_values", "spreads")

    def __init__(self, compiled: Any, dialect: Any, sources: Mapping[str, str], lists: Mapping[str, Any]) -> None:
        """``sources``: where each parameter is found, an expression; ``lists``: those that are to be spread."""
        fixed = {name: bind.effective_value for name, bind in compiled.binds.items() if not bind.required}
        processors = {name: _bind_processor(bind.type, dialect) for name, bind in compiled.binds.items()}
        parts: dict[str, tuple[str, int]] = {}
        self.spreads = bool(compiled.post_compile_params)
        if self.spreads:
            spread = compiled._process_parameters_for_postcompile({**fixed, **lists})
            self._text, names = spread.statement, spread.positiontup
            parts = {
                part: (whole, place)
                for whole, wholes in spread.parameter_expansion.items()
                for place, part in enumerate(wholes)
            }
        else:
            self._text, names = str(compiled), compiled.positiontup or ()
        known: dict[str, Any] = {}
        values = []
        for place, name in enumerate(names):
            whole, part = parts.get(name, (name, None))
            if whole in sources:
                value = sources[whole] if part is None else f"{sources[whole]}[{part}]"
            else:
                value = f"fixed{place}"
                known[value] = fixed.get(whole) if part is None else fixed[whole][part]
            if processors[whole] is not None:
                known[f"process{place}"] = processors[whole]
                value = f"process{place}({value})"
            values.append(value)
        self._values: Callable[[Any], Sequence[Any]] = _written(f"given: [{', '.join(values)}]", known)
        columns = compiled._result_columns
        #: None: not known, or none
        self._columns = (
            _Columns(
                tuple(entry.keyname for entry in columns), [_result_processor(entry.type, dialect) for entry in columns]
            )
            if columns
            else None
        )

    def run(self, cursor: Any, given: Any) -> Result:
        cursor.execute(self._text, self._values(given))
        if self._columns is not None:
            return Result(self._columns, cursor.fetchall(), cursor.rowcount)
        if cursor.description is None:
            return Result(_NO_COLUMNS, [], cursor.rowcount)
        names = tuple([column[0] for column in cursor.description])
        return Result(_plain_columns(names), cursor.fetchall(), -1)


def _written(function: str, known: Mapping[str, Any]) -> Any:
    """A function written out for one statement, instead of a loop over what each value needs."""
    return eval(f"lambda {function}", dict(known))  # noqa: S307 - of names and places only


def _result_processor(kind: Any, dialect: Any) -> Processor:
    """What SQLAlchemy would call, without the frames between for the types of ``storage.types``."""
    if isinstance(kind, TypeDecorator) and kind.load_dialect_impl(dialect).result_processor(dialect, None) is None:
        return _remembered(type(kind).process_result_value, kind, dialect)
    found: Processor = kind.dialect_impl(dialect).result_processor(dialect, None)
    return found


def _bind_processor(kind: Any, dialect: Any) -> Processor:
    if (
        isinstance(kind, TypeDecorator)
        and type(kind).process_bind_param is not TypeDecorator.process_bind_param
        and kind.load_dialect_impl(dialect).bind_processor(dialect) is None
    ):
        return _remembered(type(kind).process_bind_param, kind, dialect)
    found: Processor = kind.dialect_impl(dialect).bind_processor(dialect)
    return found


@lru_cache(maxsize=8_192)
def _read_json(kind: Json, dialect: Any, written: str) -> tuple[Any, bool]:
    """What the text says, and whether a shallow copy of it is as good as reading it again."""
    value = kind.process_result_value(written, dialect)
    flat = value.__class__ is dict and not any(isinstance(entry, (dict, list)) for entry in value.values())
    return value, flat


def _flat_json(kind: Json, dialect: Any, written: str | None) -> Any:
    if written is None:
        return None
    value, flat = _read_json(kind, dialect, written)
    return dict(value) if flat else kind.process_result_value(written, dialect)


_NO_COLUMNS = _plain_columns(())

_REMEMBERED: dict[tuple[Any, ...], Processor] = {}


def _remembered(function: Any, kind: Any, dialect: Any) -> Processor:
    """Decimals, times and words are the same each time that the same value passes; what can be changed is made anew."""
    if isinstance(kind, Json) and function is Json.process_result_value:
        return partial(_flat_json, kind, dialect)
    if not isinstance(kind, (Exact, Timestamp, Word)):
        return lambda value: function(kind, value, dialect)
    key = (function, getattr(kind, "words", None))
    if key not in _REMEMBERED:
        _REMEMBERED[key] = lru_cache(maxsize=8_192, typed=True)(lambda value: function(kind, value, dialect))
    return _REMEMBERED[key]


def _is_plain(compiled: Any) -> bool:
    """Whether each value is known when the statement is: nothing is called for, or written into its text."""
    return not (
        compiled.literal_execute_params
        or getattr(compiled, "insert_prefetch", ())
        or getattr(compiled, "update_prefetch", ())
        or any(bind.callable is not None for bind in compiled.binds.values())
    )


def _spreads_lists_only(compiled: Any, values: Mapping[str, Any]) -> bool:
    """Plans are told apart by the lengths of lists; what is spread and no list has a length that nobody looked at."""
    spread = [compiled.bind_names[bind] for bind in compiled.post_compile_params]
    return all(values[name].__class__ is list for name in spread if name in values)


_NO_PLAN: Any = object()


class QuickConnection:
    """Stands where a ``Connection`` does."""

    def __init__(self, connection: Connection, raw: Any) -> None:
        self._connection = connection
        #: one for all statements, since each is read to its end at once
        self._cursor = raw.cursor()
        self.dialect = connection.dialect
        self._error = connection.dialect.loaded_dbapi.Error
        self._prebuilt = _prebuilt_statements()
        self._plans: dict[Any, _Plan | None] = {}

    def execute(self, statement: Any, parameters: Any = None) -> Any:
        key: Any
        if id(statement) in self._prebuilt:
            key = id(statement)
        elif isinstance(statement, TextualSelect):
            # A type that is made with words of its own is no column of such a query.
            key = (
                cast("TextClause", statement.element).text,
                *[(column.name, column.type.__class__) for column in statement.column_args],
            )
        elif parameters is None:
            return self._run_built(statement)
        else:
            return self._connection.execute(statement, parameters)
        if isinstance(parameters, list):
            for entry in parameters:
                self._run(key, statement, entry)
            return None
        return self._run(key, statement, parameters or {})

    def _run(self, statement_key: Any, statement: Any, parameters: Mapping[str, Any]) -> Any:
        """A statement that is kept, with parameters by name."""
        key: Any = (statement_key, *parameters)
        plan = self._plans.get(key, _NO_PLAN)
        if plan.__class__ is not _Plan or plan.spreads:
            lengths = [(name, len(value)) for name, value in parameters.items() if value.__class__ is list]
            if lengths:
                key = (key, *lengths)
                plan = self._plans.get(key, _NO_PLAN)
        if plan is _NO_PLAN:
            plan = self._plans[key] = self._plan(statement, parameters)
            if plan is not None and plan.spreads:
                self._plans.setdefault((statement_key, *parameters), plan)
        if plan is None:
            return self._connection.execute(statement, parameters)
        try:
            return plan.run(self._cursor, parameters)
        except self._error as error:
            raise self._told(statement, error) from error

    def _run_built(self, statement: Any) -> Any:
        """A statement that was put together for this one time, with its values inside; found by its shape."""
        shape = statement._generate_cache_key()
        if shape is None:
            return self._connection.execute(statement)
        given = [bind.effective_value for bind in shape.bindparams]
        key = (shape.key, *[len(value) for value in given if value.__class__ is list])
        plan = self._plans.get(key, _NO_PLAN)
        if plan is _NO_PLAN:
            plan = self._plans[key] = self._plan_of_shape(statement, shape, given)
        if plan is None:
            return self._connection.execute(statement)
        try:
            return plan.run(self._cursor, given)
        except self._error as error:
            raise self._told(statement, error) from error

    def _told(self, statement: Any, error: Exception) -> Exception:
        """What SQLAlchemy would raise."""
        told: Exception = DBAPIError.instance(
            str(statement), {}, error, self._error, hide_parameters=True, dialect=self.dialect
        )
        return told

    def _plan(self, statement: Any, parameters: Mapping[str, Any]) -> _Plan | None:
        if any(value.__class__ is list and not value for value in parameters.values()):
            return None
        compiled = statement.compile(dialect=self.dialect, column_keys=sorted(parameters) or None)
        if not (_is_plain(compiled) and _spreads_lists_only(compiled, parameters)):
            return None
        return _Plan(compiled, self.dialect, {name: f"given[{name!r}]" for name in parameters}, parameters)

    def _plan_of_shape(self, statement: Any, shape: Any, given: list[Any]) -> _Plan | None:
        if any(value.__class__ is list and not value for value in given):
            return None
        compiled = statement.compile(dialect=self.dialect, cache_key=shape)
        if not _is_plain(compiled):
            return None
        places = {
            compiled.bind_names[bind]: place
            for place, kept in enumerate(shape.bindparams)
            for bind in compiled._cache_key_bind_match[0][kept]
            if bind in compiled.bind_names
        }
        if any(name not in places for name in compiled.bind_names.values()):
            return None  # the first one's value would stand there for ever
        values = {name: given[place] for name, place in places.items()}
        if not _spreads_lists_only(compiled, values):
            return None
        return _Plan(compiled, self.dialect, {name: f"given[{place}]" for name, place in places.items()}, values)

    def begin_nested(self) -> Any:
        return self._connection.begin_nested()

    def execution_options(self, **_: Any) -> QuickConnection:
        return self

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


def _prebuilt_statements() -> Mapping[int, ClauseElement]:
    """The statements that the modules of ``storage`` and ``tasks`` keep, alone or in tables by dialect."""
    found: dict[int, ClauseElement] = {}
    for package in (storage, tasks):
        for info in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if ".migrations" in info.name:
                continue
            for value in vars(import_module(info.name)).values():
                for statement in _statements_in(value):
                    found[id(statement)] = statement
    return found


def _statements_in(value: Any) -> Sequence[ClauseElement]:
    values = value.values() if isinstance(value, dict) else [value]
    return [
        entry for entry in values if isinstance(entry, ClauseElement) and getattr(entry, "supports_execution", False)
    ]


__all__ = ["QuickConnection"]
