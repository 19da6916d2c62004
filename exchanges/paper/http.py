"""HTTP/1.1 over a raw transport (h11), so that a connection can be dropped, reset or dripped at will."""

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable
from typing import cast
from urllib.parse import unquote

import h11

from exchanges.paper.api import Reply
from exchanges.paper.calls import HttpRequest
from exchanges.paper.streams.upgrade import Upgrade, Upgraded

MAX_BODY_BYTES = 64 * 1024
#: a connection that says nothing is closed after this; clients keep theirs for reuse
IDLE_S = 120.0

#: answers at once, or promises to answer through the connection it is given
Answer = Callable[[HttpRequest, "Connection"], "Reply | Upgrade | Awaitable[None]"]


class Connection(asyncio.Protocol):
    """One client's connection. One request at a time; pipelined ones wait."""

    def __init__(self, answer: Answer, connections: set["Connection"]) -> None:
        self._answer = answer
        self._connections = connections
        self._h11 = h11.Connection(h11.SERVER, max_incomplete_event_size=32 * 1024)
        self._request: h11.Request | None = None
        self._body = bytearray()
        self._task: asyncio.Task[None] | None = None
        self._transport: asyncio.Transport | None = None
        self._peer = ""
        self._idle: asyncio.TimerHandle | None = None
        #: who has the connection since it speaks another protocol
        self._upgraded: Upgraded | None = None

    # ---------------------------------------------------------------------------------------------- asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no subclasses of asyncio's.
        self._transport = cast("asyncio.Transport", transport)
        peer = transport.get_extra_info("peername")
        self._peer = str(peer[0]) if peer else ""
        self._connections.add(self)
        self._restart_idle_timer()

    def data_received(self, data: bytes) -> None:
        if self._upgraded is not None:
            self._upgraded.received(data)
            return
        try:
            self._h11.receive_data(data)
            self._pump()
        except h11.RemoteProtocolError as error:
            self._refuse(error.error_status_hint)

    def eof_received(self) -> bool:
        # A client that half-closes after its request still gets its answer.
        return self._task is not None

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._connections.discard(self)
        self._transport = None
        if self._upgraded is not None:
            self._upgraded.closed()
        if self._idle is not None:
            self._idle.cancel()

    # ---------------------------------------------------------------------------------------------- requests

    def _pump(self) -> None:
        while self._task is None and self._transport is not None:
            event = self._h11.next_event()
            if event is h11.NEED_DATA or event is h11.PAUSED:
                return
            if isinstance(event, h11.Request):
                self._request, self._body = event, bytearray()
                if self._h11.they_are_waiting_for_100_continue:
                    self._send(h11.InformationalResponse(status_code=100, headers=[]))
            elif isinstance(event, h11.Data):
                self._body += event.data
                if len(self._body) > MAX_BODY_BYTES:
                    self._refuse(413)
                    return
            elif isinstance(event, h11.EndOfMessage):
                self._dispatch()
            else:
                self.drop()
                return

    def _dispatch(self) -> None:
        assert self._request is not None
        self._restart_idle_timer()
        target = self._request.target.decode("latin-1")
        path, _, query = target.partition("?")
        request = HttpRequest(
            method=self._request.method.decode("latin-1"),
            path=unquote(path),
            query=query,
            body=self._body.decode("latin-1"),
            headers={name.decode("latin-1"): value.decode("latin-1") for name, value in self._request.headers},
            peer=self._peer,
        )
        answer = self._answer(request, self)
        if isinstance(answer, Reply):
            self.reply(answer)
        elif isinstance(answer, Upgrade):
            self._switch(answer)
        else:
            self._task = asyncio.ensure_future(self._finish(answer))

    def _switch(self, upgrade: Upgrade) -> None:
        """From here on the connection is not HTTP's, and may be silent for as long as its protocol allows."""
        headers = [("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Accept", upgrade.accept)]
        self._send(h11.InformationalResponse(status_code=101, headers=headers, reason=b"Switching Protocols"))
        if self._idle is not None:
            self._idle.cancel()
        self._upgraded = upgrade.to
        upgrade.to.opened(self._write, self.drop)
        early, _ = self._h11.trailing_data
        if early:
            upgrade.to.received(early)

    def _write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    async def _finish(self, answer: Awaitable[None]) -> None:
        try:
            await answer
        finally:
            self._task = None
        try:
            self._pump()
        except h11.RemoteProtocolError as error:
            self._refuse(error.error_status_hint)

    # ---------------------------------------------------------------------------------------------- answers

    def reply(self, reply: Reply) -> None:
        """Send an answer whole, and keep the connection."""
        if self._transport is not None:
            self._transport.write(self.encode(reply))
            self._next_cycle()

    def encode(self, reply: Reply, *, length: int | None = None) -> bytes:
        """The answer's bytes; ``length`` promises another length than the body has."""
        headers = [
            (b"Content-Type", reply.content_type),
            (b"Content-Length", str(len(reply.body) if length is None else length).encode()),
            *reply.headers,
        ]
        head = self._h11.send(
            h11.Response(status_code=reply.status, headers=headers, reason=_REASONS.get(reply.status, b""))
        )
        body = self._h11.send(h11.Data(data=reply.body)) if reply.body else b""
        end = b"" if length is not None else self._h11.send(h11.EndOfMessage())
        return (head or b"") + (body or b"") + (end or b"")

    async def drip(self, reply: Reply, piece_bytes: int, piece_s: float) -> None:
        """Send an answer in small pieces, slowly."""
        data = self.encode(reply)
        for start in range(0, len(data), max(1, piece_bytes)):
            if self._transport is None:
                return
            self._transport.write(data[start : start + max(1, piece_bytes)])
            await asyncio.sleep(piece_s)
        self._next_cycle()

    def write_and_drop(self, data: bytes) -> None:
        """Send these bytes and close."""
        if self._transport is not None:
            self._transport.write(data)
        self.drop()

    def drop(self) -> None:
        """Close without another word."""
        if self._transport is not None:
            self._transport.close()
            self._transport = None

    def reset(self) -> None:
        """Close by a TCP reset."""
        if self._transport is None:
            return
        sock = self._transport.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()
        self._transport = None

    @property
    def busy(self) -> bool:
        return self._task is not None

    def _next_cycle(self) -> None:
        if self._h11.our_state is h11.DONE and self._h11.their_state is h11.DONE:
            self._h11.start_next_cycle()
        elif self._h11.our_state is not h11.IDLE:
            self.drop()

    def _refuse(self, status: int) -> None:
        """Answer what is no HTTP, and close."""
        if self._transport is not None and self._h11.our_state in {h11.IDLE, h11.SEND_RESPONSE}:
            body = b'{"code":-1000,"msg":"This is no request that the venue can read."}'
            self._transport.write(self.encode(Reply(status=status, body=body)))
        self.drop()

    def _send(self, event: h11.InformationalResponse) -> None:
        data = self._h11.send(event)
        if self._transport is not None and data:
            self._transport.write(data)

    def _restart_idle_timer(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
        self._idle = asyncio.get_running_loop().call_later(IDLE_S, self._close_if_idle)

    def _close_if_idle(self) -> None:
        if self._task is None:
            self.drop()


_REASONS = {
    200: b"OK",
    400: b"Bad Request",
    401: b"Unauthorized",
    403: b"Forbidden",
    404: b"Not Found",
    409: b"Conflict",
    413: b"Payload Too Large",
    418: b"I'm a teapot",
    429: b"Too Many Requests",
    500: b"Internal Server Error",
    502: b"Bad Gateway",
    503: b"Service Unavailable",
    504: b"Gateway Timeout",
}
