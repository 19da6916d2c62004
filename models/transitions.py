"""The legal moves of parents and children: the one table that code, database and documentation share."""

from collections.abc import Mapping

from models.vocabulary import ChildStatus as C
from models.vocabulary import OrderStatus as O

ORDER_TRANSITIONS: Mapping[O, frozenset[O]] = {
    O.RECEIVED: frozenset({O.PREPARED, O.DENIED, O.CANCELED, O.EXPIRED, O.FAILED}),
    O.PREPARED: frozenset({O.VALIDATED, O.DENIED, O.CANCELED, O.EXPIRED, O.FAILED}),
    O.VALIDATED: frozenset({O.WORKING, O.DENIED, O.CANCELED, O.EXPIRED, O.FAILED}),
    O.WORKING: frozenset(
        {
            O.PARTIALLY_FILLED,
            O.FILLED,
            O.PENDING_CANCEL,
            O.PENDING_AMEND,
            O.CANCELED,
            O.EXPIRED,
            O.REJECTED,
            O.DENIED,  # a halt met it after a send that surely never left: nothing was sent
            O.FAILED,
        }
    ),
    O.PARTIALLY_FILLED: frozenset({O.FILLED, O.PENDING_CANCEL, O.PENDING_AMEND, O.CANCELED, O.EXPIRED, O.FAILED}),
    O.PENDING_CANCEL: frozenset(
        {
            O.CANCELED,
            O.FILLED,  # the fill was faster than the cancel
            O.EXPIRED,
            O.REJECTED,  # an unknown send turned out to have been rejected
            O.WORKING,  # the venue refused the cancel and the order still rests
            O.PARTIALLY_FILLED,
            O.FAILED,
        }
    ),
    O.PENDING_AMEND: frozenset(
        {O.WORKING, O.PARTIALLY_FILLED, O.FILLED, O.PENDING_CANCEL, O.CANCELED, O.EXPIRED, O.REJECTED, O.FAILED}
    ),
    O.FILLED: frozenset(),
    O.CANCELED: frozenset({O.PARTIALLY_FILLED, O.FILLED}),  # a fill turned up after the end: the venue's truth wins
    O.EXPIRED: frozenset({O.PARTIALLY_FILLED, O.FILLED}),  # likewise
    O.DENIED: frozenset({O.PARTIALLY_FILLED, O.FILLED}),  # never seen; what a venue traded is booked all the same
    O.REJECTED: frozenset({O.PARTIALLY_FILLED, O.FILLED}),  # the venue contradicted itself: what it traded is booked
    O.FAILED: frozenset({O.PARTIALLY_FILLED, O.FILLED, O.CANCELED}),  # a person, or the venue, settled it after all
}

CHILD_TRANSITIONS: Mapping[C, frozenset[C]] = {
    C.PLANNED: frozenset(
        {
            C.SUBMITTING,
            C.CANCELED,
            C.EXPIRED,
            C.ACCEPTED,  # declared absent, and there after all
            C.PARTIALLY_FILLED,
            C.FILLED,
            C.REJECTED,
        }
    ),
    C.SUBMITTING: frozenset(
        {
            C.UNKNOWN,
            C.PLANNED,  # surely not sent: the same attempt may be sent again
            C.ACCEPTED,
            C.PARTIALLY_FILLED,
            C.FILLED,
            C.CANCELED,
            C.EXPIRED,
            C.REJECTED,
        }
    ),
    C.UNKNOWN: frozenset(
        {
            C.PLANNED,  # proven absent, and the venue's deadline keeps it absent
            C.ACCEPTED,
            C.PARTIALLY_FILLED,
            C.FILLED,
            C.CANCELED,
            C.EXPIRED,
            C.REJECTED,
        }
    ),
    C.ACCEPTED: frozenset(
        {
            C.PARTIALLY_FILLED,
            C.FILLED,
            C.PENDING_CANCEL,
            C.PENDING_AMEND,
            C.CANCELED,
            C.EXPIRED,
            C.REJECTED,  # some venues accept first and reject a moment later
        }
    ),
    C.PARTIALLY_FILLED: frozenset({C.FILLED, C.PENDING_CANCEL, C.PENDING_AMEND, C.CANCELED, C.EXPIRED}),
    C.PENDING_CANCEL: frozenset({C.CANCELED, C.FILLED, C.EXPIRED, C.REJECTED, C.ACCEPTED, C.PARTIALLY_FILLED}),
    C.PENDING_AMEND: frozenset(
        {C.ACCEPTED, C.PARTIALLY_FILLED, C.FILLED, C.PENDING_CANCEL, C.CANCELED, C.EXPIRED, C.REJECTED}
    ),
    C.FILLED: frozenset(),
    C.CANCELED: frozenset({C.FILLED}),  # a fill turned up after the cancel
    C.EXPIRED: frozenset({C.FILLED}),
    C.REJECTED: frozenset({C.PARTIALLY_FILLED, C.FILLED, C.CANCELED, C.EXPIRED}),  # the venue contradicted itself
}

ORDER_FINAL = frozenset({O.FILLED, O.CANCELED, O.EXPIRED, O.DENIED, O.REJECTED, O.FAILED})
CHILD_FINAL = frozenset({C.FILLED, C.CANCELED, C.EXPIRED, C.REJECTED})

#: nothing of the order was ever handed to a venue
ORDER_UNSENT = frozenset({O.RECEIVED, O.PREPARED, O.VALIDATED})

#: a child that may be, or surely is, live at the venue
CHILD_LIVE = frozenset(
    {
        C.SUBMITTING,
        C.UNKNOWN,
        C.ACCEPTED,
        C.PARTIALLY_FILLED,
        C.PENDING_CANCEL,
        C.PENDING_AMEND,
    }
)
#: a child whose send has no answer yet: counts at full size in every promise
CHILD_IN_DOUBT = frozenset({C.SUBMITTING, C.UNKNOWN})
#: a child that the venue has acknowledged and not ended
CHILD_AT_VENUE = CHILD_LIVE - CHILD_IN_DOUBT


class IllegalTransition(Exception):
    """A move that the table does not allow: a bug, refused before any bookkeeping is touched."""


def assert_legal(current: O | C, target: O | C) -> None:
    """Raise IllegalTransition unless ``current`` may become ``target``; staying is always legal."""
    if current == target:
        return
    allowed: frozenset[O] | frozenset[C]
    if isinstance(current, O):
        allowed = ORDER_TRANSITIONS[current]
    else:
        allowed = CHILD_TRANSITIONS[current]
    if target not in allowed:
        raise IllegalTransition(f"{type(current).__name__} {current} may not become {target}")
