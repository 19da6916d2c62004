"""The demo's verdict: the venue's own log against our order documents. Pure; nothing of ours vouches for itself."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from exchanges.paper.journal import VenueFault, VenueOrder

FINAL = frozenset({"FILLED", "CANCELED", "EXPIRED", "DENIED", "REJECTED", "FAILED"})

#: what the venue may say of a child's order when our parent ended like this; None: the venue has no such order
_AGREES: Mapping[str, frozenset[str | None]] = {
    "FILLED": frozenset({"FILLED"}),
    "CANCELED": frozenset({"CANCELED", "EXPIRED", None}),
    "EXPIRED": frozenset({"CANCELED", "EXPIRED", None}),
    "DENIED": frozenset({None}),
    "REJECTED": frozenset({None}),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    name: str
    #: what was counted, as a sentence's figure
    figure: str
    #: each says what is wrong with which order; empty where all is well
    wrong: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    checks: tuple[Check, ...]

    @property
    def good(self) -> bool:
        return not any(check.wrong for check in self.checks)


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the verdict is computed from."""

    #: client order id to the ids of ours that intake answered with
    answered: Mapping[str, Sequence[str]]
    #: how many requests were sent more than once on purpose
    sent_again: int
    #: our order documents, by client order id
    documents: Mapping[str, Mapping[str, Any]]
    #: the venue's log: every order it accepted with its trades, and the faults that hit
    venue_orders: Sequence[VenueOrder]
    faults: Sequence[VenueFault]
    #: (account, asset) to (free, locked) at the venue, by its log
    venue_balances: Mapping[tuple[str, str], tuple[Decimal, Decimal]]
    #: our books: items of GET /v1/balances
    our_balances: Sequence[Mapping[str, Any]]
    workers_killed: int
    workers_back: int


def judge(facts: Facts) -> Verdict:
    by_client_id: dict[str, list[VenueOrder]] = defaultdict(list)
    for order in facts.venue_orders:
        by_client_id[order.client_order_id].append(order)
    return Verdict(
        checks=(
            _sent_twice(facts, by_client_id),
            _lost(facts, by_client_id),
            _fills(facts, by_client_id),
            _statuses(facts, by_client_id),
            _balances(facts),
            _trouble(facts),
        )
    )


def _sent_twice(facts: Facts, by_client_id: Mapping[str, Sequence[VenueOrder]]) -> Check:
    """No id twice at the venue, no order there that none of ours explains, no parent with more than its quantity."""
    ours = {
        child["venue_client_order_id"] for document in facts.documents.values() for child in document["child_orders"]
    }
    wrong = [f"{name}: {len(orders)} orders at the venue" for name, orders in by_client_id.items() if len(orders) > 1]
    wrong += [f"{name}: at the venue, and no order of ours sent it" for name in by_client_id if name not in ours]
    for name, document in facts.documents.items():
        at_venue = [
            order
            for child in document["child_orders"]
            for order in by_client_id.get(child["venue_client_order_id"], ())
        ]
        exposed = sum(
            (order.executed if order.status in ("CANCELED", "EXPIRED") else order.quantity for order in at_venue),
            Decimal(0),
        )
        if exposed > Decimal(document["quantity"]):
            wrong.append(f"{name}: {exposed} at the venue for an order of {document['quantity']}")
    wrong += [f"{name}: became {len(set(ids))} orders" for name, ids in facts.answered.items() if len(set(ids)) > 1]
    return Check(
        name="orders sent twice",
        figure=f"{len(wrong)} (of {len(facts.venue_orders)} at the venue; {facts.sent_again} requests came in more than once)",
        wrong=tuple(wrong),
    )


def _lost(facts: Facts, by_client_id: Mapping[str, Sequence[VenueOrder]]) -> Check:
    """Everything answered is there and final, and what the venue is said to have, it has."""
    wrong = []
    for name in facts.answered:
        document = facts.documents.get(name)
        if document is None:
            wrong.append(f"{name}: accepted, and gone")
        elif document["status"] not in FINAL:
            wrong.append(f"{name}: still {document['status']}{_reason(document)}")
        else:
            wrong += [
                f"{name}: we say the venue has {child['venue_client_order_id']}, and it does not"
                for child in document["child_orders"]
                if child["venue_order_id"] and child["venue_client_order_id"] not in by_client_id
            ]
    return Check(name="orders lost", figure=f"{len(wrong)} (of {len(facts.answered)} accepted)", wrong=tuple(wrong))


