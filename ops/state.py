"""What runs for one home: a lock per role, and a record per piece that ``ps`` reads and the next ``up`` cleans up by."""

import contextlib
import errno
import fcntl
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from ops.process import Adopted, end, start_marker

#: seconds a leftover gets to end by itself before its group is killed
LEFTOVER_GRACE_S = 5.0


class AlreadyRunningError(Exception):
    """Another ``steadfill up`` runs these pieces for this home."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    #: api, worker, beat, paper or broker
    role: str
    #: unique among the pieces of a home, as in ``worker-venue``
    name: str
    pid: int
    #: RFC 3339, when this process was started
    since: str
    #: tells the process from a later one with the same pid
    marker: str
    #: the ``up`` that watches it
    supervisor: int
    restarts: int = 0

    @property
    def running(self) -> bool:
        return start_marker(self.pid) == self.marker


def run_folder(home: Path) -> Path:
    folder = home / "run"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


#: what a full disk and a used-up quota say
NO_ROOM = (errno.ENOSPC, errno.EDQUOT)


@contextlib.contextmanager
def roles_locked(home: Path, roles: Iterable[str]) -> Iterator[None]:
    """Hold the lock of each role while the block runs. Raises AlreadyRunningError. A killed holder's locks are free."""
    with contextlib.ExitStack() as stack:
        for role in roles:
            handle = stack.enter_context((run_folder(home) / f"{role}.lock").open("a+"))
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                handle.seek(0)
                holder = handle.read().strip() or "unknown"
                raise AlreadyRunningError(
                    f"Another `steadfill up` (pid {holder}) runs the {role} of {home}. `steadfill ps` shows its pieces. "
                    "Stop it first, name other pieces with --only, or give this one its own STEADFILL_HOME."
                ) from None
            handle.truncate(0)
            handle.write(str(os.getpid()))
            handle.flush()
        yield


def write(home: Path, *, role: str, name: str, pid: int, restarts: int) -> None:
    record = Record(
        role=role,
        name=name,
        pid=pid,
        since=datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z"),
        marker=start_marker(pid) or "",
        supervisor=os.getpid(),
        restarts=restarts,
    )
    path = _path(home, name)
    temporary = path.with_suffix(".new")
    try:
        temporary.write_text(json.dumps(asdict(record)))
        temporary.replace(path)
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise
        # A piece that `ps` does not show until its next start is better than a supervisor that ends for want of room.
        temporary.unlink(missing_ok=True)


def remove(home: Path, name: str) -> None:
    _path(home, name).unlink(missing_ok=True)


def records(home: Path) -> list[Record]:
    """Every record there is, running or not; an unreadable one counts as none."""
    found = []
    for path in sorted((home / "run").glob("*.json")):
        with contextlib.suppress(OSError, ValueError, TypeError):
            found.append(Record(**json.loads(path.read_text())))
    return found


def end_leftovers(home: Path, roles: Iterable[str]) -> list[Record]:
    """End what a killed ``up`` left of these roles, whose locks the caller holds. Returns what was still running."""
    wanted = set(roles)
    ended = []
    for record in records(home):
        if record.role not in wanted:
            continue
        if record.running:
            end(Adopted(record.pid), LEFTOVER_GRACE_S)
            ended.append(record)
        remove(home, record.name)
    return ended


def _path(home: Path, name: str) -> Path:
    return run_folder(home) / f"{name}.json"
