"""The fill policies of contract 1.2 and their parameters, as values: what happens to what did not fill."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from decimal import Decimal
from enum import StrEnum

from models.money import plain

#: names of contract 1.2; those not available are refused with that sentence
FILL_POLICIES = ("accept_partial", "retry_remaining", "wait_for_complete", "cancel_and_retry")

#: what intake takes today. The one switch: a name is added here once what executes it is built.
AVAILABLE_FILL_POLICIES = frozenset(FILL_POLICIES)

#: sends of one slice at most, the first included: more is a loop
MAX_ATTEMPTS = 100
DEFAULT_ATTEMPTS = 3

#: seconds between two attempts at most
MAX_DELAY_S = Decimal(86_400)
DEFAULT_DELAY_S = Decimal(1)

#: seconds that a child may be waited for
MIN_TIMEOUT_S = Decimal("0.1")
MAX_TIMEOUT_S = Decimal(31 * 86_400)
DEFAULT_TIMEOUT_S = Decimal(60)


class Then(StrEnum):
    """What an order that was cancelled at its timeout is called."""

    #: ends CANCELED with the reason PARTIAL_ACCEPTED
    ACCEPT = "accept"
    #: ends CANCELED with the reason TIMEOUT
    CANCEL = "cancel"


class Reprice(StrEnum):
    """The price of the next attempt, never beyond the order's own."""

    #: the best price of the order's own side
    JOIN = "join"
    #: the best price of the other side
    CROSS = "cross"
    #: the price as it was
    KEEP = "keep"


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptPartial:
    """A resting order is never touched; what the venue ends unfilled stays unfilled."""

    name: str = "accept_partial"


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryRemaining:
    """What the venue ended unfilled is sent again as a new attempt."""

    name: str = "retry_remaining"
    #: attempts of one slice, the first included
    max_attempts: int = DEFAULT_ATTEMPTS
    #: seconds from one attempt's end to the next one's start
    delay_s: Decimal = DEFAULT_DELAY_S


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitForComplete:
    """At the timeout the rest is cancelled."""

    name: str = "wait_for_complete"
    #: seconds from the child's send
    timeout_s: Decimal = DEFAULT_TIMEOUT_S
    then: Then = Then.ACCEPT


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelAndRetry:
    """At the timeout the child is cancelled and the rest is sent at a new price. For limit orders."""

    name: str = "cancel_and_retry"
    #: seconds from each attempt's send
    timeout_s: Decimal = DEFAULT_TIMEOUT_S
    #: attempts of one slice, the first included
    max_attempts: int = DEFAULT_ATTEMPTS
    reprice: Reprice = Reprice.JOIN


FillPolicy = AcceptPartial | RetryRemaining | WaitForComplete | CancelAndRetry


def fill_policy_to_json(policy: FillPolicy) -> Mapping[str, object]:
    """The canonical form, defaults filled in: decimals as plain strings."""
    return {field.name: _written(getattr(policy, field.name)) for field in fields(policy)}


def _written(value: object) -> object:
    if isinstance(value, Decimal):
        return plain(value)
    return str(value) if isinstance(value, str) else value
