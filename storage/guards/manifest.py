"""The guards as the SQL files have them, the guards as a database has them, and the difference in sentences."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from sqlalchemy import Connection, text

#: every statement of a guard file begins a line with CREATE; bodies are indented
_STATEMENT = re.compile(r"^(?=CREATE )", re.MULTILINE)
_TRIGGER = re.compile(r"CREATE (?:CONSTRAINT )?TRIGGER (\w+)\s+(.*?)\s+ON (?:\w+\.)?(\w+)\b(.*)", re.DOTALL)
_FUNCTION = re.compile(r"CREATE FUNCTION (\w+)\(\).*?AS \$\$(.*)\$\$", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    #: ``trigger`` or ``function``
    what: str
    name: str
    #: the table of a trigger, empty for a function
    table: str
    #: what must be the same in the file and in the database; its spelling differs per database
    meaning: str


@cache
def statements(dialect: str) -> tuple[str, ...]:
    """Every CREATE statement of the files for ``postgresql`` or ``sqlite``, in their order."""
    files = sorted(Path(__file__).parent.glob(f"*.{dialect}.sql"))
    found = [part for file in files for part in _STATEMENT.split(file.read_text("utf-8"))]
    return tuple(_without_comments(part) for part in found if part.startswith("CREATE "))


@cache
def expected(dialect: str) -> dict[str, Guard]:
    """The guards of the files by name."""
    guards = [_guard(statement, dialect) for statement in statements(dialect)]
    names = {guard.name for guard in guards}
    if len(names) != len(guards):
        raise ValueError(f"two guards for {dialect} have one name")
    return {guard.name: guard for guard in guards}


def found(connection: Connection) -> dict[str, Guard]:
    """The guards that the database has and enforces; a disabled trigger is none."""
    if connection.dialect.name == "sqlite":
        rows = connection.execute(text("SELECT sql FROM sqlite_master WHERE type = 'trigger'")).scalars()
        return {guard.name: guard for guard in (_guard(row, "sqlite") for row in rows)}
    triggers = connection.execute(text(_POSTGRESQL_TRIGGERS)).scalars()
    guards = {guard.name: guard for guard in (_guard(row, "postgresql") for row in triggers)}
    for name, body in connection.execute(text(_POSTGRESQL_FUNCTIONS)):
        guards[name] = Guard(what="function", name=name, table="", meaning=body.strip())
    return guards


def differences(connection: Connection) -> list[str]:
    """A sentence for each guard that is missing, disabled or other than in its file."""
    present = found(connection)
    sentences = []
    for name, guard in expected(connection.dialect.name).items():
        if name not in present:
            sentences.append(
                f"the {guard.what} {name} is missing or disabled" + (f" on {guard.table}" if guard.table else "")
            )
        elif present[name] != guard:
            sentences.append(
                f"the {guard.what} {name} is not the one of this version"
                + (f" on {guard.table}" if guard.table else "")
            )
    return sentences


def install(connection: Connection) -> None:
    """Make the database's guards those of the files; nothing is touched where they are already."""
    if not differences(connection):
        return
    remove(connection)
    for statement in statements(connection.dialect.name):
        _run(connection, statement)


def remove(connection: Connection) -> None:
    """Drop the guards, for a migration that moves guarded rows; the upgrade installs them again at its end."""
    known = expected(connection.dialect.name)
    for guard in sorted(found(connection).values(), key=lambda guard: guard.what, reverse=True):  # triggers first
        if guard.name in known and connection.dialect.name == "sqlite":
            _run(connection, f"DROP TRIGGER {guard.name}")
        elif guard.name in known and guard.what == "trigger":
            _run(connection, f"DROP TRIGGER {guard.name} ON {guard.table}")
    if connection.dialect.name == "postgresql":
        for guard in known.values():
            if guard.what == "function":
                _run(connection, f"DROP FUNCTION IF EXISTS {guard.name}()")


def _run(connection: Connection, statement: str) -> None:
    # past SQLAlchemy's parameters: the percent signs and colons in here are PL/pgSQL's
    cursor = connection.connection.cursor()
    try:
        cursor.execute(statement)
    finally:
        cursor.close()


def _guard(statement: str, dialect: str) -> Guard:
    function = _FUNCTION.match(statement)
    if function:
        return Guard(what="function", name=function[1], table="", meaning=function[2].strip())
    trigger = _TRIGGER.match(statement)
    if trigger is None:
        raise ValueError(f"a guard file holds CREATE TRIGGER and CREATE FUNCTION … AS $$ only, got: {statement[:60]}")
    if dialect == "sqlite":
        meaning = statement.strip().rstrip(";")
    else:  # PostgreSQL shows a trigger in its own spelling; events may come in another order
        events, called = sorted(trigger[2].split()), trigger[4].strip().rstrip(";").rsplit(" ", 1)[-1]
        meaning = f"{' '.join(events)} {'for each row' if 'FOR EACH ROW' in trigger[4] else 'once'} {called}"
    return Guard(what="trigger", name=trigger[1], table=trigger[3], meaning=meaning)


def _without_comments(statement: str) -> str:
    """The statement without the comments that stand between it and the next one."""
    lines = statement.rstrip().split("\n")
    while lines and (not lines[-1].strip() or lines[-1].startswith("--")):
        lines.pop()
    return "\n".join(lines)


_POSTGRESQL_TRIGGERS = """
SELECT pg_get_triggerdef(t.oid) FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
 WHERE NOT t.tgisinternal AND t.tgenabled IN ('O', 'A') AND c.relnamespace = current_schema()::regnamespace
"""
_POSTGRESQL_FUNCTIONS = """
SELECT proname, prosrc FROM pg_proc WHERE pronamespace = current_schema()::regnamespace AND prorettype = 'trigger'::regtype
"""
