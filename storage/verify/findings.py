"""What a check is, and what it finds: the row, the difference, what that means and what to do."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One row that fails."""

    #: the name of what does not hold, a key of its check's ``proves``
    check: str
    #: ``entry 17``, ``account 4 (paper main USDT hold)``, ``order …``
    row: str
    #: what stands there, and what should
    problem: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """What stands beside every finding of one name."""

    #: what holds of the books while nothing is found
    proves: str
    means: str
    #: what to do
    todo: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One pass over the books. It streams: what it keeps in memory does not grow with the number of rows."""

    #: the names of its findings, the first of which is its own → what to say of them
    advice: Mapping[str, Advice]
    #: called inside of one snapshot; its findings come in the order of the rows
    run: Callable[[Connection], Iterator[Finding]]

    @property
    def name(self) -> str:
        return next(iter(self.advice))
