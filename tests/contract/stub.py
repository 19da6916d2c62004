"""A server that answers with exactly the bytes, pauses and resets that a test asks for."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable
from typing import Self

#: a behaviour takes the connection and the head of a request and does what it likes; True keeps the connection
Behaviour = Callable[["Stub", socket.socket, str], bool]


class Stub:
    """Listens on a free loopback port; ``behave`` is asked for each request and can be changed at any time."""

    def __init__(self, behave: Behaviour) -> None:
        self.behave = behave
        #: heads of requests as they came in
        self.requests: list[str] = []
        self.connections = 0
        #: set when the test is over, so that behaviours that wait let go
        self.over = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._listen, daemon=True)]
        self._threads[0].start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        # Closing alone does not wake a thread that waits in accept.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for sock in self._open:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(60)

    def _listen(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._open.append(sock)
            thread = threading.Thread(target=self._serve, args=(sock,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, sock: socket.socket) -> None:
        with sock:
            try:
                while (head := _read_request(sock)) is not None:
                    self.requests.append(head)
                    if not self.behave(self, sock, head):
                        return
            except OSError:
                return


def answer(body: bytes | str, *, status: str = "200 OK", headers: str = "") -> Behaviour:
    def behave(_: Stub, sock: socket.socket, __: str) -> bool:
        sock.sendall(http(body, status=status, headers=headers))
        return True

    return behave


def http(body: bytes | str, *, status: str = "200 OK", headers: str = "") -> bytes:
    content = body.encode() if isinstance(body, str) else body
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(content)}\r\n{headers}\r\n"
    return head.encode() + content


def drip(reply: bytes, pause_s: float) -> Behaviour:
    """One byte at a time."""

    def behave(stub: Stub, sock: socket.socket, _: str) -> bool:
        for index in range(len(reply)):
            if stub.over.wait(pause_s):
                return False
            sock.sendall(reply[index : index + 1])
        return True

    return behave


def hang(stub: Stub, _: socket.socket, __: str) -> bool:
    stub.over.wait(200)
    return False


def hang_up(_: Stub, __: socket.socket, ___: str) -> bool:
    return False


def reset(_: Stub, sock: socket.socket, __: str) -> bool:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return False


def raw(content: bytes) -> Behaviour:
    """These bytes, then the end of the connection."""

    def behave(_: Stub, sock: socket.socket, __: str) -> bool:
        sock.sendall(content)
        return False

    return behave


def _read_request(sock: socket.socket) -> str | None:
    data = b""
    while b"\r\n\r\n" not in data:
        part = sock.recv(65536)
        if not part:
            return None
        data += part
    head, _, body = data.partition(b"\r\n\r\n")
    length = next((int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0)
    while len(body) < length:
        body += sock.recv(65536)
    return f"{head.decode()}\r\n\r\n{body.decode()}"
