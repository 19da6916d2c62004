"""Whether a piece answers."""

import contextlib
import http.client
import socket
from pathlib import Path
from urllib.parse import urlsplit

from ops import embedded_broker

#: seconds for an answer
PROBE_TIMEOUT_S = 2.0


def answers(ready: str | Path) -> bool:
    """``ready`` is an http:// address that answers 200, or the path of the broker's socket."""
    if isinstance(ready, Path):
        return embedded_broker.answers(ready)
    address = urlsplit(ready)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=PROBE_TIMEOUT_S)
    with contextlib.closing(connection), contextlib.suppress(OSError, http.client.HTTPException):
        connection.request("GET", address.path)
        return connection.getresponse().status == http.HTTPStatus.OK
    return False


def free(host: str, port: int) -> bool:
    """Whether a server could listen there now."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True
