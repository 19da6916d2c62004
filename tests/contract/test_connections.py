"""The connections of one gateway: counted, bounded, with an end to each wait; no name and no TLS is surely not sent."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from exchanges import http_pool
from exchanges.ccxt_call import Caller
from exchanges.config import VenueConfig
from exchanges.evidence import Evidence, VenueError
from exchanges.http_origin import Origin
from exchanges.http_pool import ConnectionPool
from exchanges.http_session import WireSession
from exchanges.traffic import LATENCY_BOUNDS_S, Connections, Traffic
from tests.contract.stub import Stub, answer, hang, hang_up, http
from tests.support.waiting import eventually

#: a net under hangs, in seconds
SOON_S = 60.0
TIME = '{"serverTime": 1760000000000}'


@pytest.fixture
def traffic() -> Traffic:
    return Traffic()


def caller(url: str, traffic: Traffic, *, timeout_ms: int = 60_000, max_waiting: int = 64) -> Caller:
    config = VenueConfig(name="stub", ccxt_id="binance", base_url=url, timeout_ms=timeout_ms)
    return Caller(config, max_instances=1, max_waiting=max_waiting, traffic=traffic)


def asks(caller: Caller) -> threading.Thread:
    """Somebody who asks for the time and does not mind what comes of it."""

    def ask() -> None:
        with contextlib.suppress(VenueError):
            caller.read_time_ms()

    thread = threading.Thread(target=ask)
    thread.start()
    return thread


def until(traffic: Traffic, expected: Connections) -> None:
    eventually(lambda: traffic.connections() == expected, within_s=SOON_S, describe=f"{expected}")


def test_what_is_open_busy_and_waiting_is_told(traffic: Traffic) -> None:
    with Stub(answer(TIME)) as stub:
        asking = caller(stub.url, traffic)
        asking.read_time_ms()
        assert traffic.connections() == Connections(open=1, busy=0, waiting=0)

        stub.behave = hang
        first, second = asks(asking), asks(asking)
        until(traffic, Connections(open=1, busy=1, waiting=1))
        stub.over.set()  # the one under way ends without an answer, then the other
        first.join(SOON_S)
        second.join(SOON_S)

        assert traffic.connections() == Connections(open=0, busy=0, waiting=0)
        asking.close()


def test_replies_are_counted_by_their_time_and_failures_by_what_they_prove(traffic: Traffic) -> None:
    with Stub(answer(TIME)) as stub:
        asking = caller(stub.url, traffic)
        for _ in range(3):
            asking.read_time_ms()
        stub.behave = answer("", status="500 Internal Server Error")
        with pytest.raises(VenueError):
            asking.read_time_ms()
        stub.behave = hang_up
        with pytest.raises(VenueError):
            asking.read_time_ms()

        happened = traffic.take()
        assert len(happened.replies) == len(LATENCY_BOUNDS_S) + 1
        assert sum(happened.replies) == 4, "a connection that breaks off is no reply"
        assert sum(happened.errors.values()) == 2
        assert happened.took_us > 0
        assert not traffic.take(), "what was taken is not told again"
        asking.close()


def test_what_could_not_be_told_is_told_next_time(traffic: Traffic) -> None:
    traffic.replied(0.003)
    traffic.failed("ambiguous")
    happened = traffic.take()
    traffic.failed("ambiguous")

    traffic.give_back(happened)

    again = traffic.take()
    assert again.errors == {"ambiguous": 2}
    assert again.replies == happened.replies
    assert again.took_us == 3000


@pytest.mark.parametrize(
    ("max_waiting", "timeout_ms", "said"),
    [(0, 60_000, "as may wait are waiting"), (5, 100, "are under way")],
    ids=["line-full", "too-long"],
)
def test_who_gets_no_place_has_surely_sent_nothing(
    traffic: Traffic, max_waiting: int, timeout_ms: int, said: str
) -> None:
    with Stub(answer(TIME)) as stub:
        asking = caller(stub.url, traffic, timeout_ms=timeout_ms, max_waiting=max_waiting)
        with asking._pool.instance(), pytest.raises(VenueError) as refused:  # the only place is taken
            asking.read_time_ms()

        assert refused.value.evidence is Evidence.NOT_SENT
        assert said in str(refused.value)
        assert not refused.value.outage, "it says nothing of the venue"
        assert stub.requests == []
        assert traffic.take().errors == {"not_sent": 1}
        with asking._pool.instance():
            assert traffic.connections().busy == 1, "the place is free again"
        asking.close()


@pytest.fixture
def no_name(monkeypatch: pytest.MonkeyPatch) -> None:
    def getaddrinfo(*_: object, **__: object) -> list[object]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


@pytest.mark.usefixtures("no_name")
def test_a_name_that_is_not_found_is_surely_not_sent(traffic: Traffic) -> None:
    asking = caller("http://venue.invalid:9", traffic)

    with pytest.raises(VenueError) as refused:
        asking.read_time_ms()

    assert refused.value.evidence is Evidence.NOT_SENT
    assert traffic.connections().open == 0
    asking.close()


def test_a_certificate_that_nobody_vouches_for_is_surely_not_sent(traffic: Traffic, tmp_path: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own_certificate(tmp_path))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        served = threading.Thread(target=_handshake, args=(listener, context))
        served.start()
        asking = caller(f"https://127.0.0.1:{listener.getsockname()[1]}", traffic)
        with pytest.raises(VenueError) as refused:
            asking.read_time_ms()
        served.join(SOON_S)

    assert refused.value.evidence is Evidence.NOT_SENT
    assert traffic.connections().open == 0
    asking.close()


def _handshake(listener: socket.socket, context: ssl.SSLContext) -> None:
    listener.settimeout(SOON_S)
    sock, _ = listener.accept()
    sock.settimeout(SOON_S)
    with sock, contextlib.suppress(OSError):
        context.wrap_socket(sock, server_side=True).close()


def own_certificate(folder: Path) -> Path:
    """A key and a certificate that it has signed itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(issuer_name=name, subject_name=name, public_key=key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = folder / "own.pem"
    path.write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + certificate.public_bytes(Encoding.PEM)
    )
    return path


