"""Whether the database still refuses what it must: its triggers are those of this version."""

from collections.abc import Iterator

from sqlalchemy import Connection

from storage.guards import manifest
from storage.legal_moves import legal_move_differences
from storage.verify.findings import Advice, Check, Finding

_ADVICE = Advice(
    proves="the database's guards are those of this version, and are on",
    means="until it was put back, whatever the guard refuses could be written past the program",
    todo="find out who changed the database, then run `steadfill db upgrade`, which puts guards back, and verify again",
)


def _run(conn: Connection) -> Iterator[Finding]:
    for sentence in [*manifest.differences(conn), *legal_move_differences(conn)]:
        yield Finding(check="guards", row="schema", problem=sentence)


GUARDS = Check(advice={"guards": _ADVICE}, run=_run)
