"""The text that arms stages: ``name=[p%][cnt*]task[(arg)][->task…]``, several with ``;`` or line breaks between."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from failpoints.catalog import STAGES

TASKS = ("off", "kill", "kill_parent", "stop", "term", "sleep", "raise", "print")
#: tasks that can't do without an argument
WITH_ARGUMENT = ("sleep", "raise")

_ACTION = re.compile(
    r"\s*(?:(?P<percent>\d+(?:\.\d+)?)%)?\s*(?:(?P<count>\d+)\*)?\s*(?P<task>[a-z_]+)\s*(?:\((?P<argument>[^()]*)\))?\s*"
)


class BadFailpoints(ValueError):
    """The text arms nothing: it says where and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """What happens at a stage: ``task`` with a chance of ``percent``, at most ``count`` times."""

    task: str
    argument: str = ""
    percent: float = 100.0
    #: None: without limit
    count: int | None = None


def parse(text: str) -> Mapping[str, tuple[Action, ...]]:
    """What each stage is armed with, first action first. Raises BadFailpoints; ``#`` begins a comment."""
    armed: dict[str, tuple[Action, ...]] = {}
    for line in text.splitlines():
        for entry in line.split("#", 1)[0].split(";"):
            if entry.strip():
                name, actions = _entry(entry)
                armed[name] = actions
    return armed


def _entry(entry: str) -> tuple[str, tuple[Action, ...]]:
    name, separator, actions = (part.strip() for part in entry.partition("="))
    if not separator:
        raise BadFailpoints(f"{entry.strip()!r} arms nothing: write stage=task, for instance {STAGES_EXAMPLE}")
    if name not in STAGES:
        raise BadFailpoints(f"there is no stage {name!r}; failpoints/catalog.py and docs/guarantees.md list them")
    return name, tuple(_action(name, text) for text in actions.split("->"))


def _action(name: str, text: str) -> Action:
    found = _ACTION.fullmatch(text)
    if found is None or found["task"] not in TASKS:
        raise BadFailpoints(
            f"{name}={text.strip()!r}: write [p%][cnt*]task[(argument)] with a task of {', '.join(TASKS)}"
        )
    argument = (found["argument"] or "").strip()
    if found["task"] in WITH_ARGUMENT and not argument:
        raise BadFailpoints(f"{name}: {found['task']} needs an argument, as in sleep(250) or raise(io)")
    if found["task"] == "sleep" and not argument.isdecimal():
        raise BadFailpoints(f"{name}: sleep({argument}) is no number of milliseconds")
    return Action(
        task=found["task"],
        argument=argument,
        percent=float(found["percent"] or 100.0),
        count=int(found["count"]) if found["count"] else None,
    )


STAGES_EXAMPLE = "commit.intent.committed=1*kill"