# ------------------------------------------------------------------------------------------------------------ recycling


@pytest.fixture
def pool() -> Iterator[ConnectionPool]:
    made = ConnectionPool(max_idle=4)
    yield made
    made.close()


def origin_of(stub: Stub) -> Origin:
    return Origin("http", "127.0.0.1", int(stub.url.rsplit(":", 1)[1]))


def two_idle(stub: Stub, pool: ConnectionPool) -> WireSession:
    """A session, and two connections that stand idle in its pool."""
    origin = origin_of(stub)
    deadline = time.monotonic() + SOON_S
    for connection in [pool.connect(origin, deadline) for _ in range(2)]:
        connection.idle_since = time.monotonic()
        pool.put_back(origin, connection)
    assert pool.open == 2
    return WireSession(pool, only=origin)


@pytest.mark.parametrize("behave", [hang_up, hang], ids=["hangs-up", "says-nothing"])
def test_a_failure_takes_the_idle_connections_with_it(pool: ConnectionPool, behave: Callable[..., bool]) -> None:
    with Stub(behave) as stub:
        asking = two_idle(stub, pool)

        with pytest.raises(OSError):  # noqa: PT011 - requests' errors are OSErrors, and either will do
            asking.request("POST", f"{stub.url}/order", data="x", timeout=0.3)
        assert pool.open == 0
        stub.behave = answer("{}")
        asking.request("POST", f"{stub.url}/order", data="x", timeout=SOON_S)

        assert (stub.connections, pool.open) == (3, 1)


def test_a_venues_own_error_keeps_its_connection(pool: ConnectionPool) -> None:
    with Stub(answer("{}", status="503 Service Unavailable")) as stub:
        asking = two_idle(stub, pool)
        for _ in range(3):
            asking.request("POST", f"{stub.url}/order", data="x", timeout=SOON_S)

        assert (stub.connections, pool.open) == (2, 2)


def test_an_old_connection_is_not_used_again(pool: ConnectionPool, monkeypatch: pytest.MonkeyPatch) -> None:
    with Stub(answer("{}")) as stub:
        asking = two_idle(stub, pool)
        monkeypatch.setattr(http_pool, "MAX_AGE_S", -1.0)
        asking.request("GET", f"{stub.url}/time", timeout=SOON_S)

        assert (stub.connections, pool.open) == (3, 1), "the venue may have moved to another address meanwhile"


def test_a_reply_that_ends_its_connection_leaves_none_open(pool: ConnectionPool) -> None:
    def last(_: Stub, sock: socket.socket, __: str) -> bool:
        sock.sendall(http("{}", headers="Connection: close\r\n"))
        return False

    with Stub(last) as stub:
        asking = WireSession(pool, only=origin_of(stub))
        asking.request("GET", f"{stub.url}/time", timeout=SOON_S)

        assert pool.open == 0
