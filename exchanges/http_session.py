"""What ccxt takes for a ``requests.Session``: our connections, one deadline per request, and a record of what happened.

Nothing is taken from the environment (no proxies, no netrc), redirects are not followed (a signed order goes only
where it was meant to go), and a POST is written at most once.
"""

import json
import time
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from requests.exceptions import ConnectionError as RequestsConnectionError
from requests.exceptions import ConnectTimeout, HTTPError, ReadTimeout
from requests.structures import CaseInsensitiveDict

from exchanges.http_connection import MAX_BODY_BYTES, Broken, Connection, NotConnected, OutOfTime, RawReply, encode
from exchanges.http_origin import Origin
from exchanges.http_pool import ConnectionPool
from failpoints import failpoint


@dataclass(slots=True)
class Wire:
    """What one call of ccxt did on the wire; evidence for the judgement of its failure."""

    #: bytes of some request have left
    asked: bool = False
    #: bytes of a request that may change something have left
    posted: bool = False
    #: they had left before the last request was made
    posted_before: bool = False
    #: every request may change something; otherwise a GET does not
    gets_may_change: bool = False
    #: of the reply to the last request; None when there was none
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""
    #: the JSON of the last reply; None when there is none that can be read
    json: object = None
    #: some reply of the call with a good status was no JSON object or list
    unreadable: bool = False
    #: ``json`` of good replies stays; where nobody looks at it, it weighs as much as what the class reads itself
    keeps_json: bool = True


class _NoCookies:
    def clear(self) -> None:
        """Nothing is kept."""


class Response:
    """The part of ``requests.Response`` that ccxt reads."""

    def __init__(self, status: int, reason: str, headers: CaseInsensitiveDict[str], content: bytes) -> None:
        self.status_code = status
        self.reason = reason
        self.headers = headers
        self.content = content
        self.encoding = "utf-8"
        self.text = content.decode("utf-8", errors="replace")

    def raise_for_status(self) -> None:
        if self.status_code >= 400:
            raise HTTPError(f"HTTP {self.status_code}")


class WireSession:
    """One per ccxt instance, used by one thread at a time; the pool behind it is shared."""

    def __init__(self, pool: ConnectionPool, *, only: Origin | None = None) -> None:
        self._pool = pool
        #: the only place that requests may go to: one pointed at a test venue must never reach the real one
        self._only = only
        self.wire = Wire()
        self.headers: dict[str, str] = {}
        self.cookies = _NoCookies()

    def begin(self, *, gets_may_change: bool = False, keeps_json: bool = True) -> None:
        """Forget the call before. ``gets_may_change``: some venues take orders by GET."""
        self.wire = Wire(gets_may_change=gets_may_change, keeps_json=keeps_json)

    def request(
        self,
        method: str,
        url: str,
        *,
        data: bytes | str | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float,
        proxies: object = None,
        verify: object = True,
        files: object = None,
    ) -> Response:
        """``timeout`` is the whole request's, in seconds. Raises what ``requests`` would."""
        if proxies or files or not verify:
            raise ConnectTimeout("proxies, uploads and unverified TLS are not supported: nothing was sent")
        began = time.monotonic()
        deadline = began + timeout
        body = data.encode() if isinstance(data, str) else data or b""
        reply = self._exchange(method, url, {str(k): str(v) for k, v in (headers or {}).items()}, body, deadline)
        self._pool.traffic.replied(time.monotonic() - began)
        return self._record(reply)

    def close(self) -> None:
        """ccxt closes its session whenever one of its instances is collected; ours outlives them."""

    def _exchange(self, method: str, url: str, headers: dict[str, str], body: bytes, deadline: float) -> RawReply:
        parts = urlsplit(url)
        origin = Origin(parts.scheme, parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80))
        if self._only is not None and origin != self._only:
            raise ConnectTimeout(f"the class asked for {origin.host}, base_url allows {self._only.host} only: not sent")
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        message = encode(method, target, origin, headers, body)
        connection = self._pool.idle(origin)
        while True:
            if connection is None:
                try:
                    connection = self._pool.connect(origin, deadline)
                except NotConnected as error:
                    raise ConnectTimeout(f"not connected: {error}") from None
            try:
                return self._once(connection, origin, method, message, deadline)
            except OutOfTime as error:
                self._pool.recycle(origin, connection)
                raise ReadTimeout(f"out of time {error}") from None
            except Broken as error:
                self._pool.recycle(origin, connection)
                if self._may_change(method) or connection.replies == 0 or error.reply_begun:
                    raise RequestsConnectionError(f"Connection broken: {error}") from None
                # The venue closed an idle connection just as a read went out on it; a read may be asked again.
                connection = None
            except BaseException:
                self._pool.drop(connection)
                raise

    def _once(self, connection: Connection, origin: Origin, method: str, message: bytes, deadline: float) -> RawReply:
        wire = self.wire
        wire.asked, wire.posted_before = True, wire.posted
        wire.posted = wire.posted or self._may_change(method)
        wire.status, wire.headers, wire.body, wire.json = None, {}, "", None
        if method == "POST":
            failpoint("venue.post.connected")
        connection.send(message, deadline)
        if method == "POST":
            failpoint("venue.post.written")
        reply, reusable = connection.receive(method, deadline)
        if method == "POST":
            failpoint("venue.post.read")
        if reusable:
            self._pool.put_back(origin, connection)
        else:
            self._pool.drop(connection)
        return reply

    def _may_change(self, method: str) -> bool:
        return method != "GET" or self.wire.gets_may_change

    def _record(self, reply: RawReply) -> Response:
        headers: CaseInsensitiveDict[str] = CaseInsensitiveDict(reply.headers.items())
        try:
            content = _decoded(reply.body, headers.get("Content-Encoding", ""))
        except zlib.error:
            raise RequestsConnectionError("Connection broken: the reply can't be unpacked") from None
        response = Response(reply.status, reply.reason, headers, content)
        wire = self.wire
        wire.status, wire.headers, wire.body = reply.status, headers, response.text
        wire.json = read_json(response.text)
        wire.unreadable = wire.unreadable or (reply.status < 400 and (reply.status >= 300 or wire.json in (None, {})))
        if reply.status < 400 and not wire.keeps_json:
            wire.json = None
        return response


def read_json(text: str) -> object:
    """The object or list that ``text`` is, its numbers with a point as the digits that were sent; else None."""
    text = text.strip()
    if not text.startswith(("{", "[")):
        return None
    try:
        return exact_json(text)
    except (ValueError, RecursionError):
        return None


def exact_json(text: str) -> object:
    """Numbers with a point stay strings: a binary float would not be what the venue wrote. Raises ValueError."""
    return json.loads(text, parse_float=str)


def _decoded(content: bytes, encoding: str) -> bytes:
    encoding = encoding.strip().lower()
    if encoding not in {"gzip", "deflate"} or not content:
        return content
    # 32: look at the header to tell gzip and zlib apart; some servers mean a bare stream by "deflate"
    for window in (zlib.MAX_WBITS | 32, -zlib.MAX_WBITS):
        unpacker = zlib.decompressobj(window)
        try:
            plain = unpacker.decompress(content, MAX_BODY_BYTES)
        except zlib.error:
            continue
        if unpacker.eof:
            return plain
        break
    raise zlib.error("cut short or too long")
