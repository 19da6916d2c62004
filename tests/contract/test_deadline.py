"""One deadline around each request, whatever the server does; connections kept, checked and thrown away."""

from __future__ import annotations

import gc
import gzip
import json
import socket
import threading
import time
import warnings
import zlib
from collections.abc import Callable, Iterator

import pytest
from requests.exceptions import ConnectionError as RequestsConnectionError
from requests.exceptions import ConnectTimeout, ReadTimeout, Timeout

from exchanges import http_resolve
from exchanges.http_origin import Origin
from exchanges.http_pool import ConnectionPool
from exchanges.http_session import WireSession
from tests.contract.stub import Behaviour, Stub, answer, drip, hang, hang_up, http, raw, reset

#: seconds a request gets here that is to fail, and what one gets that is to succeed: a net under hangs
TIMEOUT_S = 0.3
MUST_END_S = 60.0

FULL = http('{"orderId": 1}')
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\n \r\n" * 2000


_pools: list[ConnectionPool] = []


@pytest.fixture(autouse=True)
def _closed_pools() -> Iterator[None]:
    yield
    while _pools:
        _pools.pop().close()


def session(stub: Stub) -> WireSession:
    port = int(stub.url.rsplit(":", 1)[1])
    _pools.append(ConnectionPool(max_idle=4))
    return WireSession(_pools[-1], only=Origin("http", "127.0.0.1", port))


