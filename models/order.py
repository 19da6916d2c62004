"""A parent order and its children, as values read from their rows."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from models.money import subtract
from models.transitions import CHILD_FINAL, CHILD_IN_DOUBT, CHILD_LIVE, ORDER_FINAL
from models.vocabulary import ChildStatus, Mode, OrderStatus, OrderType, Side, TimeInForce


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Why an order stands where it stands: a stable code, then a sentence."""

    code: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    id: str
    client_order_id: str
    account: str
    venue: str
    symbol: str
    base: str
    quote: str
    side: Side
    type: OrderType
    #: base, rounded down to the venue's lot
    quantity: Decimal
    #: base, as the request had it
    requested_quantity: Decimal
    #: quote per base, rounded in the customer's favour; None for market orders
    price: Decimal | None
    time_in_force: TimeInForce
    post_only: bool
    submitted_at: datetime
    expires_at: datetime | None
    decision_price: Decimal | None
    algorithm: Mapping[str, object]
    fill_policy: Mapping[str, object]
    #: ``{"queue": …, "task": …}`` or None
    notify: Mapping[str, str] | None
    mode: Mode
    status: OrderStatus
    #: rises by one with every change that the document shows
    version: int
    filled_quantity: Decimal
    #: quote that the fills moved, fees apart
    filled_cost: Decimal
    #: mid price of the venue when the order was prepared
    arrival_price: Decimal | None
    reason: Reason | None
    cancel_requested_at: datetime | None
    #: the status it ends in once nothing of it is live; None while it runs its course
    ending: OrderStatus | None
    #: how often ``rescue`` had to send this order on since it last moved
    rescues: int
    created_at: datetime
    updated_at: datetime

    @property
    def is_final(self) -> bool:
        return self.status in ORDER_FINAL

    @property
    def remaining_quantity(self) -> Decimal:
        return subtract(self.quantity, self.filled_quantity)

    @property
    def is_scheduled(self) -> bool:
        """Sent in slices over time, which a schedule plans; else it is one slice."""
        return self.algorithm.get("name", "single") != "single"

    @property
    def waits_for_ends(self) -> bool:
        """Its schedule goes on when a slice ends, not at a time."""
        return self.algorithm.get("name") == "iceberg"

    @property
    def is_immediate(self) -> bool:
        """Trades at once or not at all, so an old one must not be sent: the market it was meant for is gone."""
        return self.type is OrderType.MARKET or self.time_in_force in (TimeInForce.IOC, TimeInForce.FOK)

    def has_expired(self, now: datetime) -> bool:
        return self.expires_at is not None and now >= self.expires_at


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildOrder:
    """One attempt at one slice."""

    id: str
    order_id: str
    venue: str
    account: str
    symbol: str
    #: from 0
    slice: int
    #: from 1; attempt n + 1 exists only after attempt n is proven final
    attempt: int
    status: ChildStatus
    version: int
    #: rises with every claim; an owner's updates carry it and match no row once it is gone
    epoch: int
    venue_client_order_id: str
    venue_order_id: str | None
    quantity: Decimal
    price: Decimal | None
    #: what the venue's own iceberg shows of it; None: an ordinary order
    display: Decimal | None = None
    #: booked fills only
    filled_quantity: Decimal
    filled_cost: Decimal
    due_at: datetime
    #: when the first send of this attempt was decided
    sent_at: datetime | None
    #: the venue's clock after which no copy of any send of this attempt can be accepted any more
    deadline: datetime | None
    #: how often this attempt was sent
    sends: int
    #: how often the venue was asked about a send without an answer
    lookups: int
    #: when somebody must look at it again: an earlier message is a repeat; None when nothing is to be done
    attend_at: datetime | None
    #: when the fill policy acts on it: its timeout while it is live, its next attempt once it has ended; None: never
    act_at: datetime | None = None
    reason: Reason | None

    @property
    def is_final(self) -> bool:
        return self.status in CHILD_FINAL

    @property
    def is_live(self) -> bool:
        return self.status in CHILD_LIVE

    @property
    def is_in_doubt(self) -> bool:
        return self.status in CHILD_IN_DOUBT

    @property
    def remaining_quantity(self) -> Decimal:
        return subtract(self.quantity, self.filled_quantity)


#: the venue can't account for a send: stands until evidence or a person says what became of it
SEND_UNKNOWN = "SEND_UNKNOWN"


#: it does not fit the venue's steps any more: the gateway did not send it
NOT_SENDABLE = "NOT_SENDABLE"


def unless_in_doubt(order: Order, reason: Reason) -> Reason:
    """``reason``, or the order's own while the venue can't account for one of its sends: that is the news."""
    return order.reason if order.reason is not None and order.reason.code == SEND_UNKNOWN else reason
