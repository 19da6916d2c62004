"""A Sentry of our own: takes envelopes over HTTP and keeps what arrived, to be searched and read."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(kw_only=True)
class Sink:
    port: int
    #: each request as it came, unpacked: everything that left the process
    raw: list[bytes] = field(default_factory=list)

    @property
    def dsn(self) -> str:
        return f"http://k@127.0.0.1:{self.port}/1"

    def items(self, kind: str) -> list[dict[str, Any]]:
        """The payloads of one kind: ``event``, ``transaction``, ``check_in``."""
        return [payload for envelope in list(self.raw) for name, payload in _items(envelope) if name == kind]

    def exceptions(self) -> list[str]:
        """The type of every exception that was reported."""
        return [value["type"] for event in self.items("event") for value in event["exception"]["values"]]


@contextmanager
def sink() -> Iterator[Sink]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    server.sink = kept = Sink(port=server.server_address[1])  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield kept
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        self.server.sink.raw.append(str(self.headers).encode() + body)  # type: ignore[attr-defined]
        self.send_response(200)
        self.send_header("content-length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the parent's name for it
        del format, args


def _items(request: bytes) -> Iterator[tuple[str, dict[str, Any]]]:
    """An envelope is lines of JSON: its own header, then for each item a header and a payload."""
    _, _, envelope = request.partition(b"\n\n")
    _, _, rest = envelope.partition(b"\n")
    while rest.strip():
        line, _, rest = rest.lstrip(b"\n").partition(b"\n")
        header = json.loads(line)
        length = header.get("length", rest.find(b"\n") if b"\n" in rest else len(rest))
        payload, rest = rest[:length], rest[length:]
        if header["type"] in ("event", "transaction", "check_in"):
            yield header["type"], json.loads(payload)
