"""What a fill policy asks for: when it acts on a child, and whether another attempt follows."""

from datetime import timedelta
from decimal import Decimal

from models.algorithm import seconds
from models.amendment import AMENDED
from models.fill_policy import CancelAndRetry, FillPolicy, Reprice, RetryRemaining, WaitForComplete
from models.instrument import Instrument
from models.money import multiply
from models.order import ChildOrder, Order
from models.reports import Quote
from models.vocabulary import ChildStatus, Side

#: ends that leave something to send again; a rejection is an answer
_ENDED_SHORT = frozenset({ChildStatus.CANCELED, ChildStatus.EXPIRED})

#: a person has said that it is absent: whether another copy goes out is for a person too; and an amendment sends the
#: rest of what was ended for it by itself
_NOT_ITS_OWN = ("RESOLVED_ABSENT", AMENDED)


def timeout_of(policy: FillPolicy) -> timedelta | None:
    """How long after its send a child may take; None: for as long as it likes."""
    if isinstance(policy, (WaitForComplete, CancelAndRetry)):
        return seconds(policy.timeout_s)
    return None


def delay_before_next(policy: FillPolicy, order: Order, child: ChildOrder, *, amended: int = 0) -> timedelta | None:
    """How long after the child's end its rest is sent again as a new attempt; None: it is not.

    ``amended``: how many earlier attempts at the slice were ended for an amendment: they are not the policy's.
    """
    if not isinstance(policy, (RetryRemaining, CancelAndRetry)) or child.attempt - amended >= policy.max_attempts:
        return None
    if order.is_final or order.ending is not None:
        return None
    if child.status not in _ENDED_SHORT or child.sent_at is None or not child.remaining_quantity:
        return None
    if child.reason is not None and child.reason.code in _NOT_ITS_OWN:
        return None
    return seconds(policy.delay_s) if isinstance(policy, RetryRemaining) else timedelta()


def next_price(
    policy: FillPolicy, order: Order, child: ChildOrder, quote: Quote | None, instrument: Instrument
) -> Decimal | None:
    """The price of the next attempt: never beyond the order's own, in the customer's favour; None: market.

    Where the book is empty on the side that is asked for, the price stays. A maker-only order never crosses.
    """
    price = child.price
    if price is None or quote is None or not isinstance(policy, CancelAndRetry) or policy.reprice is Reprice.KEEP:
        return price
    crosses = policy.reprice is Reprice.CROSS and not order.post_only
    best = quote.ask if crosses is (order.side is Side.BUY) else quote.bid
    if best is None:
        return price
    assert order.price is not None
    bounded = min(best, order.price) if order.side is Side.BUY else max(best, order.price)
    return instrument.round_price(bounded, order.side)


def is_sendable(quantity: Decimal, price: Decimal | None, instrument: Instrument) -> bool:
    """Whether the venue would take an order of this size; at a market price only the quantity is compared."""
    if quantity <= 0 or quantity < instrument.min_quantity or quantity < instrument.lot:
        return False
    return price is None or multiply(quantity, price) >= instrument.min_notional
