"""One WebSocket connection: what a client asks on it, what it is told, and the faults that strike what it is told."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

from exchanges.paper.faults import Fault
from exchanges.paper.streams.frames import NORMAL, BadFrame, Decoder, Opcode, encode

#: what a client asks for, read; the reply, or None where none is due
Ask = Callable[["Socket", dict[str, Any]], "dict[str, Any] | None"]


class Socket:
    """``ask`` answers the client's messages; ``tell`` pushes one."""

    def __init__(self, ask: Ask, on_closed: Callable[["Socket"], None]) -> None:
        self._ask = ask
        self._on_closed = on_closed
        self._decoder = Decoder()
        self._write: Callable[[bytes], None] | None = None
        self._drop: Callable[[], None] | None = None
        self._silent_until = 0.0
        #: held back to be told after the next one
        self._held: list[dict[str, Any]] = []
        #: the account whose events are told here, "" before it is known who asks
        self.account = ""
        #: names of the public streams that are told here
        self.streams: set[str] = set()

    # ------------------------------------------------------------------------------------------ of the connection

    def opened(self, write: Callable[[bytes], None], drop: Callable[[], None]) -> None:
        self._write, self._drop = write, drop

    def received(self, data: bytes) -> None:
        try:
            for message in self._decoder.feed(data):
                self._handle(message.opcode, message.data)
        except BadFrame as error:
            self._end(error.code)

    def closed(self) -> None:
        self._write = self._drop = None
        self._on_closed(self)

    # ------------------------------------------------------------------------------------------ of the venue

    def tell(self, document: dict[str, Any], fault: Fault | None = None) -> None:
        """Push one message, or what the fault makes of it."""
        form = fault.rule.form if fault is not None else ""
        if fault is None:
            self._tell_now(document)
        elif form == "drop":
            self.drop()
        elif form == "silence":
            forever = fault.rule.duration_ms == 0
            loop = asyncio.get_running_loop()
            self._silent_until = float("inf") if forever else loop.time() + fault.rule.duration_ms / 1000
        elif form == "duplicate":
            self._tell_now(document)
            self._send(document)
        elif form == "reorder":
            self._held.append(document)
        elif form == "delay":
            asyncio.get_running_loop().call_later(fault.delay_ms / 1000, self._send, document)
        # "lose": nothing is told, and nothing tells of it

    def drop(self) -> None:
        """Without a goodbye."""
        if self._drop is not None:
            self._drop()

    def _tell_now(self, document: dict[str, Any]) -> None:
        self._send(document)
        held, self._held = self._held, []
        for late in held:
            self._send(late)

    def _handle(self, opcode: Opcode, data: bytes) -> None:
        if opcode is Opcode.PING:
            self._send_frame(Opcode.PONG, data)
        elif opcode is Opcode.CLOSE:
            self._end(NORMAL)
        elif opcode in (Opcode.TEXT, Opcode.BINARY):
            try:
                asked = json.loads(data)
            except ValueError:
                asked = None
            if not isinstance(asked, dict):
                self._send({"error": {"code": 2, "msg": "Invalid request: it is no JSON object"}, "id": None})
                return
            reply = self._ask(self, asked)
            if reply is not None:
                self._send(reply)

    def _end(self, code: int) -> None:
        self._send_frame(Opcode.CLOSE, code.to_bytes(2, "big"))
        self.drop()

    def _send(self, document: dict[str, Any]) -> None:
        self._send_frame(Opcode.TEXT, json.dumps(document, separators=(",", ":")).encode())

    def _send_frame(self, opcode: Opcode, data: bytes) -> None:
        if self._write is not None and asyncio.get_running_loop().time() >= self._silent_until:
            self._write(encode(opcode, data))
