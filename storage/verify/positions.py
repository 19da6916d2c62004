"""One pass over all fills in the ledger: every position is what they make of it, change by change."""

from collections.abc import Iterator

from sqlalchemy import Connection

from storage.position_proof import differences
from storage.verify.findings import Advice, Check, Finding

_ADVICE = Advice(
    proves="every position is, change by change, what the ledger's fills make of it",
    means="costs and profits of that position are not those of its fills; the ledger itself is not touched by it",
    todo=(
        "stop the deployment and run `steadfill positions --rebuild`, which makes positions again from the ledger, and "
        "verify again; where nothing of a version before positions ran, find out who changed the database"
    ),
)


def _run(conn: Connection) -> Iterator[Finding]:
    for row, problem in differences(conn):
        yield Finding(check="positions", row=row, problem=problem)


POSITIONS = Check(advice={"positions": _ADVICE}, run=_run)
