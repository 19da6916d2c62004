"""Where the embedded deployment keeps its database and its broker's socket."""

import hashlib
import os
import re
from pathlib import Path

#: bytes a unix socket's address may have (108 on Linux, 104 on macOS), less what temporary names add
SOCKET_PATH_LIMIT = 100


def embedded_database_url(home: Path) -> str:
    return f"sqlite:///{home}/steadfill.db"


def embedded_socket(home: Path) -> Path:
    """The unix socket of the embedded broker; the same for every process of one home, in a folder of mode 0700."""
    path = home / "valkey" / "valkey.sock"
    if len(os.fsencode(path)) <= SOCKET_PATH_LIMIT and re.fullmatch(r"[A-Za-z0-9/._+-]+", str(path)):
        return path
    # Too long for a socket, or with characters that a URL would change: the name is a digest of the home instead.
    digest = hashlib.sha256(os.fsencode(home)).hexdigest()[:16]
    return Path("/tmp") / f"steadfill-{os.getuid()}-{digest}" / "valkey.sock"  # noqa: S108 - the broker checks owner and mode
