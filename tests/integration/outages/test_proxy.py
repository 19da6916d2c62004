"""The proxy itself: each fault does what the tests of outages rely on."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from tests.support.proxy import Proxy
from tests.support.waiting import eventually


class Echo:
    """Answers each line with the same line; knows what reached it."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                end, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(end,), daemon=True).start()

    def _serve(self, end: socket.socket) -> None:
        with end, end.makefile("rb") as lines:
            try:
                for line in lines:
                    self.lines.append(line)
                    end.sendall(line)
            except OSError:
                return


@pytest.fixture
def echo() -> Iterator[Echo]:
    server = Echo()
    yield server
    server.close()


@pytest.fixture
def proxy(echo: Echo) -> Iterator[Proxy]:
    with Proxy("127.0.0.1", echo.port) as running:
        yield running


@pytest.fixture
def client(proxy: Proxy) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=60) as end:
        assert said(end, b"hello\n") == b"hello\n"
        yield end


def said(end: socket.socket, line: bytes) -> bytes:
    end.sendall(line)
    return end.recv(1000)


def test_the_url_of_a_server_through_the_proxy(proxy: Proxy) -> None:
    through = f"127.0.0.1:{proxy.port}"
    assert proxy.url("postgresql+psycopg://me:secret@db:5432/name") == f"postgresql+psycopg://me:secret@{through}/name"
    assert proxy.url("redis://127.0.0.1:6379/0") == f"redis://{through}/0"


def test_cut_resets_what_is_open_and_takes_what_comes(proxy: Proxy, client: socket.socket) -> None:
    proxy.cut()

    with pytest.raises(ConnectionError):
        said(client, b"lost\n")
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=60) as again:
        assert said(again, b"again\n") == b"again\n"


def test_refuse_until_healed(proxy: Proxy, client: socket.socket) -> None:
    proxy.refuse()
    with pytest.raises(ConnectionError):
        socket.create_connection(("127.0.0.1", proxy.port), timeout=60)

    proxy.heal()

    with socket.create_connection(("127.0.0.1", proxy.port), timeout=60) as again:
        assert said(again, b"again\n") == b"again\n"


@pytest.mark.parametrize("direction", ["requests", "replies"])
def test_hold_forwards_nothing_until_healed(echo: Echo, proxy: Proxy, client: socket.socket, direction: str) -> None:
    proxy.hold(requests=direction == "requests", replies=direction == "replies")
    client.sendall(b"held\n")
    client.settimeout(0.2)
    with pytest.raises(TimeoutError):
        client.recv(1)
    if direction == "replies":
        eventually(lambda: b"held\n" in echo.lines, within_s=60, describe="the request arrived")
    else:
        assert b"held\n" not in echo.lines
    client.settimeout(60)

    proxy.heal()

    assert client.recv(1000) == b"held\n"


def test_a_lost_request_never_arrives_and_a_lost_reply_is_of_one_that_did(echo: Echo, proxy: Proxy) -> None:
    for lost in ("request", "reply"):
        proxy.lose(b"commit", nth=2, lost=lost)  # type: ignore[arg-type]
        with socket.create_connection(("127.0.0.1", proxy.port), timeout=60) as end:
            assert said(end, b"commit 1\n") == b"commit 1\n"
            assert said(end, b"other\n") == b"other\n"
            with pytest.raises(ConnectionError):
                said(end, b"commit " + lost.encode() + b"\n")
        assert proxy.struck == 1
    assert b"commit request\n" not in echo.lines
    eventually(lambda: b"commit reply\n" in echo.lines, within_s=60, describe="the request arrived")


def test_a_reply_that_breaks_off_in_its_middle(proxy: Proxy) -> None:
    proxy.close_after(4)
    with (
        socket.create_connection(("127.0.0.1", proxy.port), timeout=60) as end,
        end.makefile("rb") as replies,
    ):
        end.sendall(b"half a line\n")
        assert replies.read(4) == b"half"
        with pytest.raises(ConnectionError):
            replies.read(1)
