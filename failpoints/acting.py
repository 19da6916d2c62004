"""What a stage does to its process once it is armed."""

import os
import random
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from failpoints.faults import make_fault
from failpoints.grammar import Action

_local_counts: dict[tuple[str, int], int] = {}


def act(name: str, actions: Sequence[Action], shared: Path | None) -> None:
    """Do the first action that still has a count left; its chance may say no. Raises what ``raise(…)`` names."""
    for index, action in enumerate(actions):
        if action.percent < 100.0 and random.random() * 100.0 >= action.percent:  # chance of a fault, guards nothing
            return
        if action.task == "off":
            if _may_count(name, index, action, shared=None):
                return
            continue
        if _may_count(name, index, action, shared):
            _do(name, action)
            return


def _may_count(name: str, index: int, action: Action, shared: Path | None) -> bool:
    """Take one of the action's counts; with a shared directory exactly one process gets each."""
    if shared is not None:
        return _take_file(name, index, action.count, shared)
    taken = _local_counts.get((name, index), 0)
    if action.count is not None and taken >= action.count:
        return False
    _local_counts[name, index] = taken + 1
    return True


def _take_file(name: str, index: int, count: int | None, shared: Path) -> bool:
    number = 0
    while count is None or number < count:
        number += 1
        suffix = f"{number}" if index == 0 else f"{index}-{number}"
        try:
            handle = os.open(shared / f"{name}.{suffix}", os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        except FileExistsError:
            continue
        except FileNotFoundError:
            return False  # the run that made the directory is over
        os.write(handle, str(os.getpid()).encode())
        os.close(handle)
        return True
    return False


def _do(name: str, action: Action) -> None:
    match action.task:
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "kill_parent":
            with suppress(ProcessLookupError):
                os.kill(os.getppid(), signal.SIGKILL)
            os.kill(os.getpid(), signal.SIGKILL)
        case "stop":
            os.kill(os.getpid(), signal.SIGSTOP)
        case "term":
            os.kill(_main_process(), signal.SIGTERM)
        case "sleep":
            time.sleep(int(action.argument) / 1000)
        case "raise":
            raise make_fault(action.argument)
        case "print":
            sys.stderr.write(f"failpoint {name} reached by {os.getpid()}\n")
            sys.stderr.flush()


def _main_process() -> int:
    """A pool's child asks its parent to shut down; anything else asks itself."""
    billiard = sys.modules.get("billiard.process")
    in_child = billiard is not None and billiard.current_process().name != "MainProcess"
    return os.getppid() if in_child else os.getpid()
