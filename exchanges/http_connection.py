"""One HTTP/1.1 connection whose every byte is moved under the request's own deadline.

A socket's timeout counts from the last byte, so a venue that drips holds a caller for as long as it likes.
Here the time that is left is set anew before each read, write, connect and handshake.
"""

import http.client
import io
import select
import socket
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from exchanges.http_origin import Origin
from exchanges.http_resolve import resolve

#: an exchangeInfo of thousands of markets is some 20 MB; far beyond that it is no answer any more
MAX_BODY_BYTES = 64 * 1024 * 1024
_READ_BYTES = 64 * 1024


class NotConnected(Exception):
    """No connection was made: not one byte of the request has left."""


class OutOfTime(Exception):
    """The request's deadline passed after bytes of it were written."""


class Broken(Exception):
    """The connection ended, or what came over it is no HTTP, after bytes of the request were written."""

    def __init__(self, what: str, *, reply_begun: bool = False) -> None:
        super().__init__(what)
        #: some byte of a reply had come
        self.reply_begun = reply_begun


@dataclass(frozen=True, slots=True, kw_only=True)
class RawReply:
    status: int
    reason: str
    headers: http.client.HTTPMessage
    body: bytes


class _DeadlineReader(io.RawIOBase):
    """Reads the socket, each time with what is left until the deadline."""

    def __init__(self, sock: socket.socket, deadline: float) -> None:
        self._sock = sock
        self._deadline = deadline
        self.received = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        self._sock.settimeout(left(self._deadline))
        count = self._sock.recv_into(buffer)
        self.received = self.received or count > 0
        return count


class _Source:
    """What ``HTTPResponse`` takes for a socket."""

    def __init__(self, reader: _DeadlineReader) -> None:
        self._reader = reader

    def makefile(self, *_: object, **__: object) -> io.BufferedReader:
        return io.BufferedReader(self._reader, _READ_BYTES)


def left(deadline: float) -> float:
    """Seconds until ``deadline`` (of ``time.monotonic``); raises TimeoutError when there are none."""
    remaining = deadline - time.monotonic()
    if remaining <= 0:
        raise TimeoutError
    return remaining


class Connection:
    """Made connected; used by one thread at a time. After any exception it is of no more use."""

    def __init__(self, origin: Origin, tls: ssl.SSLContext | None, deadline: float) -> None:
        """``tls``: None for plain HTTP. Raises NotConnected."""
        #: when the last reply was complete, by ``time.monotonic``
        self.idle_since = 0.0
        #: replies read; a connection that has carried one may be closed by the venue at any time
        self.replies = 0
        self._sock = _connect(origin.host, origin.port, tls, deadline)
        #: by ``time.monotonic``
        self.made_at = time.monotonic()

    def send(self, message: bytes, deadline: float) -> None:
        """Write a whole request. Raises OutOfTime or Broken."""
        try:
            self._sock.settimeout(left(deadline))
            self._sock.sendall(message)
        except TimeoutError as error:
            raise OutOfTime("while writing") from error
        except OSError as error:
            raise Broken(f"while writing: {type(error).__name__}") from error

    def receive(self, method: str, deadline: float) -> tuple[RawReply, bool]:
        """The reply, and whether the connection may carry another request. Raises OutOfTime or Broken."""
        reader = _DeadlineReader(self._sock, deadline)
        response = http.client.HTTPResponse(_Source(reader), method=method)  # type: ignore[arg-type]
        try:
            response.begin()
            body = _body(response)
        except TimeoutError as error:
            raise OutOfTime("while reading") from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise Broken(f"while reading: {type(error).__name__}", reply_begun=reader.received) from error
        finally:
            response.close()
        self.idle_since = time.monotonic()
        self.replies += 1
        reply = RawReply(status=response.status, reason=response.reason, headers=response.headers, body=body)
        return reply, not response.will_close

    def alive(self) -> bool:
        """False when the venue closed it meanwhile, or sent what nobody asked for."""
        poll = select.poll()
        poll.register(self._sock, select.POLLIN)
        return not poll.poll(0)

    def close(self) -> None:
        self._sock.close()


def _connect(host: str, port: int, tls: ssl.SSLContext | None, deadline: float) -> socket.socket:
    try:
        addresses = resolve(host, port, left(deadline))
    except TimeoutError as error:
        raise NotConnected("its name could not be looked up in time") from error
    except (OSError, UnicodeError) as error:
        raise NotConnected("its name could not be looked up") from error
    why = "no address"
    for number, (family, address) in enumerate(addresses):
        sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            # Each address gets its share, so that the first one can't use up the time of the others.
            sock.settimeout(left(deadline) / (len(addresses) - number))
            sock.connect(address)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if tls is None:
                return sock
            sock.settimeout(left(deadline))
            return tls.wrap_socket(sock, server_hostname=host)
        except TimeoutError:
            why = "no connection in time"
        except ssl.SSLError as error:
            why = f"the TLS handshake failed ({error.reason or type(error).__name__})"
        except OSError as error:
            why = error.strerror or type(error).__name__
        sock.close()
    raise NotConnected(why)


def encode(method: str, target: str, origin: Origin, headers: Mapping[str, str], body: bytes) -> bytes:
    """The bytes of a request. Raises ValueError for a header that would break out of its line."""
    lines = [f"{method} {target} HTTP/1.1", f"Host: {origin.authority}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if body or method not in {"GET", "HEAD", "DELETE"}:
        lines.append(f"Content-Length: {len(body)}")
    if any("\r" in line or "\n" in line for line in lines):
        raise ValueError("a line break in a request header")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def _body(response: http.client.HTTPResponse) -> bytes:
    if response.length is not None:
        if response.length > MAX_BODY_BYTES:
            raise ValueError("the reply is too long")
        return response.read()
    parts, size = [], 0
    while part := response.read(_READ_BYTES):
        parts.append(part)
        size += len(part)
        if size > MAX_BODY_BYTES:
            raise ValueError("the reply is too long")
    return b"".join(parts)
