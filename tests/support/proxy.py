"""A TCP proxy that can fail as a network and a dying server do: put it between a process and its server by the URL.

Every fault works on the connections that are open and on those that come, until ``heal``. What was held back is
forwarded then, as TCP does after a gap.
"""

from __future__ import annotations

import contextlib
import re
import socket
import struct
import threading
import time
from dataclasses import dataclass
from types import TracebackType
from typing import Literal, Self
from urllib.parse import urlsplit

from tests.support.processes import free_port

#: ``COMMIT`` as a PostgreSQL client sends it: a message of the type Q, its length, the text.
POSTGRES_COMMIT = b"Q\x00\x00\x00\x0bCOMMIT\x00"

_CHUNK = 65_536
_CONNECT_TIMEOUT_S = 60.0
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER of zero seconds: closing sends RST

Lost = Literal["request", "reply"]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Strike:
    """A request that is not to get through as usual."""

    pattern: bytes
    #: which of those that hold the pattern, counted from 1 over all connections
    nth: int
    #: the request never arrives, or it does and its answer never comes back
    lost: Lost
    #: only on a connection that has sent this before
    after: bytes


class Proxy:
    """Listens on a free port of 127.0.0.1; ``url`` gives a server's URL as it is through the proxy."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._changed = threading.Condition()
        self._links: set[_Link] = set()
        self._listener: socket.socket | None = None
        self._open = True
        self._held: frozenset[str] = frozenset()
        self._delay_s = 0.0
        self._reply_limit: int | None = None
        self._strike: _Strike | None = None
        #: how often the pattern of ``lose`` was seen, and how often it struck
        self.seen = 0
        self.struck = 0
        #: connections that were taken since the start
        self.accepted = 0
        self.port = free_port()  # which is listened on again after each ``refuse``
        self._listen()

    @classmethod
    def before(cls, url: str) -> Self:
        """A proxy for the server that the URL names."""
        parts = urlsplit(url)
        assert parts.hostname is not None, f"{url} names no host"
        assert parts.port is not None, f"{url} names no port"
        return cls(parts.hostname, parts.port)

    def url(self, url: str) -> str:
        """The same URL, through the proxy."""
        return re.sub(r"(://(?:[^@/]*@)?)[^/?]*", rf"\g<1>127.0.0.1:{self.port}", url, count=1)

    # ------------------------------------------------------------------------------------------------------- the faults

    def cut(self) -> None:
        """Reset every open connection; new ones are taken."""
        with self._changed:
            links = list(self._links)
        for link in links:
            link.reset()

    def refuse(self) -> None:
        """As a server that is down: open connections are reset, new ones refused."""
        listener, self._listener = self._listener, None
        if listener is not None:
            _close(listener)
        self.cut()

    def hold(self, *, requests: bool = True, replies: bool = True) -> None:
        """A black hole: connections stand and are even taken, and nothing comes through in these directions."""
        held = {name for name, holds in (("request", requests), ("reply", replies)) if holds}
        with self._changed:
            self._held = frozenset(held)

    def delay(self, seconds: float) -> None:
        """Everything takes so much longer, each way."""
        self._delay_s = seconds

    def close_after(self, reply_bytes: int) -> None:
        """Each connection is reset once so many bytes of replies have come back, in the middle of whatever it is."""
        with self._changed:
            self._reply_limit = reply_bytes

    def lose(self, pattern: bytes, *, nth: int = 1, lost: Lost, after: bytes = b"") -> None:
        """The nth request from now on that holds ``pattern`` never arrives, or its answer never comes back.

        ``after``: only requests count on a connection that has sent this before, as a transaction with a row's key.
        """
        with self._changed:
            self.seen = self.struck = 0
            self._strike = _Strike(pattern=pattern, nth=nth, lost=lost, after=after)

    def heal(self) -> None:
        """No fault any more."""
        with self._changed:
            self._held, self._delay_s, self._reply_limit, self._strike = frozenset(), 0.0, None, None
            self._changed.notify_all()
        if self._listener is None and self._open:
            self._listen()

    def close(self) -> None:
        """End the proxy and all its connections."""
        self._open = False
        self.heal()
        self.refuse()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    # ------------------------------------------------------------------------------------------------------ inside

    def _listen(self) -> None:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self.port))
        listener.listen(256)
        self._listener = listener
        threading.Thread(target=self._accept, args=(listener,), name=f"proxy:{self.port}", daemon=True).start()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            self.accepted += 1
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        try:
            server = socket.create_connection(self._target, timeout=_CONNECT_TIMEOUT_S)
        except OSError:
            _reset(client)
            return
        server.settimeout(None)
        link = _Link(self, client, server)
        with self._changed:
            self._links.add(link)
        link.start()
        if self._listener is None:  # refused while this one was on its way in
            link.reset()

    def forget(self, link: _Link) -> None:
        with self._changed:
            self._links.discard(link)

    def pass_on(self, direction: str) -> None:
        """Wait as long as the fault of the moment says."""
        if self._delay_s:
            time.sleep(self._delay_s)
        with self._changed:
            while direction in self._held:
                self._changed.wait()

    def weigh(self, link: _Link, data: bytes, tail: bytes) -> Lost | None:
        """Whether this request is the one to be lost, and how; ``tail`` is the end of what came before it."""
        with self._changed:
            strike = self._strike
            if strike is None:
                return None
            if strike.after in tail + data:
                link.sent = strike.after
            if strike.after and link.sent != strike.after:
                return None
            known = tail[-(len(strike.pattern) - 1) :] if len(strike.pattern) > 1 else b""
            for _ in range((known + data).count(strike.pattern)):
                self.seen += 1
                if self.seen == strike.nth:
                    self.struck += 1
                    return strike.lost
        return None

    @property
    def reply_limit(self) -> int | None:
        return self._reply_limit


class _Link:
    """One connection: two sockets, and a thread for each direction."""

    def __init__(self, proxy: Proxy, client: socket.socket, server: socket.socket) -> None:
        self._proxy = proxy
        self._client, self._server = client, server
        self._loses_reply = False
        self._replied = 0
        self._ended = 0
        #: what a strike waits for, once it has come
        self.sent = b""

    def start(self) -> None:
        for work in (self._requests, self._replies):
            threading.Thread(target=work, daemon=True).start()

    def reset(self) -> None:
        """As a cable that is cut, told to both ends."""
        self._proxy.forget(self)
        _reset(self._client)
        _reset(self._server)

    def _requests(self) -> None:
        tail = b""
        try:
            while data := self._client.recv(_CHUNK):
                self._proxy.pass_on("request")
                lost = self._proxy.weigh(self, data, tail)
                tail = (tail + data)[-64:]
                if lost == "request":
                    self.reset()
                    return
                self._loses_reply = self._loses_reply or lost == "reply"
                self._server.sendall(data)
            self._pass_end_on(self._server)
        except OSError:
            self.reset()

    def _replies(self) -> None:
        try:
            while data := self._server.recv(_CHUNK):
                self._proxy.pass_on("reply")
                limit = self._proxy.reply_limit
                if limit is not None and self._replied + len(data) > limit:
                    self._client.sendall(data[: max(limit - self._replied, 0)])
                    self.reset()
                    return
                if self._loses_reply:
                    self.reset()
                    return
                self._replied += len(data)
                self._client.sendall(data)
            self._pass_end_on(self._client)
        except OSError:
            self.reset()

    def _pass_end_on(self, other: socket.socket) -> None:
        """One end has said all it had to say, in good order: so does the other, and then both are closed."""
        other.shutdown(socket.SHUT_WR)
        self._ended += 1
        if self._ended == 2:
            self._proxy.forget(self)
            self._client.close()
            self._server.close()


def _reset(end: socket.socket) -> None:
    with contextlib.suppress(OSError):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RD)  # wakes a thread of ours that reads from it; sends nothing
    end.close()


def _close(listener: socket.socket) -> None:
    with contextlib.suppress(OSError):
        listener.shutdown(socket.SHUT_RDWR)  # wakes the thread that waits for the next client
    listener.close()
