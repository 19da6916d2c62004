"""Who listens to the venue, and what they are told: each account its own events, everybody the changes of a book."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from exchanges.paper.amounts import text_e8
from exchanges.paper.auth import account_of_key, check_signature, check_time
from exchanges.paper.calls import HttpRequest
from exchanges.paper.errors import Refused
from exchanges.paper.events import Event, FaultFired
from exchanges.paper.faults import STREAM_METHOD, Fault
from exchanges.paper.streams.socket import Socket
from exchanges.paper.streams.upgrade import Upgrade, accept_of
from exchanges.paper.streams.user_events import execution_reports
from exchanges.paper.venue import Venue

#: where the user's stream is asked for, and where the public ones are
USER_PATH, PUBLIC_PATH = "/ws-api/v3", "/ws"
#: connections at a time; a venue on one machine has few customers
MOST_SOCKETS = 1_000
#: levels of each side that changes are told of
DEPTH_LEVELS = 100
SUBSCRIBE_USER = "userDataStream.subscribe.signature"
_DEPTH = "@depth"

Levels = dict[int, int]


class Hub:
    """On the venue's one thread. ``happened`` is told of what the engine did, ``tick`` looks at the books."""

    def __init__(self, venue: Venue) -> None:
        self._venue = venue
        self._sockets: set[Socket] = set()
        #: symbol to the levels that were told last, and their number
        self._told: dict[str, tuple[Levels, Levels]] = {}
        self._number: dict[str, int] = {}
        venue.listeners.append(self.happened)

    def upgrade(self, request: HttpRequest) -> Upgrade | None:
        """None where nothing listens at that path, or the request is no proper one."""
        accept = accept_of(request)
        known = request.path in (USER_PATH, PUBLIC_PATH) or request.path.startswith(f"{PUBLIC_PATH}/")
        if accept is None or not known or len(self._sockets) >= MOST_SOCKETS:
            return None
        socket = Socket(self._ask_user if request.path == USER_PATH else self._ask_public, self._sockets.discard)
        self._sockets.add(socket)
        return Upgrade(accept=accept, to=socket)

    @property
    def listeners(self) -> int:
        """Connections that stand."""
        return len(self._sockets)

    # ---------------------------------------------------------------------------------------------- what is told

    def happened(self, events: Sequence[tuple[int, Event]]) -> None:
        """After it is in the journal: what is told can't be forgotten by a restart."""
        if not any(socket.account for socket in self._sockets):
            return
        for at_ms, event in events:
            for account, report in execution_reports(self._venue.engine.state, event, at_ms):
                for socket in [one for one in self._sockets if one.account == account]:
                    fault = self._fault("executionReport", str(report["c"]))
                    socket.tell({"subscriptionId": 0, "event": report}, fault)

    def tick(self) -> None:
        """Tell the changes of the books that somebody listens to."""
        for symbol in {name.partition("@")[0].upper() for socket in self._sockets for name in socket.streams}:
            self._tell_depth(symbol)

    def _tell_depth(self, symbol: str) -> None:
        bids, asks = self._levels(symbol)
        last_bids, last_asks = self._told.get(symbol, ({}, {}))
        changed = _changes(last_bids, bids), _changes(last_asks, asks)
        self._told[symbol] = bids, asks
        if not any(changed):
            return
        now_ms = self._venue.now_ms()
        before = self._number.get(symbol, now_ms)
        # Snapshots are numbered by the millisecond (GET depth); one of this very millisecond may be older than this.
        number = self._number[symbol] = max(before + 1, now_ms + 1)
        document = {"e": "depthUpdate", "E": now_ms, "s": symbol, "U": before + 1, "u": number}
        document |= {"b": changed[0], "a": changed[1]}
        for socket in list(self._sockets):
            if any(name.startswith(symbol.lower() + _DEPTH) for name in socket.streams):
                socket.tell(document, self._fault("depthUpdate", ""))

    def _levels(self, symbol: str) -> tuple[Levels, Levels]:
        book = self._venue.engine.books[symbol]
        return dict(book.bids.levels(DEPTH_LEVELS)), dict(book.asks.levels(DEPTH_LEVELS))

    def _fault(self, event: str, client_id: str) -> Fault | None:
        venue = self._venue
        if not venue.faults.armed:
            return None
        fault = venue.faults.next(STREAM_METHOD, event, client_id, venue.now_ms())
        if fault is not None:
            venue.note(FaultFired(kind=fault.kind, request=f"{STREAM_METHOD} {event}", client_order_id=client_id[:64]))
        return fault

    # ---------------------------------------------------------------------------------------------- what is asked

    def _ask_user(self, socket: Socket, asked: dict[str, Any]) -> dict[str, Any] | None:
        if asked.get("method") == "ping":
            return {"id": asked.get("id"), "status": 200, "result": {}}
        try:
            if asked.get("method") != SUBSCRIBE_USER:
                raise Refused(-1000, f"There is no {str(asked.get('method'))[:64]} here.")
            socket.account = self._account(asked.get("params"))
        except Refused as refusal:
            return {"id": asked.get("id"), "status": refusal.status, "error": refusal.document()}
        return {"id": asked.get("id"), "status": 200, "result": {"subscriptionId": 0}}

    def _account(self, params: object) -> str:
        """Whose events these are: signed as a request is, with the parameters in the order of their names."""
        if not isinstance(params, dict):
            raise Refused(-1102, "Mandatory parameter 'params' was not sent, was empty/null, or malformed.")
        texts = {str(name): str(value) for name, value in params.items()}
        signed = "&".join(f"{name}={texts[name]}" for name in sorted(texts) if name != "signature")
        as_request = HttpRequest(
            method="WS",
            path=USER_PATH,
            query=f"{signed}&signature={quote(texts.get('signature', ''))}",
            body="",
            headers={"x-mbx-apikey": texts.get("apiKey", "")},
            peer="",
        )
        account = account_of_key(as_request, self._venue.accounts)
        check_signature(as_request, account.secret)
        check_time(texts, self._venue.now_ms())
        return account.name

    def _ask_public(self, socket: Socket, asked: dict[str, Any]) -> dict[str, Any] | None:
        names = asked.get("params")
        if asked.get("method") == "SUBSCRIBE" and isinstance(names, list):
            for name in names:
                symbol = str(name).partition("@")[0].upper()
                if _DEPTH not in str(name) or symbol not in self._venue.engine.instruments:
                    return {
                        "error": {"code": 2, "msg": f"Invalid request: no stream {str(name)[:64]}"},
                        "id": asked.get("id"),
                    }
                socket.streams.add(str(name))
                # From here on changes are told from what stands now, which the next snapshot shows.
                self._told.setdefault(symbol, self._levels(symbol))
        elif asked.get("method") == "UNSUBSCRIBE" and isinstance(names, list):
            socket.streams.difference_update(str(name) for name in names)
        else:
            return {"error": {"code": 2, "msg": "Invalid request: unknown method"}, "id": asked.get("id")}
        return {"result": None, "id": asked.get("id")}


def _changes(before: Levels, now: Levels) -> list[list[str]]:
    """Price and quantity of each level that is another one now; a level that is gone has the quantity 0."""
    return [
        [text_e8(price), text_e8(now.get(price, 0))]
        for price in sorted(before.keys() | now.keys())
        if before.get(price) != now.get(price)
    ]
