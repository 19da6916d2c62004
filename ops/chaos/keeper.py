"""The process of a lane: takes the names of cells from the run, gives outcomes back."""

import contextlib
import ctypes
import json
import os
import signal
import socket
import sys
import traceback
from pathlib import Path

from ops.chaos.cell import Cell, Outcome, cell_of
from ops.chaos.lane import Lane, LaneBroken, LaneUsedUp
from ops.chaos.oracle import whole_problems
from ops.chaos.servers import Lent, NoServer
from ops.chaos.trial import NEVER_REACHED, run

#: a fault that did not strike, since the order went another way that time, gets so many chances
ATTEMPTS = 4

#: characters of logs that an outcome may carry: it is one datagram
KEPT_LOGS = 30_000

MESSAGE_BYTES = 180_000

_PR_SET_PDEATHSIG = 1


def fork_keeper(
    name: str,
    stack: str,
    home: Path,
    lent: Lent,
    rabbitmq_url: str | None,
    others: list[socket.socket],
    pace: float,
) -> tuple[int, socket.socket]:
    """Fork the process of a lane: (pid, the run's end of the line). ``others``: ends of other lanes, not for this one."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    pid = os.fork()
    if pid:
        theirs.close()
        return pid, ours
    code = 1
    try:
        os.setpgid(0, 0)
        if sys.platform == "linux":
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
        for other in (*others, ours):
            other.close()
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the run hears of it and tells
        signal.signal(signal.SIGTERM, _end)
        _serve(theirs, Lane(name, stack, home, lent, rabbitmq_url, pace))
        code = 0
    except SystemExit:
        code = 0
    except BaseException:  # noqa: BLE001 - it must not go on as the run that it was forked from
        _say(theirs, {"broken": traceback.format_exc()[-KEPT_LOGS:]})
    finally:
        os._exit(code)


def _end(*_: object) -> None:
    raise SystemExit(0)


def _serve(line: socket.socket, lane: Lane) -> None:
    try:
        with lane:
            _say(line, {"ready": lane.name})
            while message := line.recv(MESSAGE_BYTES):
                command = json.loads(message)
                if "cell" not in command:
                    break
                outcome = _try(lane, cell_of(command["cell"]), command["seed"])
                _say(line, {"outcome": outcome.as_json()})
                if outcome.verdict == "failed":
                    return  # what it left behind is no ground for the next cell
            whole = _whole(lane)
            signal.signal(signal.SIGTERM, signal.SIG_IGN)  # it is about to end, and should do so in good order
            _say(line, {"ended": whole})
    except LaneUsedUp:
        _say(line, {"used_up": lane.name})
    except (LaneBroken, NoServer) as error:
        _say(line, {"broken": str(error)[-KEPT_LOGS:]})


def _try(lane: Lane, cell: Cell, seed: int) -> Outcome:
    attempt = 1
    while True:
        outcome = run(lane, cell, seed, attempt)
        if outcome.problems != (NEVER_REACHED,) or attempt == ATTEMPTS:
            return outcome
        attempt += 1


def _whole(lane: Lane) -> list[str]:
    """The verdict over everything that the lane ever did."""
    from storage.engine import read

    lane.log.catch_up()
    with read(lane.engine, snapshot=True) as conn:
        return list(whole_problems(conn, lane.log))


def _say(line: socket.socket, message: object) -> None:
    with contextlib.suppress(OSError):
        line.send(json.dumps(message).encode())