@pytest.mark.parametrize(
    "behave",
    [drip(FULL, 0.05), drip(CHUNKED, 0.02), drip(b"HTTP/1.1 200 OK\r\n" + b"X: 1\r\n" * 90, 0.02), hang],
    ids=["drips-all", "drips-body", "drips-headers", "says-nothing"],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_server_that_drips_or_hangs_holds_nobody_past_the_deadline(method: str, behave: Behaviour) -> None:
    with Stub(answer("{}")) as stub:
        asking = session(stub)
        asking.request("GET", f"{stub.url}/time", timeout=MUST_END_S)  # so that no time goes into connecting
        stub.requests.clear()
        stub.behave = behave

        # Waiting anew for each byte, it would get a whole reply in the end.
        with pytest.raises(ReadTimeout):
            asking.request(method, f"{stub.url}/order", data="x", timeout=TIMEOUT_S)

        assert len(stub.requests) <= 1  # none where the machine stood still before it could leave
        assert asking.wire.asked
        assert asking.wire.posted is (method == "POST")


@pytest.mark.parametrize(
    "behave",
    [
        hang_up,
        reset,
        raw(b""),
        raw(b"SSH-2.0-OpenSSH\r\n"),
        raw(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{"),
        raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"),
        raw(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n{"),
        raw(b"HTTP/1.1 200 OK\r\n" + b"X: 1\r\n" * 500 + b"\r\n"),
        answer(b"not gzip at all", headers="Content-Encoding: gzip\r\n"),
    ],
    ids=["hangs-up", "resets", "empty", "no-http", "cut", "bad-chunk", "too-long", "endless-headers", "bad-gzip"],
)
def test_a_reply_that_breaks_off_is_a_failure_and_its_connection_is_thrown_away(behave: Behaviour) -> None:
    with Stub(behave) as stub:
        asking = session(stub)

        with pytest.raises(RequestsConnectionError):
            asking.request("POST", f"{stub.url}/order", data="x", timeout=MUST_END_S)
        stub.behave = answer('{"orderId": 1}')
        found = asking.request("POST", f"{stub.url}/order", data="x", timeout=MUST_END_S)

        assert found.text == '{"orderId": 1}'
        assert len(stub.requests) == 2


def test_nothing_listens_is_surely_not_sent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/order"
    asking = WireSession(ConnectionPool(max_idle=1))

    with pytest.raises(ConnectTimeout):
        asking.request("POST", url, timeout=MUST_END_S)

    assert not asking.wire.asked


def test_a_full_backlog_is_surely_not_sent_and_ends_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        address = listener.getsockname()
        fillers = []
        for _ in range(4):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(address)
            fillers.append(filler)
        try:
            asking = WireSession(ConnectionPool(max_idle=1))
            with pytest.raises(ConnectTimeout):
                asking.request("POST", f"http://127.0.0.1:{address[1]}/order", timeout=TIMEOUT_S)
            assert not asking.wire.asked
        finally:
            for filler in fillers:
                filler.close()


def test_tls_that_is_none_is_surely_not_sent() -> None:
    with Stub(answer("{}")) as stub:
        asking = WireSession(ConnectionPool(max_idle=1))

        with pytest.raises(ConnectTimeout):
            asking.request("POST", stub.url.replace("http:", "https:") + "/order", timeout=TIMEOUT_S)

        assert not asking.wire.asked


def test_a_resolver_that_hangs_is_surely_not_sent_and_costs_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()

    def getaddrinfo(*_: object, **__: object) -> list[object]:
        release.wait(200)
        raise OSError("gone")

    monkeypatch.setattr(http_resolve.socket, "getaddrinfo", getaddrinfo)
    asking = WireSession(ConnectionPool(max_idle=1))
    before = threading.active_count()
    for _ in range(3):
        with pytest.raises(ConnectTimeout):
            asking.request("POST", "http://venue.invalid/order", timeout=0.05)
    during = threading.active_count()
    release.set()

    assert during - before <= 1
    assert not asking.wire.asked


def test_a_connection_is_kept_and_used_again() -> None:
    with Stub(answer("{}")) as stub:
        asking = session(stub)
        for _ in range(5):
            asking.request("GET", f"{stub.url}/time", timeout=MUST_END_S)

        assert stub.connections == 1


def test_an_idle_connection_that_the_venue_closed_is_not_used_for_a_create() -> None:
    def once(_: Stub, sock: socket.socket, __: str) -> bool:
        sock.sendall(http("{}"))
        return False

    with Stub(once) as stub:
        asking = session(stub)
        for _ in range(3):
            asking.request("POST", f"{stub.url}/order", data="x", timeout=MUST_END_S)
            _wait(lambda: _closed(asking))

        assert stub.connections == 3
        assert len(stub.requests) == 3


def test_a_read_that_met_a_closing_connection_is_asked_again_and_a_create_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from exchanges.http_connection import Connection

    # The race: the connection looked alive and was closed as the request went out.
    monkeypatch.setattr(Connection, "alive", lambda _: True)
    for method, expected in (("GET", 3), ("POST", 2)):
        calls: list[str] = []

        def behave(_: Stub, sock: socket.socket, head: str, calls: list[str] = calls) -> bool:
            calls.append(head)
            if len(calls) == 2:
                return False
            sock.sendall(http("{}"))
            return True

        with Stub(behave) as stub:
            asking = session(stub)
            asking.request(method, f"{stub.url}/x", timeout=MUST_END_S)
            if method == "GET":
                asking.request(method, f"{stub.url}/x", timeout=MUST_END_S)
            else:
                with pytest.raises(RequestsConnectionError):
                    asking.request(method, f"{stub.url}/x", timeout=MUST_END_S)

            assert len(calls) == expected


@pytest.mark.parametrize("pack", [gzip.compress, zlib.compress, lambda data: zlib.compress(data)[2:-4]])
def test_packed_replies_are_unpacked(pack: Callable[[bytes], bytes]) -> None:
    encoding = "gzip" if pack is gzip.compress else "deflate"
    with Stub(answer(pack(b'{"a": 1.10}'), headers=f"Content-Encoding: {encoding}\r\n")) as stub:
        asking = session(stub)

        assert asking.request("GET", f"{stub.url}/x", timeout=MUST_END_S).text == '{"a": 1.10}'
        assert asking.wire.json == {"a": "1.10"}, "the digits that were sent"


def test_a_redirect_is_not_followed() -> None:
    with Stub(answer("{}", status="307 Temporary Redirect", headers="Location: http://127.0.0.1:1/steal\r\n")) as stub:
        asking = session(stub)

        assert asking.request("POST", f"{stub.url}/order", data="secret", timeout=MUST_END_S).status_code == 307
        assert len(stub.requests) == 1
        assert asking.wire.unreadable


def test_a_proxy_of_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    with Stub(answer("{}")) as stub:
        assert session(stub).request("GET", f"{stub.url}/x", timeout=MUST_END_S).status_code == 200


def test_what_base_url_does_not_allow_is_not_sent() -> None:
    with Stub(answer("{}")) as stub, Stub(answer("{}")) as other:
        with pytest.raises(ConnectTimeout, match="not sent"):
            session(stub).request("POST", f"{other.url}/order", timeout=MUST_END_S)

        assert other.requests == []


def test_sixteen_threads_get_their_own_answers() -> None:
    def echo(_: Stub, sock: socket.socket, head: str) -> bool:
        sock.sendall(http(json.dumps({"path": head.split(" ", 2)[1]})))
        return True

    wrong: list[str] = []
    with Stub(echo) as stub:
        pool = ConnectionPool(max_idle=16)

        def ask(number: int) -> None:
            asking = WireSession(pool)
            for index in range(30):
                path = f"/{number}-{index}"
                if asking.request("GET", stub.url + path, timeout=MUST_END_S).text != f'{{"path": "{path}"}}':
                    wrong.append(path)

        threads = [threading.Thread(target=ask, args=(number,)) for number in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        pool.close()

        assert wrong == []
        assert stub.connections <= 16


def test_failures_leave_no_socket_open() -> None:
    with warnings.catch_warnings(action="ignore"):
        gc.collect()  # what other tests left is not told of here
    with Stub(drip(FULL, 0.05)) as stub:
        asking = session(stub)
        for _ in range(5):
            with pytest.raises(Timeout):  # in a busy machine's 20 ms it may not even be connected
                asking.request("GET", f"{stub.url}/x", timeout=0.02)
        del asking
        # An unclosed socket would be a ResourceWarning here, which the test run makes an error.
        gc.collect()


def _closed(asking: WireSession) -> bool:
    kept = [entry for entries in asking._pool._idle.values() for entry in entries]
    return all(not entry.alive() for entry in kept)


def _wait(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + MUST_END_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)
