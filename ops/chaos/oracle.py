"""After a trial: the venue's own log against our rows, order by order and atom by atom. Each difference is a sentence."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import pairwise
from typing import Any

from sqlalchemy import Connection, select

from exchanges.paper.journal import VenueOrder
from models.money import plain
from models.transitions import CHILD_FINAL, ORDER_FINAL
from ops.chaos.venue_log import VenueLog
from storage.amendment_tables import amendments
from storage.documents import order_document
from storage.ledger import held_for
from storage.ledger_invariants import invariants
from storage.ledger_reads import balances
from storage.order_tables import child_orders, orders, reports, transitions
from storage.position_proof import prove_equal

FINAL = frozenset(status.value for status in ORDER_FINAL)
CHILD_ENDS = frozenset(status.value for status in CHILD_FINAL)

#: what the venue may say of the order of a child that ended like this; None: it has no such order
AGREES: Mapping[str, frozenset[str | None]] = {
    "FILLED": frozenset({"FILLED"}),
    "CANCELED": frozenset({"CANCELED", "EXPIRED", None}),
    "EXPIRED": frozenset({"CANCELED", "EXPIRED", None}),
    "REJECTED": frozenset({None}),
}


def order_problems(conn: Connection, log: VenueLog, account: str, client_order_id: str) -> Iterator[str]:
    """What does not hold of one order."""
    rows = conn.execute(
        select(orders.c.id, orders.c.status, orders.c.version).where(
            orders.c.account == account, orders.c.client_order_id == client_order_id
        )
    ).all()
    if len(rows) != 1:
        yield f"{client_order_id}: {len(rows)} orders under one key"
        return
    (row,) = rows
    document = order_document(conn, row.id)
    if document is None:
        yield f"{client_order_id}: accepted, and gone"
        return
    if row.status not in FINAL:
        yield f"{client_order_id}: still {row.status} ({document['reason']})"
    at_venue = {
        child["venue_client_order_id"]: log.orders(child["venue_client_order_id"]) for child in document["child_orders"]
    }
    yield from _effects(client_order_id, document, at_venue)
    yield from at_any_time(client_order_id, document, log, _most_wanted(conn, document))
    yield from _trades(client_order_id, document, at_venue)
    yield from _ends(client_order_id, document, at_venue)
    if row.status in FINAL:
        yield from _over(client_order_id, document)
        for asset, amount in held_for(conn, row.id).items():
            if amount:
                yield f"{client_order_id}: {row.status}, and {amount} {asset} are still held for it"
        yield from _amendments(conn, client_order_id, document)
        if conn.execute(select(reports.c.id).where(reports.c.order_id == row.id, reports.c.applied_at.is_(None))).all():
            yield f"{client_order_id}: {row.status}, and a report of the venue is not applied"
    yield from _record(conn, row.id)


def safety_problems(conn: Connection, log: VenueLog, account: str, client_order_id: str) -> Iterator[str]:
    """What must hold at any moment, also of an order that is not over: nothing twice, nothing made up, books balanced."""
    found = conn.execute(
        select(orders.c.id).where(orders.c.account == account, orders.c.client_order_id == client_order_id)
    ).scalars()
    for order_id in found.all():
        document = order_document(conn, order_id)
        if document is None:
            continue
        at_venue = {
            child["venue_client_order_id"]: log.orders(child["venue_client_order_id"])
            for child in document["child_orders"]
        }
        yield from _effects(client_order_id, document, at_venue)
        yield from at_any_time(client_order_id, document, log, _most_wanted(conn, document))
        yield from _record(conn, order_id)
    yield from invariants(conn)


def _effects(name: str, document: Mapping[str, Any], at_venue: Mapping[str, Sequence[VenueOrder]]) -> Iterator[str]:
    exposed = Decimal(0)
    for client_id, found in at_venue.items():
        if len(found) > 1:
            yield f"{name}: the venue accepted {client_id} {len(found)} times"
        exposed += sum(
            (order.executed if order.status in ("CANCELED", "EXPIRED") else order.quantity for order in found),
            Decimal(0),
        )
    if exposed > Decimal(document["quantity"]):
        yield f"{name}: {exposed} at the venue for an order of {document['quantity']}"


def at_any_time(name: str, document: Mapping[str, Any], log: VenueLog, most: Decimal) -> Iterator[str]:
    """Never more than ``most`` base at the venue, at no step of its log; an attempt only after the former has ended there."""
    changes = sorted(
        (step, number, exposure)
        for number, span in enumerate(
            span for child in document["child_orders"] for span in log.spans(child["venue_client_order_id"])
        )
        for step, exposure in span.exposures
    )
    exposed: dict[int, Decimal] = {}
    for step, number, exposure in changes:
        exposed[number] = exposure
        total = sum(exposed.values(), Decimal(0))
        if total > most:
            yield f"{name}: at step {step} of the venue's log {plain(total)} had traded or could, for an order of {plain(most)}"
            break
    slices: dict[int, list[Mapping[str, Any]]] = {}
    for child in sorted(document["child_orders"], key=lambda child: child["attempt"]):
        slices.setdefault(child["slice"], []).append(child)
    for number, attempts in slices.items():
        if [child["attempt"] for child in attempts] != list(range(1, len(attempts) + 1)):
            yield f"{name}: slice {number} has the attempts {[child['attempt'] for child in attempts]}"
        spans = [log.spans(child["venue_client_order_id"]) for child in attempts]
        for earlier, later in pairwise([found for found in spans if found]):
            if any(one.until is None or one.until > later[0].since for one in earlier):
                yield f"{name}: two attempts of slice {number} were open at the venue at once"


def _most_wanted(conn: Connection, document: Mapping[str, Any]) -> Decimal:
    """The largest quantity that the order was ever for, in base."""
    asked = conn.execute(
        select(amendments.c.quantity, amendments.c.previous_quantity).where(amendments.c.order_id == document["id"])
    ).all()
    quantities: list[Decimal] = [quantity for row in asked for quantity in row if quantity is not None]
    return max([Decimal(document["quantity"]), *quantities])


def _amendments(conn: Connection, name: str, document: Mapping[str, Any]) -> Iterator[str]:
    """An order that has ended is as the last decision made it: of the new size, or of the one before."""
    last = conn.execute(
        select(amendments.c.status, amendments.c.quantity, amendments.c.previous_quantity)
        .where(amendments.c.order_id == document["id"])
        .order_by(amendments.c.id.desc())
        .limit(1)
    ).one_or_none()
    if last is None:
        return
    if last.status == "PENDING":
        yield f"{name}: {document['status']}, and an amendment of it is not decided"
    wanted = (last.quantity or last.previous_quantity) if last.status == "DONE" else last.previous_quantity
    # What had filled beyond a smaller size by the time that it was taken makes the order so large.
    wanted = max(wanted, Decimal(document["filled_quantity"]))
    if Decimal(document["quantity"]) != wanted:
        yield f"{name}: its amendment is {last.status}, which makes it {plain(wanted)}, and it is for {document['quantity']}"


def _over(name: str, document: Mapping[str, Any]) -> Iterator[str]:
    """An order that has ended has nothing ahead of it, and is FILLED if and only if all of it is filled."""
    for child in document["child_orders"]:
        if child["status"] not in CHILD_ENDS:
            yield f"{name}: {document['status']}, and its child {child['id']} is {child['status']}"
    if (document["status"] == "FILLED") != (Decimal(document["filled_quantity"]) == Decimal(document["quantity"])):
        yield f"{name}: {document['status']} with {document['filled_quantity']} of {document['quantity']} filled"


def _trades(name: str, document: Mapping[str, Any], at_venue: Mapping[str, Sequence[VenueOrder]]) -> Iterator[str]:
    ours = Counter(
        (str(fill["venue_trade_id"]), Decimal(fill["quantity"]), Decimal(fill["price"]), Decimal(fill["fee"]))
        for fill in document["fills"]
    )
    theirs = Counter(
        (str(trade.trade_id), trade.quantity, trade.price, trade.fee)
        for found in at_venue.values()
        for order in found
        for trade in order.trades
    )
    for key in (theirs - ours).elements():
        yield f"{name}: trade {key[0]} of {key[1]} is at the venue and not booked"
    for key in (ours - theirs).elements():
        yield f"{name}: fill {key[0]} of {key[1]} is booked and not at the venue"
    total = sum((key[1] * count for key, count in theirs.items()), Decimal(0))
    if total != Decimal(document["filled_quantity"]):
        yield f"{name}: filled {document['filled_quantity']} by our document, {total} by the venue's log"


def _ends(name: str, document: Mapping[str, Any], at_venue: Mapping[str, Sequence[VenueOrder]]) -> Iterator[str]:
    for child in document["child_orders"]:
        allowed = AGREES.get(child["status"])
        if allowed is None:
            continue
        statuses: list[str | None] = [order.status for order in at_venue[child["venue_client_order_id"]]]
        for status in statuses or [None]:
            if status not in allowed:
                yield f"{name}: child {child['status']} here, {status or 'unknown'} at the venue"


def _record(conn: Connection, order_id: str) -> Iterator[str]:
    """Every change is on record: versions without a gap, each from where the last one went."""
    entities = [("order", order_id, orders)]
    entities += [
        ("child", child_id, child_orders)
        for child_id in conn.execute(select(child_orders.c.id).where(child_orders.c.order_id == order_id)).scalars()
    ]
    for kind, entity_id, table in entities:
        standing = conn.execute(select(table.c.status, table.c.version).where(table.c.id == entity_id)).one()
        steps = conn.execute(
            select(transitions.c.version, transitions.c.from_status, transitions.c.to_status)
            .where(transitions.c.entity == kind, transitions.c.entity_id == entity_id)
            .order_by(transitions.c.version)
        ).all()
        versions = [step.version for step in steps]
        if versions != list(range(1, standing.version + 1)):
            yield f"{kind} {entity_id} has version {standing.version}, and the record holds {versions}"
        elif steps[-1].to_status != standing.status or any(
            later.from_status != earlier.to_status for earlier, later in pairwise(steps)
        ):
            yield f"{kind} {entity_id} is {standing.status}, and the record tells another way: {steps}"


def book_problems(conn: Connection, log: VenueLog, account: str) -> Iterator[str]:
    """What does not hold of the books as a whole, or against the venue's balances of an account."""
    yield from invariants(conn)
    yield from prove_equal(conn)
    ours = {held.asset: held for held in balances(conn, "paper", account)}
    theirs = log.balances(account)
    for asset in sorted(set(ours) & set(theirs)):
        free, locked = theirs[asset]
        if (ours[asset].total, ours[asset].held) != (free + locked, locked):
            yield (
                f"{account} {asset}: our books have {ours[asset].total}, {ours[asset].held} of it held; "
                f"the venue {free + locked}, {locked} of it held"
            )
    for asset in sorted(set(ours) - set(theirs)):
        if ours[asset].total:
            yield f"{account} {asset}: our books have {ours[asset].total}, the venue does not know it"


def whole_problems(conn: Connection, log: VenueLog) -> Iterator[str]:
    """Of everything that ever happened in a lane: nothing twice, nothing unexplained, nothing left open."""
    for client_id in log.accepted_twice():
        yield f"the venue accepted {client_id} more than once"
    known = set(conn.execute(select(child_orders.c.venue_client_order_id)).scalars())
    for client_id in sorted(log.client_order_ids() - known):
        yield f"{client_id} is at the venue, and no order of ours sent it"
    for row in conn.execute(select(orders.c.id, orders.c.status).where(orders.c.status.not_in(FINAL))):
        yield f"order {row.id} is still {row.status}"
