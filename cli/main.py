"""The command ``steadfill``."""

import os
import sys
from pathlib import Path
from typing import Any

#: what concerns this machine's processes is a program of its own, ``python -m ops``; name to its line in the help
MACHINE = {
    "up": "Run every piece of a deployment on this machine.",
    "ps": "The pieces that run here: role, pid, since.",
    "demo": "Orders, faults and a killed worker on this machine, then a verdict.",
    "chaos": "Kill, stop and cut a deployment of its own, stage by stage, and compare its books each time.",
    "doctor": "What is configured and reachable, and what to do where it is not.",
    "backup": "Copy the database while it is in use, check the copy and rotate older ones; or list them.",
    "restore": "Put a verified backup in place, halted; or try one with --drill.",
    "verify": "Prove the books row by row; the first row that fails is named.",
    "db": "The database's schema.",
}


def main() -> None:
    arguments = sys.argv[1:]
    if arguments and arguments[0] in MACHINE:
        _become_ops(arguments)
    from cli.app import run

    sys.exit(run(arguments))


def _become_ops(arguments: list[str]) -> None:
    root = str(Path(__file__).resolve().parent.parent)
    path = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
    # -P: a folder named `ops` where the command is started is not ours.
    command = [sys.executable, "-P", "-m", "ops", *arguments]
    os.execve(sys.executable, command, {**os.environ, "PYTHONPATH": path})  # noqa: S606 - the same interpreter, no shell


def placeholder(name: str) -> Any:
    """A command that only stands in the help; ``main`` has sent it on before."""

    def stand_in() -> None:
        _become_ops([name])

    stand_in.__doc__ = MACHINE[name]
    return stand_in


if __name__ == "__main__":
    main()
