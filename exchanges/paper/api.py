"""One request's way through the venue: weight, key, signature, time, handler, journal, answer."""

import json
from dataclasses import dataclass, replace
from typing import Any

from exchanges.paper.auth import account_of_key, check_signature, check_time
from exchanges.paper.calls import Call, HttpRequest, read_params
from exchanges.paper.errors import Refused
from exchanges.paper.events import RefusedRequest
from exchanges.paper.routes import ROUTES, Route
from exchanges.paper.venue import Venue

JSON_TYPE = b"application/json;charset=UTF-8"
#: parameters of a refused request that the journal keeps, and how long each may be
_KEPT_PARAMS = 20
_KEPT_LENGTH = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An HTTP answer."""

    status: int
    body: bytes
    headers: tuple[tuple[bytes, bytes], ...] = ()
    content_type: bytes = JSON_TYPE


@dataclass(frozen=True, slots=True, kw_only=True)
class Admitted:
    """A request that passed the checks made at arrival."""

    call: Call
    route: Route


def json_reply(status: int, document: Any, headers: tuple[tuple[bytes, bytes], ...] = ()) -> Reply:
    return Reply(status=status, body=json.dumps(document, separators=(",", ":")).encode(), headers=headers)


def admit(venue: Venue, request: HttpRequest) -> Admitted | Reply:
    """Check what is checked at arrival. A Reply is a refusal."""
    now_ms = venue.now_ms()
    route = ROUTES.get((request.method, request.path))
    if route is None:
        return json_reply(404, {"code": -1, "msg": f"There is no {request.method} {request.path} here."})
    call = Call(name=f"{request.method} {endpoint(request)}", params={})
    try:
        venue.limiter.spend(request.peer, _weight(route, request), now_ms)
        call = replace(call, params=read_params(request), now_ms=now_ms)
        if route.signed:
            account = account_of_key(request, venue.accounts)
            check_signature(request, account.secret)
            call = replace(call, account=account.name)
            check_time(call.params, now_ms)
    except Refused as refusal:
        _note_refusal(venue, call, route, refusal)
        return refusal_reply(venue, request, refusal)
    except ValueError:
        return json_reply(400, {"code": -1101, "msg": "Too many parameters; expected at most '100'."})
    return Admitted(call=call, route=route)


def execute(venue: Venue, request: HttpRequest, admitted: Admitted, *, lag_ms: int = 0) -> Reply:
    """Check the time again, let the request take effect, and journal it before the answer exists."""
    call = replace(admitted.call, now_ms=venue.now_ms(), lag_ms=lag_ms)
    try:
        if admitted.route.signed:
            check_time(call.params, call.now_ms)
        document = admitted.route.handler(venue, call)
        venue.commit()
        return json_reply(200, document, _weight_header(venue, request))
    except Refused as refusal:
        # A cancelReplace that failed half-way has done its other half.
        venue.commit()
        _note_refusal(venue, call, admitted.route, refusal)
        return refusal_reply(venue, request, refusal)


def refusal_reply(venue: Venue, request: HttpRequest, refusal: Refused) -> Reply:
    headers = _weight_header(venue, request)
    if refusal.retry_after_s:
        headers += ((b"Retry-After", str(refusal.retry_after_s).encode()),)
    return json_reply(refusal.status, refusal.document(), headers)


def endpoint(request: HttpRequest) -> str:
    """``order`` for ``/api/v3/order``: how fault plans and the journal call it."""
    return request.path.removeprefix("/api/v3/")


def _weight(route: Route, request: HttpRequest) -> int:
    """Weights as Binance counts them, except that asking for all symbols costs no more here: there are few."""
    if request.path.endswith("/myTrades") and "orderId=" in request.query:
        return 5
    return route.weight


def _weight_header(venue: Venue, request: HttpRequest) -> tuple[tuple[bytes, bytes], ...]:
    used = str(venue.limiter.used(request.peer)).encode()
    return ((b"X-MBX-USED-WEIGHT", used), (b"X-MBX-USED-WEIGHT-1M", used))


def _note_refusal(venue: Venue, call: Call, route: Route, refusal: Refused) -> None:
    """The journal keeps what a known account wanted to do and was refused; strangers can't fill it."""
    if not route.acts or not call.account:
        return
    params = {
        name[:_KEPT_LENGTH]: value[:_KEPT_LENGTH]
        for name, value in list(call.params.items())[:_KEPT_PARAMS]
        if name != "signature"
    }
    venue.note(
        RefusedRequest(account=call.account, request=call.name, params=params, code=refusal.code, message=refusal.msg)
    )
