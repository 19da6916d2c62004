"""An HTTP server on a free loopback port that answers by a table of routes, and goes wrong where a test asks for it."""

from __future__ import annotations

import json
import re
import socket
import threading
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from tests.contract.stub import Stub, hang_up, http, reset

#: a net under hangs, in seconds
SOON_S = 60.0
HTML = "<html><head><title>Bad Gateway</title></head><body>nginx</body></html>"


class Operation(StrEnum):
    CREATE = "create"
    CANCEL = "cancel"
    AMEND = "amend"
    #: one order, by either of its ids
    ORDER = "order"
    OPEN_ORDERS = "open_orders"
    ENDED_ORDERS = "ended_orders"
    TRADES = "trades"
    BALANCES = "balances"
    INSTRUMENTS = "instruments"
    BOOK = "book"
    QUOTE = "quote"
    CANDLES = "candles"
    PUBLIC_TRADES = "public_trades"
    TIME = "time"
    #: what a class asks for besides
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """How a request goes wrong."""

    kind: str
    #: the venue does what it was asked for before its answer goes wrong
    taken: bool


#: each way of not answering
SILENCES: tuple[Fault, ...] = (
    Fault(kind="reset", taken=False),
    Fault(kind="reset", taken=True),
    Fault(kind="hang_up", taken=False),
    Fault(kind="hang_up", taken=True),
    Fault(kind="bad_gateway", taken=False),
    Fault(kind="bad_gateway", taken=True),
    Fault(kind="unsure", taken=False),
    Fault(kind="unsure", taken=True),
    Fault(kind="empty", taken=True),
    Fault(kind="empty_object", taken=True),
    Fault(kind="garbage", taken=True),
    Fault(kind="html", taken=True),
    Fault(kind="truncated", taken=True),
    Fault(kind="cut", taken=True),
)
WITHOUT_ID = Fault(kind="without_id", taken=True)
#: what the venue says around an answer, and no answer in it
WITHOUT_DATA = Fault(kind="without_data", taken=True)
#: a refusal that would be plain under a status that is no failure of the venue's
NO_IN_AN_OUTAGE = Fault(kind="no_in_an_outage", taken=True)
TOO_OFTEN = Fault(kind="too_often", taken=False)
#: answers only once the test is over
SLOW = Fault(kind="slow", taken=True)
RETRY_AFTER_S = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    method: str
    path: str
    #: as it was sent, without the ``?``
    query_text: str
    #: header names in lower case
    headers: Mapping[str, str]
    body: str
    #: what stands where the route's path has ``{name}``
    parts: Mapping[str, str] = field(default_factory=dict)

    @property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(self.query_text, keep_blank_values=True))

    @property
    def form(self) -> dict[str, str]:
        return dict(parse_qsl(self.body, keep_blank_values=True))

    @property
    def json(self) -> Any:
        return json.loads(self.body) if self.body else {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    #: anything that JSON can say; decimals as the venue writes them
    body: object
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    method: str
    #: ``/orders/{id}``: what stands at ``{id}`` is in ``Request.parts``
    path: str
    #: or how to tell from the request, where one address serves several
    operation: Operation | Callable[[Request], Operation]
    answer: Callable[[Request], Reply]
    #: whether the request has to be signed
    signed: bool = True

    def match(self, method: str, path: str) -> Mapping[str, str] | None:
        pattern = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", self.path)
        found = re.fullmatch(pattern, path) if method == self.method else None
        return None if found is None else {name: unquote(value) for name, value in found.groupdict().items()}


class Speaker:
    """What the server asks a dialect for."""

    def routes(self) -> Sequence[Route]:
        raise NotImplementedError

    def perform(self, route: Route, request: Request) -> Reply:
        """The answer, refusals included."""
        raise NotImplementedError

    def unsure(self) -> Reply:
        """How the venue says that it does not know itself whether it did what it was asked for."""
        return Reply(status=HTTPStatus.GATEWAY_TIMEOUT, body={"message": "upstream timed out"})

    def too_often(self) -> Reply:
        """The venue's answer to too many requests; ``Retry-After`` is added."""
        return Reply(status=HTTPStatus.TOO_MANY_REQUESTS, body={"message": "too many requests"})

    def without_id(self, reply: Reply) -> Reply:
        """The answer to a create with the order's id taken out."""
        raise NotImplementedError

    def no_funds(self) -> Reply:
        """The answer to a create that can't be paid."""
        raise NotImplementedError


class Server:
    """Answers one request at a time, so that a book needs no lock; a slow answer holds up nobody else."""

    def __init__(self, speaker: Speaker) -> None:
        self._speaker = speaker
        self._routes = tuple(speaker.routes())
        self._state = threading.Condition()
        self._performing = threading.Lock()
        self._under_way = 0
        self._released = threading.Event()
        self._faults: list[tuple[Fault, Operation, int | None]] = []
        #: what came in since the last ``calm``
        self.requests: list[tuple[Operation, Request]] = []
        #: what went wrong in the test's own server: a dialect that is asked for what it does not have
        self.errors: list[str] = []
        self._stub = Stub(self._behave)

    @property
    def url(self) -> str:
        return self._stub.url

    def close(self) -> None:
        self._released.set()
        self._stub.__exit__()

    def strike(self, fault: Fault, operation: Operation, times: int | None = 1) -> None:
        """The next ``times`` requests of that kind go wrong; None: every one until ``calm``."""
        with self._state:
            self._faults.append((fault, operation, times))

    def calm(self) -> None:
        """No more faults, and nothing under way. Raises AssertionError for what the server could not answer."""
        with self._state:
            self._faults.clear()
            self._released.set()
            assert self._state.wait_for(lambda: self._under_way == 0, SOON_S), "a request is still under way"
            self._released = threading.Event()
            self.requests.clear()
            errors, self.errors = self.errors, []
        assert errors == [], "\n".join(errors)

    def asked(self, *operations: Operation) -> list[Request]:
        """The requests of these kinds; without any, all that came in."""
        return [request for operation, request in list(self.requests) if not operations or operation in operations]

    def _behave(self, stub: Stub, sock: socket.socket, text: str) -> bool:
        with self._state:
            self._under_way += 1
            released = self._released
        try:
            return self._answer(stub, sock, text, released)
        finally:
            with self._state:
                self._under_way -= 1
                self._state.notify_all()

    def _answer(self, stub: Stub, sock: socket.socket, text: str, released: threading.Event) -> bool:
        request = _parsed(text)
        try:
            route, request = self._route(request)
            operation = route.operation if isinstance(route.operation, Operation) else route.operation(request)
            with self._state:
                self.requests.append((operation, request))
                fault = self._take_fault(operation)
            reply = None
            if fault is None or fault.taken:
                with self._performing:
                    reply = self._speaker.perform(route, request)
            if fault is not None:
                return self._go_wrong(fault, reply, stub, sock, released)
        except Exception:  # noqa: BLE001 - told to the test, whose thread this is not
            self.errors.append(
                f"{request.method} {request.path}?{request.query_text} {request.body}\n{traceback.format_exc()}"
            )
            sock.sendall(_encoded(Reply(status=501, body={"error": "the dialect failed: see the test's own error"})))
            return False
        assert reply is not None
        sock.sendall(_encoded(reply))
        return True

    def _route(self, request: Request) -> tuple[Route, Request]:
        for route in self._routes:
            parts = route.match(request.method, request.path)
            if parts is not None:
                return route, Request(
                    method=request.method,
                    path=request.path,
                    query_text=request.query_text,
                    headers=request.headers,
                    body=request.body,
                    parts=parts,
                )
        raise LookupError(f"the dialect has no route for {request.method} {request.path}")

    def _take_fault(self, operation: Operation) -> Fault | None:
        for index, (fault, of, times) in enumerate(self._faults):
            if of is operation:
                if times is not None:
                    self._faults[index : index + 1] = [(fault, of, times - 1)] if times > 1 else []
                return fault
        return None

    def _go_wrong(
        self, fault: Fault, reply: Reply | None, stub: Stub, sock: socket.socket, released: threading.Event
    ) -> bool:
        if fault.kind == "reset":
            return reset(stub, sock, "")
        if fault.kind == "hang_up":
            return hang_up(stub, sock, "")
        if fault.kind == "slow":
            released.wait(SOON_S * 3)
            return False
        whole = _encoded(reply) if reply is not None else b""
        if fault.kind == "cut":
            sock.sendall(whole[: len(whole) - 3])
            return False
        sock.sendall(self._wrong_answer(fault, reply))
        return True

    def _wrong_answer(self, fault: Fault, reply: Reply | None) -> bytes:
        if fault.kind == "bad_gateway":
            return http(HTML, status="502 Bad Gateway")
        if fault.kind == "unsure":
            return _encoded(self._speaker.unsure())
        if fault.kind == "too_often":
            refused = self._speaker.too_often()
            headers = {"Retry-After": str(RETRY_AFTER_S), **refused.headers}
            return _encoded(Reply(status=refused.status, body=refused.body, headers=headers))
        assert reply is not None, fault
        if fault.kind == "without_id":
            return _encoded(self._speaker.without_id(reply))
        if fault.kind == "without_data":
            return _encoded(_without_data(reply))
        if fault.kind == "no_in_an_outage":
            return _encoded(replace(self._speaker.no_funds(), status=HTTPStatus.SERVICE_UNAVAILABLE))
        text = json.dumps(reply.body)
        bodies = {
            "empty": "",
            "empty_object": "{}",
            "garbage": "\x00\x17 not what was asked for \x7f",
            "html": HTML,
            "truncated": text[: len(text) // 2],
        }
        return http(bodies[fault.kind])


def _parsed(text: str) -> Request:
    head, _, body = text.partition("\r\n\r\n")
    first, *lines = head.split("\r\n")
    method, target, _ = first.split(" ", 2)
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    parts = urlsplit(target)
    return Request(method=method, path=parts.path, query_text=parts.query, headers=headers, body=body)


def _without_data(reply: Reply) -> Reply:
    """Lists and objects are left out, and a flag that says yes; an empty list of errors stays.

    Where the answer has none of these it is the data itself, and nothing of it stays.
    """
    kept: dict[str, object] = {}
    if isinstance(reply.body, dict):
        kept = {
            name: value
            for name, value in reply.body.items()
            if name in {"error", "errors"} or not (isinstance(value, dict | list) or name == "success")
        }
    return Reply(body=kept if kept and kept != reply.body else {"message": "accepted"})


def _encoded(reply: Reply) -> bytes:
    phrase = HTTPStatus(reply.status).phrase
    headers = "".join(f"{name}: {value}\r\n" for name, value in reply.headers.items())
    return http(json.dumps(reply.body), status=f"{reply.status} {phrase}", headers=headers)
