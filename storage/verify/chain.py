"""The chain of seals by itself: numbered without a gap, each link made from the one before, the days' heads in it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, select

from accounting.seals import GENESIS, Seal, seal_is_true
from storage.seal_tables import ledger_heads, ledger_seals
from storage.seals import seal_of
from storage.verify.findings import Advice, Check, Finding

#: rows of one look
PAGE = 2_000

_CHAIN = Advice(
    proves="the seals follow each other without a gap, each made from the one before",
    means="seals were edited, taken away or put in, which only somebody can who switched the database's guards off",
    todo="halt (`steadfill halt`), keep a copy of the database as evidence, and compare with a backup and a noted head",
)
_HEADS = Advice(
    proves="the chain goes through every head that was noted",
    means="the chain was made anew after that head was noted: entries before it were changed",
    todo="halt (`steadfill halt`), keep a copy of the database as evidence, and restore a backup that has the noted head",
)


class NotAHead(ValueError):
    """A head is ``sequence:hash``, as `steadfill verify` prints it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NotedHead:
    """Where the chain stood once, as somebody wrote it down outside of the database."""

    sequence: int
    hash: str


def read_head(text: str) -> NotedHead:
    """From ``sequence:hash``. Raises NotAHead with the rule."""
    sequence, _, digest = text.strip().partition(":")
    if not sequence.isascii() or not sequence.isdigit() or len(digest) != 64 or set(digest) - set("0123456789abcdef"):
        raise NotAHead(f"a head is SEQUENCE:HASH, with 64 hexadecimal digits after the colon; got {text[:100]!r}")
    return NotedHead(sequence=int(sequence), hash=digest)


def chain_check(noted: Sequence[NotedHead] = ()) -> Check:
    """With heads that were noted elsewhere it proves that the chain still goes through them."""

    def run(conn: Connection) -> Iterator[Finding]:
        yield from _links(conn)
        yield from _heads(conn, noted)

    return Check(advice={"chain": _CHAIN, "heads": _HEADS}, run=run)


def _links(conn: Connection) -> Iterator[Finding]:
    sequence, previous = 0, GENESIS
    while True:
        page = [seal_of(row) for row in conn.execute(_PAGE, {"after": sequence})]
        for seal in page:
            problem = _problem(seal, sequence + 1, previous)
            if problem:
                yield Finding(check="chain", row=f"seal {seal.sequence} (entry {seal.entry_id})", problem=problem)
            sequence, previous = seal.sequence, seal.hash
        if len(page) < PAGE:
            return


def _problem(seal: Seal, expected: int, previous: str) -> str | None:
    if seal.sequence != expected:
        return f"seal {expected} is missing before it"
    if seal.previous_hash != previous:
        return f"it follows {seal.previous_hash}, and the seal before it is {previous}"
    if not seal_is_true(seal):
        return f"its hash {seal.hash} is not that of what it says"
    return None


def _heads(conn: Connection, noted: Sequence[NotedHead]) -> Iterator[Finding]:
    for row in conn.execute(_WRONG_HEADS):
        yield Finding(
            check="heads",
            row=f"head of {row.day}",
            problem=f"it was noted as {row.sequence}:{row.hash}, and the chain has {row.found or 'nothing'} there",
        )
    for head in noted:
        found = conn.execute(_HASH_AT, {"at": head.sequence}).scalar_one_or_none()
        if found != head.hash:
            yield Finding(
                check="heads",
                row=f"seal {head.sequence}",
                problem=f"it was noted elsewhere as {head.hash}, and the chain has {found or 'nothing'} there",
            )


_PAGE = (
    select(ledger_seals)
    .where(ledger_seals.c.sequence > bindparam("after"))
    .order_by(ledger_seals.c.sequence)
    .limit(PAGE)
)
_WRONG_HEADS = (
    select(ledger_heads.c.day, ledger_heads.c.sequence, ledger_heads.c.hash, ledger_seals.c.hash.label("found"))
    .join(ledger_seals, ledger_seals.c.sequence == ledger_heads.c.sequence, isouter=True)
    .where(ledger_seals.c.hash.is_distinct_from(ledger_heads.c.hash))
    .order_by(ledger_heads.c.day)
)
_HASH_AT = select(ledger_seals.c.hash).where(ledger_seals.c.sequence == bindparam("at"))
