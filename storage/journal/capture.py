"""Which rows a transaction touches: triggers of each connection's own note their keys; the rows are read at the commit.

TEMP triggers see what every statement changes, the database's own triggers and cascades included, and a rollback to a
savepoint takes back what they noted.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass

#: What may be lost: leases and claims of time, caches that are read again, counts of messages. The cursors of trades
#: too: standing where they stood at the backup, they make every trade since then be read again.
UNJOURNALED = frozenset(
    {
        "alembic_version",
        "instrument_sets",
        "journal_head",
        "leases",
        "message_events",
        "messages",
        "rate_reservations",
        "track_cursors",
        "unfinished_deliveries",
        "venue_states",
    }
)

#: Hints for workers are made again from the orders' rows; what a caller was promised to hear is not.
_ONLY = {"outbox": "{row}.kind = 'notify'"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """A table as the journal knows it."""

    name: str
    columns: tuple[str, ...]
    key: tuple[str, ...]

    def triggers(self) -> Iterator[str]:
        for event, rows in (("INSERT", ("NEW",)), ("UPDATE", ("OLD", "NEW")), ("DELETE", ("OLD",))):
            only = " OR ".join(_ONLY[self.name].format(row=row) for row in rows) if self.name in _ONLY else "1"
            yield (
                f'CREATE TEMP TRIGGER "journal_{self.name}_{event.lower()}" AFTER {event} ON main."{self.name}" '
                f"WHEN {only} BEGIN{''.join(self._note(row) for row in rows)} END"
            )

    def _note(self, row: str) -> str:
        """Not by OR IGNORE, which a statement with an OR of its own would overrule."""
        key = f"json_array({self._list(row + '.', self.key)})"
        known = f"SELECT 1 FROM journal_keys WHERE tbl = '{self.name}' AND key = {key}"  # noqa: S608 - our own names
        return f" INSERT INTO journal_keys SELECT '{self.name}', {key} WHERE NOT EXISTS ({known});"

    def touched(self) -> str:
        """A query of each noted key and its row as JSON, null where there is none."""
        same = " AND ".join(f"t.\"{name}\" = json_extract(k.key, '$[{index}]')" for index, name in enumerate(self.key))
        row = f'SELECT json_array({self._list("t.", self.columns)}) FROM main."{self.name}" t WHERE {same}'  # noqa: S608
        return f"SELECT k.key, ({row}) FROM temp.journal_keys k WHERE k.tbl = '{self.name}' ORDER BY k.key"  # noqa: S608

    @staticmethod
    def _list(prefix: str, names: tuple[str, ...]) -> str:
        return ", ".join(f'{prefix}"{name}"' for name in names)


def shapes(connection: sqlite3.Connection) -> dict[str, Shape]:
    """Every table that is journaled, by name, as the database has it now."""
    names = [
        row[0]
        for row in connection.execute("SELECT name FROM main.sqlite_master WHERE type = 'table' ORDER BY name")
        if row[0] not in UNJOURNALED and not row[0].startswith("sqlite_")
    ]
    found = {}
    for name in names:
        rows = connection.execute("SELECT name, pk FROM pragma_table_info(?) ORDER BY cid", (name,)).fetchall()
        key = tuple(column for _, column in sorted((place, column) for column, place in rows if place))
        if not key:
            raise RuntimeError(f"the table {name} has no primary key, so the journal can't name its rows")
        found[name] = Shape(name=name, columns=tuple(column for column, _ in rows), key=key)
    return found


class Capture:
    """The triggers of one connection. Install and remove them inside a transaction only: a rollback undoes either."""

    def __init__(self) -> None:
        #: the chain that the triggers were made for; None: there are none
        self.chain: str | None = None
        self._shapes: dict[str, Shape] = {}

    def install(self, connection: sqlite3.Connection, chain: str) -> None:
        self.remove(connection)
        self._shapes = shapes(connection)
        connection.execute("CREATE TEMP TABLE journal_keys (tbl TEXT, key TEXT, PRIMARY KEY (tbl, key)) WITHOUT ROWID")
        for shape in self._shapes.values():
            for statement in shape.triggers():
                connection.execute(statement)
        self.chain = chain

    def remove(self, connection: sqlite3.Connection) -> None:
        present = connection.execute(
            "SELECT name FROM temp.sqlite_master WHERE name LIKE 'journal\\_%' ESCAPE '\\' AND type = 'trigger'"
        )
        for (name,) in present.fetchall():
            connection.execute(f'DROP TRIGGER temp."{name}"')
        connection.execute("DROP TABLE IF EXISTS temp.journal_keys")
        self.chain = None

    def look(self, connection: sqlite3.Connection) -> None:
        """After a transaction that installed and of which it is not known how it ended."""
        there = "SELECT 1 FROM temp.sqlite_master WHERE name = 'journal_keys' AND type = 'table'"
        if connection.execute(there).fetchone() is None:
            self.chain = None

    def take(self, connection: sqlite3.Connection) -> bytes | None:
        """The touched rows as JSON, and the notes are empty again; None where nothing that counts was touched."""
        tables = connection.execute("SELECT DISTINCT tbl FROM temp.journal_keys ORDER BY tbl").fetchall()
        if not tables:
            return None
        parts = [
            f"[{json.dumps(name)},{key},{row or 'null'}]"
            for (name,) in tables
            for key, row in connection.execute(self._shapes[name].touched())
        ]
        connection.execute("DELETE FROM temp.journal_keys")
        return f"[{','.join(parts)}]".encode()
