"""What ``raise(kind)`` raises. Upper layers add the errors of their own libraries."""

import errno
from collections.abc import Callable


class InjectedBug(Exception):
    """Stands for a bug of ours: nobody expects it."""


_faults: dict[str, Callable[[], Exception]] = {
    "io": lambda: OSError(errno.EIO, "input/output error (failpoint)"),
    "disk_full": lambda: OSError(errno.ENOSPC, "no space left on device (failpoint)"),
    "reset": lambda: ConnectionResetError(errno.ECONNRESET, "connection reset (failpoint)"),
    "timeout": lambda: TimeoutError("timed out (failpoint)"),
    "bug": lambda: InjectedBug("a bug (failpoint)"),
}


def register_fault(kind: str, make: Callable[[], Exception]) -> None:
    """Let ``raise(kind)`` raise what ``make`` returns."""
    _faults[kind] = make


def make_fault(kind: str) -> Exception:
    """Raises KeyError for a kind that nobody registered."""
    return _faults[kind]()
