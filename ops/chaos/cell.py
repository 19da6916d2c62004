"""What one trial is: a stage, what happens there, an order's way to it, the venue's rule, and where it runs."""

from dataclasses import dataclass
from typing import Any

STACKS = ("sqlite-embedded", "postgres-redis", "postgres-rabbitmq")

#: when the paper venue refuses a client order id that it has seen
DEDUPE = ("open", "always", "never")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """Named ``stage/fault[+second stage/fault]/order's way/venue/stack``; the name alone makes it anew."""

    #: the stage of failpoints/catalog.py; for faults of the venue the request that they strike
    stage: str
    #: a key of ops.chaos.faults
    fault: str
    #: a key of ops.chaos.ways: what is ordered so that the stage is reached
    way: str
    dedupe: str
    stack: str
    #: what strikes on the way of recovery: (stage, fault)
    second: tuple[str, str] | None = None

    @property
    def name(self) -> str:
        second = "" if self.second is None else f"+{self.second[0]}/{self.second[1]}"
        return f"{self.stage}/{self.fault}{second}/{self.way}/{self.dedupe}/{self.stack}"


def cell_of(name: str) -> Cell:
    """The cell of a name. Raises ValueError where the name is none."""
    first, plus, rest = name.partition("+")
    parts = f"{first}/{rest}".split("/") if plus else first.split("/")
    if len(parts) != (7 if plus else 5):
        raise ValueError(f"{name!r} names no cell: stage/fault[+stage/fault]/way/venue/stack")
    second = (parts[2], parts[3]) if plus else None
    way, dedupe, stack = parts[-3:]
    return Cell(stage=parts[0], fault=parts[1], way=way, dedupe=dedupe, stack=stack, second=second)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a cell."""

    cell: str
    seed: int
    #: passed, failed, or unreached: the second stage of a double crash was not on the way, so nothing was shown
    verdict: str
    #: of wall time
    seconds: float
    #: each is one thing that does not hold
    problems: tuple[str, ...] = ()
    #: stages that were hit, and how often
    hits: tuple[tuple[str, int], ...] = ()
    #: processes that ended during the cell
    deaths: int = 0
    #: every window was so many times as long as usual
    pace: float = 1.0
    #: nothing is wrong but that it was not over in time
    late: bool = False
    #: which try this was, where the fault did not strike in earlier ones
    attempt: int = 1
    #: how the order ended
    ended: str = ""
    #: the end of the processes' logs, where something does not hold
    logs: str = ""

    def as_json(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}


def outcome_of(values: dict[str, Any]) -> Outcome:
    """Read back what ``as_json`` wrote."""
    return Outcome(
        **{
            **values,
            "problems": tuple(values.get("problems", ())),
            "hits": tuple((stage, int(count)) for stage, count in values.get("hits", ())),
        }
    )
