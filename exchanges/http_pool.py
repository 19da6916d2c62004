"""Keep-alive connections of one gateway, shared by its threads."""

import ssl
import threading
import time

import certifi

from exchanges.http_connection import Connection
from exchanges.http_origin import Origin
from exchanges.traffic import Traffic

#: venues close idle connections after some ten seconds to minutes; one that may just be closing is not worth a doubt
MAX_IDLE_S = 15.0
#: a connection that is always busy would hold on to an address for ever, after the venue has moved to others
MAX_AGE_S = 300.0


class ConnectionPool:
    """Thread-safe. As many connections as requests run at once; the last used is the first taken.

    A connection is anew checked before each use, and thrown away after MAX_IDLE_S, MAX_AGE_S or any failure.
    """

    def __init__(self, *, max_idle: int, traffic: Traffic | None = None) -> None:
        self.traffic = traffic or Traffic()
        self._lock = threading.Lock()
        self._open = 0
        self._idle: dict[Origin, list[Connection]] = {}
        self._max_idle = max_idle
        self._tls: ssl.SSLContext | None = None
        self._closed = False

    @property
    def open(self) -> int:
        """Connections that stand, used or not."""
        return self._open

    def idle(self, origin: Origin) -> Connection | None:
        """A connection that is still good, taken out of the pool; None when a new one has to be made."""
        while True:
            with self._lock:
                kept = self._idle.get(origin)
                connection = kept.pop() if kept else None
            if connection is None:
                return None
            if _is_good(connection, time.monotonic()):
                return connection
            self.drop(connection)

    def connect(self, origin: Origin, deadline: float) -> Connection:
        """A new connection. Raises NotConnected."""
        tls = self._context() if origin.scheme == "https" else None
        connection = Connection(origin, tls, deadline)
        with self._lock:
            self._open += 1
        return connection

    def put_back(self, origin: Origin, connection: Connection) -> None:
        with self._lock:
            kept = self._idle.setdefault(origin, [])
            if not self._closed and len(kept) < self._max_idle:
                kept.append(connection)
                return
        self.drop(connection)

    def drop(self, connection: Connection) -> None:
        """Close one that was taken out, or is of no more use."""
        with self._lock:
            self._open -= 1
        connection.close()

    def recycle(self, origin: Origin, connection: Connection) -> None:
        """Drop one that failed, and with it what stood idle beside it: what ended that one has mostly ended them all."""
        with self._lock:
            idle = self._idle.pop(origin, [])
        for dropped in (connection, *idle):
            self.drop(dropped)

    def close(self) -> None:
        """Close what is idle; what is in use is closed when it comes back."""
        with self._lock:
            self._closed = True
            connections = [connection for kept in self._idle.values() for connection in kept]
            self._idle.clear()
        for connection in connections:
            self.drop(connection)

    def _context(self) -> ssl.SSLContext:
        with self._lock:
            if self._tls is None:
                self._tls = ssl.create_default_context(cafile=certifi.where())
            return self._tls


def _is_good(connection: Connection, now: float) -> bool:
    young = now - connection.idle_since <= MAX_IDLE_S and now - connection.made_at <= MAX_AGE_S
    return young and connection.alive()
