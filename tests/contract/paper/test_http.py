"""The wire: keep-alive, pipelining, and what is no HTTP."""

from __future__ import annotations

import socket

import pytest

from tests.support.paper import PaperProcess

TIME = b"GET /api/v3/time HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST /api/v3/order HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"


#: a net under hangs, and how long a venue that has said enough may say more, in seconds
HANGS_S = 60.0
MORE_S = 0.3


def exchange(venue: PaperProcess, *parts: bytes, half_close: bool = False, answers: int = 1) -> bytes:
    """What comes back until the venue closes, or has given so many answers and says no more for a while."""
    with socket.create_connection(("127.0.0.1", venue.port), timeout=HANGS_S) as wire:
        received = b""
        try:
            for part in parts:
                wire.sendall(part)
            if half_close:
                wire.shutdown(socket.SHUT_WR)
            while data := wire.recv(65_536):
                received += data
                if _complete(received) >= answers:
                    wire.settimeout(MORE_S)
        except (TimeoutError, ConnectionError):
            pass
        return received


def _complete(received: bytes) -> int:
    """How many whole answers these are."""
    count = 0
    while b"\r\n\r\n" in received:
        head, _, rest = received.partition(b"\r\n\r\n")
        fields = dict(line.lower().split(b":", 1) for line in head.split(b"\r\n")[1:] if b":" in line)
        length = int(fields.get(b"content-length", b"0"))
        if len(rest) < length:
            break
        count, received = count + 1, rest[length:]
    return count


def test_connection_is_kept_for_the_next_request(venue: PaperProcess) -> None:
    assert exchange(venue, TIME, TIME, answers=2).count(b"serverTime") == 2


def test_pipelined_requests_are_answered_in_order(venue: PaperProcess) -> None:
    venue.arm({"kind": "latency", "endpoint": "time", "delay_ms": 50, "count": 1})
    ping = TIME.replace(b"time", b"ping")

    answer = exchange(venue, TIME + ping + TIME, answers=3)

    assert next(line for line in answer.split(b"\r\n\r\n") if b"{" in line[:1]).startswith(b'{"serverTime"')
    assert answer.count(b"200 OK") == 3


def test_request_in_pieces_is_one_request(venue: PaperProcess) -> None:
    assert exchange(venue, *(bytes([byte]) for byte in TIME)).count(b"200 OK") == 1


def test_half_closed_client_still_gets_its_answer(venue: PaperProcess) -> None:
    venue.arm({"kind": "latency", "endpoint": "time", "delay_ms": 100})

    assert b"serverTime" in exchange(venue, TIME, half_close=True)


NONSENSE = {
    "garbage": (b"\x00\x01\x02\r\n\r\n", b"400"),
    "headers without end": (b"GET / HTTP/1.1\r\nX: " + b"a" * 70_000, b"431"),
    "a body of ten megabytes": (POST % 10_000_000 + b"a" * 100_000, b"413"),
    "two lengths": (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", b"400"),
}


@pytest.mark.parametrize("case", NONSENSE)
def test_nonsense_is_refused_and_the_venue_goes_on(venue: PaperProcess, case: str) -> None:
    data, status = NONSENSE[case]

    answer = exchange(venue, data)

    assert answer == b"" or status in answer.split(b"\r\n")[0]
    assert venue.health()["status"] == "ok"


def test_admin_side_answers_errors_in_sentences(venue: PaperProcess) -> None:
    for body, sentence in (
        ({"symbol": "NOPE", "price": "1"}, "symbol: 'NOPE' is not traded here"),
        ({"price": "1"}, "symbol: is required"),
        ({"symbol": "BTCUSDT", "price": "abc"}, "'abc' is no plain decimal"),
    ):
        with pytest.raises(AssertionError, match=sentence):
            venue._admin("POST", "price", body)
