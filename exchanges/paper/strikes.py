"""What a fault does to a request: when it takes effect, and what the client sees of it."""

import asyncio
import json

from exchanges.paper.api import Admitted, Reply, endpoint, execute, json_reply, refusal_reply
from exchanges.paper.calls import HttpRequest, read_params
from exchanges.paper.errors import Refused
from exchanges.paper.events import FaultFired
from exchanges.paper.faults import Fault
from exchanges.paper.http import Connection
from exchanges.paper.limits import banned, too_many
from exchanges.paper.venue import Venue

_HTML = b"<html><head><title>{status}</title></head><body><center><h1>{status}</h1></center></body></html>"
_UNKNOWN_OUTCOME = "Timeout waiting for response from backend server. Send status unknown; execution status unknown."


def find_fault(venue: Venue, request: HttpRequest) -> Fault | None:
    """The fault that strikes this request, journaled."""
    if not venue.faults.armed:
        return None
    client_id = ""
    try:
        params = read_params(request)
        client_id = params.get("newClientOrderId") or params.get("origClientOrderId") or ""
    except (Refused, ValueError):
        pass
    name = endpoint(request)
    fault = venue.faults.next(request.method, name, client_id, venue.now_ms())
    if fault is not None:
        venue.note(FaultFired(kind=fault.kind, request=f"{request.method} {name}", client_order_id=client_id[:64]))
    return fault


def strikes_at_the_door(fault: Fault) -> bool:
    """Whether the request is turned away before anything of it is looked at."""
    rule = fault.rule
    return rule.kind in {"outage", "rate_limited"} or (
        rule.kind in {"drop", "reset", "error"} and rule.when == "before"
    )


async def turn_away(venue: Venue, request: HttpRequest, connection: Connection, fault: Fault) -> None:
    """The request never takes effect."""
    await asyncio.sleep(fault.delay_ms / 1000)
    rule = fault.rule
    if rule.kind == "rate_limited":
        connection.reply(refusal_reply(venue, request, _rate_refusal(venue, fault)))
    elif rule.kind == "reset" or rule.form == "reset":
        connection.reset()
    elif rule.kind == "error" or rule.form == "error":
        connection.reply(_error(fault))
    else:
        connection.drop()


async def strike(venue: Venue, request: HttpRequest, connection: Connection, admitted: Admitted, fault: Fault) -> None:
    """The request takes effect (perhaps late), and the client hears of it badly or not at all."""
    rule, delay_s = fault.rule, fault.delay_ms / 1000
    if rule.kind == "late":
        # Gone for the client, while the request is still on its way inside.
        if rule.form == "reset":
            connection.reset()
        else:
            connection.drop()
    if rule.when == "before":
        await asyncio.sleep(delay_s)
    reply = execute(venue, request, admitted, lag_ms=rule.lag_ms)
    if rule.when == "after":
        await asyncio.sleep(delay_s)
    await _tell(connection, fault, reply)


async def _tell(connection: Connection, fault: Fault, reply: Reply) -> None:
    rule = fault.rule
    if rule.kind == "drop":
        connection.drop()
    elif rule.kind == "reset":
        connection.reset()
    elif rule.kind == "error":
        connection.reply(_error(fault))
    elif rule.kind == "unreadable" and rule.form == "cut":
        half = reply.body[: len(reply.body) // 2]
        data = connection.encode(Reply(status=reply.status, body=half), length=len(reply.body))
        connection.write_and_drop(data)
    elif rule.kind == "unreadable":
        connection.reply(_unreadable(rule.form, reply))
    elif rule.kind == "drip":
        await connection.drip(reply, rule.piece_bytes, rule.piece_ms / 1000)
    elif rule.kind != "late":
        connection.reply(reply)


def _unreadable(form: str, reply: Reply) -> Reply:
    """HTTP 200 with a body that no client can make sense of."""
    if form == "empty":
        return Reply(status=200, body=b"")
    if form == "garbage":
        return Reply(status=200, body=b"\x00\xff{]not json")
    if form == "html":
        return Reply(status=200, body=_HTML.replace(b"{status}", b"200 OK"), content_type=b"text/html")
    if form == "truncated":
        return Reply(status=200, body=reply.body[: len(reply.body) // 2])
    document = json.loads(reply.body)
    if isinstance(document, dict):
        for name in ("orderId", "clientOrderId", "origClientOrderId"):
            document.pop(name, None)
    return json_reply(200, document)


def _error(fault: Fault) -> Reply:
    rule = fault.rule
    status = rule.status or 503
    if rule.code:
        return json_reply(status, {"code": rule.code, "msg": rule.msg or _UNKNOWN_OUTCOME})
    if status == 504:
        return json_reply(status, {"code": -1007, "msg": rule.msg or _UNKNOWN_OUTCOME})
    title = f"{status}".encode()
    return Reply(status=status, body=_HTML.replace(b"{status}", title), content_type=b"text/html")


def _rate_refusal(venue: Venue, fault: Fault) -> Refused:
    rule = fault.rule
    if rule.status == 418:
        return banned(venue.now_ms() + rule.retry_after_s * 1000, rule.retry_after_s)
    return too_many(venue.limiter.limit or 6000, rule.retry_after_s)
