"""Where a schedule's decisions come from: a seed, or a short list of decisive ones.

Each decision has a label that says what is decided and where, and a number: the how-manieth under that label. 0 is
always the plain course of things: nothing breaks, nobody dies, the first in the queue goes on. So a schedule is told in
full by its few decisions that are not 0, and it shrinks by leaving those out.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, order=True)
class Decision:
    label: str
    #: from 0, among the decisions of the label
    number: int
    #: from 1
    value: int

    def __str__(self) -> str:
        return f"{self.label}#{self.number}={self.value}"

    @staticmethod
    def parse(text: str) -> Decision:
        label, _, rest = text.rpartition("#")
        number, _, value = rest.partition("=")
        return Decision(label, int(number), int(value))


#: label → under what its chance is found; the same in every schedule, since they scale chances and add none
_KINDS: dict[str, str] = {}


@dataclass(slots=True)
class Choices:
    """Asked for one number after the other; remembers every answer that was not 0."""

    #: None: only what ``decisive`` says
    dice: random.Random | None
    #: chance that a decision under a label, or under its part before the colon, is not 0
    chances: Mapping[str, float] = field(default_factory=dict)
    decisive: Mapping[tuple[str, int], int] = field(default_factory=dict)
    #: no more than this many decisions of a seed other than 0
    budget: int = 40
    made: list[Decision] = field(default_factory=list)
    calm: bool = False
    _counts: dict[str, int] = field(default_factory=dict)

    @classmethod
    def of_seed(cls, seed: str, chances: Mapping[str, float], budget: int) -> Choices:
        return cls(dice=random.Random(seed), chances=chances, budget=budget)

    @classmethod
    def of_decisions(cls, decisions: Iterable[Decision]) -> Choices:
        return cls(dice=None, decisive={(entry.label, entry.number): entry.value for entry in decisions})

    def choose(self, label: str, options: int) -> int:
        """A number from 0 to ``options`` - 1; 0 where nothing is to happen."""
        if self.calm or options < 2:
            return 0
        counts = self._counts
        counts[label] = count = counts.get(label, 0) + 1
        dice = self.dice
        if dice is None:
            value = self.decisive.get((label, count - 1), 0) % options
        elif len(self.made) >= self.budget:
            return 0
        else:
            kind = _KINDS.get(label) or self._kind_of(label)
            if dice.random() >= self.chances.get(kind, 0.0):
                return 0
            value = 1 + int(dice.random() * (options - 1))
        if value:
            self.made.append(Decision(label, count - 1, value))
        return value

    def _kind_of(self, label: str) -> str:
        kind = _KINDS[label] = label if label in self.chances else label.partition(":")[0]
        return kind

    @property
    def labels(self) -> frozenset[str]:
        """Everything that was asked so far."""
        return frozenset(self._counts)