def _fills(facts: Facts, by_client_id: Mapping[str, Sequence[VenueOrder]]) -> Check:
    """Trade by trade: id, quantity, price, fee."""
    wrong, booked, traded = [], 0, sum(len(order.trades) for order in facts.venue_orders)
    for name, document in facts.documents.items():
        ours = Counter(
            (str(fill["venue_trade_id"]), Decimal(fill["quantity"]), Decimal(fill["price"]), Decimal(fill["fee"]))
            for fill in document["fills"]
        )
        theirs = Counter(
            (str(trade.trade_id), trade.quantity, trade.price, trade.fee)
            for child in document["child_orders"]
            for order in by_client_id.get(child["venue_client_order_id"], ())
            for trade in order.trades
        )
        booked += ours.total()
        wrong += [
            f"{name}: trade {key[0]} of {key[1]} is at the venue and not booked" for key in (theirs - ours).elements()
        ]
        wrong += [
            f"{name}: fill {key[0]} of {key[1]} is booked and not at the venue" for key in (ours - theirs).elements()
        ]
        total = sum((key[1] * count for key, count in theirs.items()), Decimal(0))
        if total != Decimal(document["filled_quantity"]):
            wrong.append(f"{name}: filled {document['filled_quantity']} by our document, {total} by the venue's log")
    return Check(name="fills booked = fills at the venue", figure=f"{booked} = {traded}", wrong=tuple(wrong))


def _statuses(facts: Facts, by_client_id: Mapping[str, Sequence[VenueOrder]]) -> Check:
    wrong = []
    for name, document in facts.documents.items():
        allowed = _AGREES.get(document["status"])
        if allowed is None:
            if document["status"] in FINAL:
                wrong.append(f"{name}: ended {document['status']}{_reason(document)}")
            continue
        for child in document["child_orders"] or [{"venue_client_order_id": ""}]:
            at_venue: Iterable[str | None] = [
                o.status for o in by_client_id.get(child["venue_client_order_id"], ())
            ] or [None]
            wrong += [
                f"{name}: {document['status']} here, {status or 'unknown'} at the venue"
                for status in at_venue
                if status not in allowed
            ]
    counted = Counter(document["status"] for document in facts.documents.values())
    figure = ", ".join(f"{count} {status}" for status, count in counted.most_common())
    return Check(name="final statuses agree", figure=figure, wrong=tuple(wrong))


def _balances(facts: Facts) -> Check:
    """Our books against the venue's, to one atom."""
    wrong = []
    for item in facts.our_balances:
        free, locked = facts.venue_balances.get((item["account"], item["asset"]), (Decimal(0), Decimal(0)))
        if (Decimal(item["total"]), Decimal(item["held"])) != (free + locked, locked):
            wrong.append(
                f"{item['asset']}: our books have {item['total']}, {item['held']} of it held; the venue {free + locked}, {locked} held"
            )
    return Check(name="books = balances at the venue", figure=f"{len(facts.our_balances)} assets", wrong=tuple(wrong))


def _trouble(facts: Facts) -> Check:
    """A demo in which nothing went wrong proves nothing."""
    hits = Counter(fault.kind for fault in facts.faults if fault.kind != "latency")
    wrong = [] if hits else ["no fault struck"]
    if facts.workers_killed < 1 or facts.workers_back < facts.workers_killed:
        wrong.append(f"{facts.workers_killed} workers killed, {facts.workers_back} back")
    struck = ", ".join(f"{count} {kind}" for kind, count in sorted(hits.items()))
    return Check(
        name="trouble survived",
        figure=f"{facts.workers_killed} worker killed with SIGKILL; faults: {struck}",
        wrong=tuple(wrong),
    )


def _reason(document: Mapping[str, Any]) -> str:
    reason = document.get("reason")
    return f" ({reason['code']}: {reason['message']})" if reason else ""
