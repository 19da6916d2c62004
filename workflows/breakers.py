"""Breakers by hand."""

import structlog

from risk.breaker import Breaker
from tasks.runtime import Runtime

log = structlog.get_logger()


def reset_breaker(runtime: Runtime, *, venue: str, account: str, by: str) -> Breaker:
    """Close the breaker of a venue account; ``by`` goes on record. One that is closed forgets its failures.

    Orders that wait for it come again within seconds. Raises UnknownVenue.
    """
    closed = runtime.protection.breakers.get(venue, account).reset(by)
    log.warning("a breaker was closed by hand", venue=venue, account=account, by=by)
    return closed
