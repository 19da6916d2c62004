"""The running server: listens, ticks the market, and stops cleanly."""

import asyncio
import contextlib
import ipaddress
import os
import signal
import sys
import traceback
from collections.abc import Awaitable

from exchanges.paper.api import Reply, admit, execute, json_reply
from exchanges.paper.calls import HttpRequest
from exchanges.paper.config import PaperConfig
from exchanges.paper.handlers import admin
from exchanges.paper.http import Connection
from exchanges.paper.streams.hub import Hub
from exchanges.paper.streams.upgrade import Upgrade, asks_for_upgrade
from exchanges.paper.strikes import find_fault, strike, strikes_at_the_door, turn_away
from exchanges.paper.venue import Venue

#: how often the market moves, in seconds of real time
TICK_S = 0.2
#: how long a stop waits for answers under way
DRAIN_S = 2.0
PORT_FILE = "port"
#: the exit code of a venue that could not write its journal
EXIT_UNWRITTEN = 70
_ADMIN = "/paper/"


class PaperServer:
    """One venue behind one port. ``start`` then ``stop``, both on the same loop."""

    def __init__(self, config: PaperConfig) -> None:
        self.config = config
        self.venue = Venue(config)
        self.hub = Hub(self.venue)
        self.port = config.port
        self._connections: set[Connection] = set()
        self._server: asyncio.Server | None = None
        self._ticker: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Listen, and write the real port to the ``port`` file. Raises OSError when the port is taken."""
        await self._listen()
        port_file = self.config.home / PORT_FILE
        unfinished = port_file.with_suffix(".new")
        unfinished.write_text(f"{self.port}\n")
        unfinished.replace(port_file)
        self._ticker = asyncio.create_task(self._tick())

    async def _listen(self) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: Connection(self.answer, self._connections), self.config.host, self.port, backlog=512
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def _follow_outages(self) -> None:
        """An outage of the form ``refuse``: nobody listens, and who is connected is thrown out."""
        refusing = self.venue.faults.refusing(self.venue.now_ms())
        if refusing and self._server is not None:
            self._server.close()
            self._server = None
            for connection in list(self._connections):
                connection.reset()
        elif not refusing and self._server is None:
            await self._listen()

    async def stop(self) -> None:
        """No new connections, a moment for answers under way, then the journal is closed."""
        if self._server is not None:
            self._server.close()
        if self._ticker is not None:
            self._ticker.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._ticker
        deadline = asyncio.get_running_loop().time() + DRAIN_S
        while any(connection.busy for connection in self._connections):
            if asyncio.get_running_loop().time() > deadline:
                break
            await asyncio.sleep(0.02)
        for connection in list(self._connections):
            connection.drop()
        self.venue.close()
        with contextlib.suppress(FileNotFoundError):
            (self.config.home / PORT_FILE).unlink()

    def answer(self, request: HttpRequest, connection: Connection) -> Reply | Upgrade | Awaitable[None]:
        try:
            return self._answer(request, connection)
        except Exception:  # noqa: BLE001 - a defect in a read must not end the venue
            return self._defect()

    def _answer(self, request: HttpRequest, connection: Connection) -> Reply | Upgrade | Awaitable[None]:
        venue = self.venue
        venue.answered += 1
        if request.path.startswith(_ADMIN):
            return self._administer(request)
        fault = find_fault(venue, request)
        if fault is not None and strikes_at_the_door(fault):
            return self._guarded(turn_away(venue, request, connection, fault), connection)
        if asks_for_upgrade(request):
            return self.hub.upgrade(request) or json_reply(
                400, {"code": -1, "msg": "No WebSocket is spoken like that here."}
            )
        admitted = admit(venue, request)
        if isinstance(admitted, Reply):
            return admitted
        if fault is not None:
            return self._guarded(strike(venue, request, connection, admitted, fault), connection)
        return execute(venue, request, admitted)

    def _administer(self, request: HttpRequest) -> Reply:
        if not ipaddress.ip_address(request.peer).is_loopback:
            return json_reply(403, {"error": "the admin side answers on this machine only"})
        status, document = admin.answer(self.venue, request.method, request.path.removeprefix(_ADMIN), request.body)
        self.venue.commit()
        return json_reply(status, document)

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            try:
                await self._follow_outages()
                self.venue.tick()
                self.hub.tick()
            except Exception:  # noqa: BLE001 - the same rule as for requests
                self._defect()

    async def _guarded(self, answer: Awaitable[None], connection: Connection) -> None:
        try:
            await answer
        except Exception:  # noqa: BLE001 - the same rule as for requests
            self._defect()
            connection.drop()

    def _defect(self) -> Reply:
        """An unexpected exception: tell of it, and end the process if it left anything that the journal lacks.

        A venue that goes on with a state it did not write would acknowledge what a restart forgets.
        """
        traceback.print_exc()
        if self.venue.unwritten:
            print(f"The paper venue could not write {self.venue.journal.path} and ends.", file=sys.stderr, flush=True)  # noqa: T201
            os._exit(EXIT_UNWRITTEN)
        return json_reply(500, {"code": -1000, "msg": "An unknown error occurred while processing the request."})


async def serve(config: PaperConfig, *, exit_on_stdin_eof: bool = False) -> None:
    """Run until SIGTERM or SIGINT, or until stdin ends (so that no venue outlives whoever started it)."""
    server = PaperServer(config)
    await server.start()
    print(f"paper venue listening on http://{config.host}:{server.port}", flush=True)  # noqa: T201
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, stop.set)
    if exit_on_stdin_eof:
        loop.add_reader(sys.stdin.fileno(), _on_stdin, stop)
    try:
        await stop.wait()
    finally:
        await server.stop()


def _on_stdin(stop: asyncio.Event) -> None:
    if not os.read(sys.stdin.fileno(), 4096):
        asyncio.get_running_loop().remove_reader(sys.stdin.fileno())
        stop.set()
