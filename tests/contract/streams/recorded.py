"""A server in the test's own loop that answers requests by a table and speaks WebSocket by a script."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from exchanges.paper.api import Reply, json_reply
from exchanges.paper.calls import HttpRequest
from exchanges.paper.http import Connection
from exchanges.paper.streams.socket import Socket
from exchanges.paper.streams.upgrade import Upgrade, accept_of, asks_for_upgrade

#: what a client asked, with the path of its connection → what it is told, in order
Script = Callable[[str, dict[str, Any]], list[dict[str, Any]]]


class Recorded:
    def __init__(self, replies: Mapping[str, Any], script: Script) -> None:
        self._replies = replies
        self._script = script
        self._connections: set[Connection] = set()
        self.url = ""
        #: everything that was asked over WebSocket
        self.asked: list[dict[str, Any]] = []
        self.sockets: list[Socket] = []

    @property
    def ws_url(self) -> str:
        return self.url.replace("http", "ws")

    def push(self, document: dict[str, Any]) -> None:
        for socket in self.sockets:
            socket.tell(document)

    def answer(self, request: HttpRequest, _: Connection) -> Reply | Upgrade:
        if not asks_for_upgrade(request):
            return json_reply(200, self._replies[request.path])
        accept = accept_of(request)
        assert accept is not None

        def ask(socket: Socket, asked: dict[str, Any]) -> None:
            self.asked.append(asked)
            for told in self._script(request.path, asked):
                socket.tell(told)

        self.sockets.append(Socket(ask, self.sockets.remove))
        return Upgrade(accept=accept, to=self.sockets[-1])

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[Recorded]:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: Connection(self.answer, self._connections), "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield self
        finally:
            server.close()
            for connection in list(self._connections):
                connection.drop()


def spot_market(market_id: str, base: str, quote: str) -> dict[str, Any]:
    """A market as ccxt has it, as far as its streams need it."""
    return {
        "id": market_id,
        "lowercaseId": market_id.lower(),
        "symbol": f"{base}/{quote}",
        "base": base,
        "quote": quote,
        "baseId": base,
        "quoteId": quote,
        "settle": None,
        "type": "spot",
        "spot": True,
        "margin": False,
        "swap": False,
        "future": False,
        "option": False,
        "contract": False,
        "linear": None,
        "inverse": None,
        "active": True,
        "precision": {"amount": "0.00000001", "price": "0.01"},
        "limits": {"amount": {}, "price": {}, "cost": {}},
        "info": {},
    }
