"""Seals: what an entry and the seal after it are hashed from. A chain that is unbroken was never edited inside.

A hash is SHA-256 as 64 lower-case hexadecimal digits. What is hashed begins with its own name, so that no entry can be
taken for a seal. Both forms are fixed for ever: a new one takes a new name and begins at a later seal.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

#: what the first seal follows
GENESIS = "0" * 64

_ENTRY = "steadfill entry 1"
_SEAL = "steadfill seal 1"

#: an account as a seal has it: id, venue, account, asset, kind; what it stood for when the entry was sealed
SealedAccount = tuple[int, str, str, str, str]
#: id, ordinal, debit account, credit account, asset, amount in plain notation
SealedLeg = tuple[int, int, SealedAccount, SealedAccount, str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedEntry:
    """An entry with its legs, word for word as the database keeps it."""

    id: int
    key: str
    kind: str
    order_id: str | None
    #: JSON text as it stands in the row
    detail: str
    leg_count: int
    #: microseconds since the epoch
    posted_at: int
    #: by ordinal
    legs: Sequence[SealedLeg]


@dataclass(frozen=True, slots=True, kw_only=True)
class Seal:
    """One link of the chain: which entry, what it was, and what stood before."""

    #: 1, 2, 3 … without a gap
    sequence: int
    entry_id: int
    entry_digest: str
    previous_hash: str
    hash: str
    #: microseconds since the epoch
    sealed_at: int

    @property
    def head(self) -> str:
        """Sequence and hash in one word, to note elsewhere: whoever has it can tell whether the chain still goes through it."""
        return f"{self.sequence}:{self.hash}"


def entry_digest(entry: SealedEntry) -> str:
    content = (
        _ENTRY, entry.id, entry.key, entry.kind, entry.order_id, entry.detail, entry.leg_count, entry.posted_at,
        entry.legs,
    )  # fmt: skip
    return sha256(json.dumps(content, ensure_ascii=True, separators=(",", ":")).encode()).hexdigest()


def seal_hash(sequence: int, entry_id: int, digest: str, sealed_at: int, previous_hash: str) -> str:
    return sha256(f"{_SEAL}|{sequence}|{entry_id}|{digest}|{sealed_at}|{previous_hash}".encode()).hexdigest()


def next_seal(last: Seal | None, entry_id: int, digest: str, *, sealed_at: int) -> Seal:
    """The seal that follows ``last``; None: the first one."""
    sequence, previous = (1, GENESIS) if last is None else (last.sequence + 1, last.hash)
    return Seal(
        sequence=sequence,
        entry_id=entry_id,
        entry_digest=digest,
        previous_hash=previous,
        hash=seal_hash(sequence, entry_id, digest, sealed_at, previous),
        sealed_at=sealed_at,
    )


def seal_is_true(seal: Seal) -> bool:
    """Whether its hash is that of what it says."""
    return seal.hash == seal_hash(seal.sequence, seal.entry_id, seal.entry_digest, seal.sealed_at, seal.previous_hash)
