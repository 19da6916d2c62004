"""What an HTTP request may become: a connection that both sides write to whenever they like."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from exchanges.paper.calls import HttpRequest
from exchanges.paper.streams.frames import accept_key


class Upgraded(Protocol):
    """Who has the connection from then on."""

    def opened(self, write: Callable[[bytes], None], drop: Callable[[], None]) -> None: ...

    def received(self, data: bytes) -> None: ...

    def closed(self) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Upgrade:
    """The answer 101."""

    #: of ``Sec-WebSocket-Accept``
    accept: str
    to: Upgraded


def asks_for_upgrade(request: HttpRequest) -> bool:
    return request.method == "GET" and request.headers.get("upgrade", "").lower() == "websocket"


def accept_of(request: HttpRequest) -> str | None:
    """What the client wants to see in the answer; None where it asks for another version, or not properly."""
    key = request.headers.get("sec-websocket-key", "")
    return accept_key(key) if key and request.headers.get("sec-websocket-version") == "13" else None
