"""WebSocket frames (RFC 6455) as bytes: pure. No extensions; a message in pieces is put together."""

import base64
import hashlib
from dataclasses import dataclass
from enum import IntEnum

#: RFC 6455, 1.3: what every server adds to the client's key
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
#: Requests of clients are short; what is longer ends the connection.
MAX_MESSAGE_BYTES = 64 * 1024
#: RFC 6455, 5.5
MAX_CONTROL_BYTES = 125

PROTOCOL_ERROR = 1002
TOO_BIG = 1009
NORMAL = 1000


class Opcode(IntEnum):
    CONTINUATION = 0
    TEXT = 1
    BINARY = 2
    CLOSE = 8
    PING = 9
    PONG = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A whole message, or one control frame."""

    opcode: Opcode
    data: bytes


class BadFrame(ValueError):
    """What came is no WebSocket frame that a client may send. ``code`` is the reason that the close names."""

    def __init__(self, sentence: str, code: int = PROTOCOL_ERROR) -> None:
        super().__init__(sentence)
        self.code = code


def accept_key(key: str) -> str:
    """What a server answers to ``Sec-WebSocket-Key``."""
    return base64.b64encode(hashlib.sha1(key.encode() + _GUID, usedforsecurity=False).digest()).decode()


def encode(opcode: Opcode, data: bytes, *, mask: bytes | None = None) -> bytes:
    """One whole frame; clients mask theirs with four bytes."""
    head = bytearray([0x80 | opcode])
    masked = 0x80 if mask is not None else 0
    if len(data) < 126:
        head.append(masked | len(data))
    elif len(data) < 65536:
        head.append(masked | 126)
        head += len(data).to_bytes(2, "big")
    else:
        head.append(masked | 127)
        head += len(data).to_bytes(8, "big")
    return bytes(head) + (data if mask is None else mask + _masked(data, mask))


class Decoder:
    """Bytes from a client, in any pieces, to its messages."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._begun: Opcode | None = None
        self._pieces = bytearray()

    def feed(self, data: bytes) -> list[Message]:
        """What is complete by now. Raises BadFrame; the connection is of no use after that."""
        self._buffer += data
        found = []
        while (frame := self._next_frame()) is not None:
            final, opcode, payload = frame
            message = self._put_together(final=final, opcode=opcode, payload=payload)
            if message is not None:
                found.append(message)
        return found

    def _next_frame(self) -> tuple[bool, Opcode, bytes] | None:
        buffer = self._buffer
        if len(buffer) < 2:
            return None
        if buffer[0] & 0x70:
            raise BadFrame("it uses an extension that was not agreed")
        try:
            opcode = Opcode(buffer[0] & 0x0F)
        except ValueError:
            raise BadFrame("its kind of frame is not known") from None
        if not buffer[1] & 0x80:
            raise BadFrame("a client's frame must be masked")
        length, start = buffer[1] & 0x7F, 2
        if opcode >= Opcode.CLOSE and (length > MAX_CONTROL_BYTES or not buffer[0] & 0x80):
            raise BadFrame("a control frame is short and whole")
        if length >= 126:
            width = 2 if length == 126 else 8
            if len(buffer) < 2 + width:
                return None
            length, start = int.from_bytes(buffer[2 : 2 + width], "big"), 2 + width
        if length + len(self._pieces) > MAX_MESSAGE_BYTES:
            raise BadFrame("it is too long", TOO_BIG)
        end = start + 4 + length
        if len(buffer) < end:
            return None
        payload = _masked(bytes(buffer[start + 4 : end]), bytes(buffer[start : start + 4]))
        final = bool(buffer[0] & 0x80)
        del buffer[:end]
        return final, opcode, payload

    def _put_together(self, *, final: bool, opcode: Opcode, payload: bytes) -> Message | None:
        if opcode >= Opcode.CLOSE:
            return Message(opcode=opcode, data=payload)
        if (opcode is Opcode.CONTINUATION) == (self._begun is None):
            raise BadFrame("a message begins inside another, or goes on before it began")
        if self._begun is None:
            self._begun = opcode
        self._pieces += payload
        if not final:
            return None
        message = Message(opcode=self._begun, data=bytes(self._pieces))
        self._begun, self._pieces = None, bytearray()
        return message


def _masked(data: bytes, mask: bytes) -> bytes:
    if not data:
        return b""
    repeated = (mask * (len(data) // 4 + 1))[: len(data)]
    return (int.from_bytes(data, "big") ^ int.from_bytes(repeated, "big")).to_bytes(len(data), "big")
