"""Submit: a request becomes an order row and an outbox row in one transaction, or a refusal that leaves nothing."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count
from typing import Any

from sqlalchemy import Connection

from exchanges.capabilities import capabilities
from failpoints import failpoint
from models.errors import Conflict, FieldError, InvalidRequest, Refusal, Unavailable
from models.ids import ORDER_ID_RANDOM_BYTES, order_id
from models.money import ZERO
from models.request import OrderRequest, canonical, parse_request
from models.vocabulary import Mode, OrderStatus
from risk.intake import Admitted, admit, check_route
from risk.order_kinds import OrderKinds, check_kind
from storage.documents import new_document, order_document
from storage.engine import is_conflict, is_unavailable, read, write
from storage.orders import FIRST_PATIENCE_S, find_request, insert_order
from storage.outbox import Kind, Posting, enqueue, enqueue_notice
from storage.venue_modes import bind_mode, other_mode
from tasks.runtime import Runtime
from telemetry.sentry import trace_headers
from workflows.publisher import publisher_of

#: how often a request is begun that loses against other transactions: more is a database in trouble
MOST_TRIES = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Submitted:
    document: dict[str, Any]
    #: False: the same request was taken before, and this is its order as it is now
    created: bool


class OtherOrder(Conflict):
    """The client id belongs to an order with other content."""

    code = "CLIENT_ORDER_ID_TAKEN"


class InstrumentsUnknown(Unavailable):
    """Nothing can be checked for a venue that was not heard of yet."""

    def __init__(self, venue: str) -> None:
        super().__init__(
            f"the instruments of {venue} are not known yet, so no order for it can be checked; try again",
            code="INSTRUMENTS_UNKNOWN",
        )
        self.venue = venue


def submit_order(runtime: Runtime, data: object, *, source: str) -> Submitted:
    """Take an order. Raises a Refusal: InvalidRequest, OtherOrder, or Unavailable when no promise can be kept now."""
    request = parse_request(data, runtime.request_defaults)
    check_route(request, runtime.accounts)
    failpoint("intake.parsed")
    for begun in count(1):
        try:
            return _take(runtime, request, source)
        except Exception as error:
            if is_conflict(error) and begun < MOST_TRIES:
                continue  # lost against another transaction: nothing of it happened, and the next try should succeed
            if is_unavailable(error):
                raise Unavailable(
                    "the database can't keep the order now, so it was not taken; send the same request again",
                    code="STORAGE_UNAVAILABLE",
                ) from error
            raise
    raise AssertionError("unreachable")


def _take(runtime: Runtime, request: OrderRequest, source: str) -> Submitted:
    now = runtime.now()
    try:
        admitted = _admit(runtime, request, now)
    except Refusal:
        # A repeat is answered even when a new order like it would be refused by now.
        earlier = _earlier(runtime, request)
        if earlier is not None:
            return earlier
        raise
    mode = runtime.settings.venues[request.venue].mode
    values = _row(admitted, mode, source, now)
    in_doubt = False
    place = (request.venue, request.account)
    is_bound = place in runtime.bound_modes
    try:
        with write(runtime.engine) as conn:
            posting = _insert(conn, values, now)
            if posting is not None and not is_bound:
                _bind_mode(conn, request, mode, now)
            in_doubt = True
        if posting is None:
            earlier = _earlier(runtime, request)
            assert earlier is not None
            return earlier
        runtime.bound_modes.add(place)
    except Exception as error:
        if not in_doubt or is_conflict(error) or not is_unavailable(error):
            raise
        raise Unavailable(
            "the database broke off while the order was put on record, so whether it was taken is not known; "
            "send the same request again: it is one order",
            code="OUTCOME_UNKNOWN",
        ) from error
    failpoint("intake.committed")
    publisher_of(runtime).hand_over(posting)
    failpoint("intake.handed_over")
    return Submitted(document=new_document(values), created=True)


def _insert(conn: Connection, values: Mapping[str, Any], now: datetime) -> Posting | None:
    """The order's row and the outbox row that starts it; None when the client id is taken."""
    if not insert_order(conn, values):
        return None
    failpoint("intake.order.inserted")
    start = {"order_id": values["id"], "tries": 0}
    posting = enqueue(conn, Kind.ORDER, "orders.start", "", start, now=now, headers=trace_headers())
    failpoint("intake.outbox.inserted")
    if values["notify"]:
        enqueue_notice(conn, new_document(values), values["notify"], now)
    return posting


def _bind_mode(conn: Connection, request: OrderRequest, mode: Mode, now: datetime) -> None:
    """The account's first order fixes its mode. Raises InvalidRequest, before the order is kept, where it has another."""
    bound = bind_mode(conn, request.venue, request.account, mode, now)
    if bound is not mode:
        sentence = other_mode(request.venue, request.account, bound=bound, configured=mode)
        rule = f"must be in the mode of its earlier orders: {sentence}"
        raise InvalidRequest([FieldError(field="venue", rule=rule, value=request.venue)])


def _admit(runtime: Runtime, request: OrderRequest, now: datetime) -> Admitted:
    instruments = runtime.instruments.all_of(request.venue)
    if not instruments:
        raise InstrumentsUnknown(request.venue)
    check_kind(request, _kinds(runtime, request.venue))
    return admit(request, instruments.get(request.symbol), now, symbols=lambda: tuple(instruments))


def _kinds(runtime: Runtime, venue: str) -> OrderKinds:
    can = capabilities(runtime.settings.venues[venue].ccxt_id)
    return OrderKinds(
        times_in_force=can.times_in_force,
        post_only=can.post_only,
        market_buys=can.market_buy_params is not None,
    )


def _earlier(runtime: Runtime, request: OrderRequest) -> Submitted | None:
    with read(runtime.engine) as conn:
        found = find_request(conn, request.account, request.client_order_id)
        if found is None:
            return None
        known_id, known_request = found
        if known_request != canonical(request):
            raise OtherOrder(
                f"client_order_id {request.client_order_id} of account {request.account} is taken by order {known_id}, "
                "which asks for something else; a new order needs a new client_order_id"
            )
        document = order_document(conn, known_id)
    assert document is not None
    return Submitted(document=document, created=False)


def _row(admitted: Admitted, mode: Mode, source: str, now: datetime) -> dict[str, Any]:
    request, instrument = admitted.request, admitted.instrument
    return {
        "id": order_id(now, secrets.token_bytes(ORDER_ID_RANDOM_BYTES)),
        "client_order_id": request.client_order_id,
        "account": request.account,
        "venue": request.venue,
        "symbol": request.symbol,
        "base": instrument.base,
        "quote": instrument.quote,
        "side": request.side.value,
        "type": request.type.value,
        "quantity": admitted.quantity,
        "requested_quantity": admitted.requested_quantity,
        "price": admitted.price,
        "time_in_force": request.time_in_force.value,
        "post_only": request.post_only,
        "submitted_at": request.submitted_at or now,
        "expires_at": request.expires_at,
        "decision_price": request.decision_price,
        "algorithm": dict(request.algorithm),
        "fill_policy": dict(request.fill_policy),
        "notify": {"queue": request.notify.queue, "task": request.notify.task} if request.notify else None,
        "tags": dict(request.tags),
        "mode": mode.value,
        "request": canonical(request),
        "source": source,
        "status": OrderStatus.RECEIVED.value,
        "version": 1,
        "filled_quantity": ZERO,
        "filled_cost": ZERO,
        "cause": f"submitted by {source}",
        "rescue_at": now + timedelta(seconds=FIRST_PATIENCE_S),
        "created_at": now,
        "updated_at": now,
    }
