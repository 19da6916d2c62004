"""Breaker and rate before each request of a venue account, and what its replies say of both."""

import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import structlog

from exchanges.evidence import Evidence, VenueError
from exchanges.protection.breakers import VenueBreaker
from exchanges.protection.lanes import current_lane, current_patience_s, is_admitted
from exchanges.protection.limiter import Limiter
from exchanges.protection.refused import NotAdmitted
from exchanges.protection.seats import Seats
from exchanges.protection.usage import rate_usage

log = structlog.get_logger()

#: how long a venue is left alone that limits without saying for how long
DEFAULT_RETRY_AFTER_S = 2.0

#: Plain requests that creating an order weighs, by class, as ccxt 4.5 and our own class have it; where it is not told, one.
CREATE_WEIGHT: Mapping[str, float] = {
    "binance": 0.2,
    "bitget": 2.0,
    "bybit": 2.5,
    "gate": 0.4,
    "kraken": 0.0,  # counted apart there, by orders at a time
    "nobitex": 40.0,
    "okx": 1 / 3,
}


def create_weight(ccxt_id: str, *, acknowledges_only: bool) -> float:
    """Of everything that creating one order asks: where the venue only acknowledges, the order is read after it."""
    return CREATE_WEIGHT.get(ccxt_id, 1.0) + (1.0 if acknowledges_only else 0.0)


class VenueTurnstile:
    """See ``exchanges.turnstile.Turnstile``. The lane is the thread's (``in_lane``)."""

    def __init__(self, breaker: VenueBreaker, limiter: Limiter, seats: Seats | None = None) -> None:
        self._breaker = breaker
        self._limiter = limiter
        self._seats = seats
        self._place = breaker.place

    def seat(self) -> AbstractContextManager[None]:
        return nullcontext() if self._seats is None else self._seats.one(self._place[0])

    def admit(self, weight: float) -> None:
        """For an order, before its intent is written: waits for a slot, or raises BreakerOpen or BudgetSpent.

        What is then sent under ``admitted()`` passes without waiting: a wait after the intent would age its timestamp.
        """
        lane = current_lane()
        self._breaker.admit(lane)
        self._limiter.acquire(*self._place, weight=weight, lane=lane, patience_s=current_patience_s())

    def enter(self, weight: float) -> None:
        if not is_admitted():
            self.admit(weight)

    def replied(self, headers: Mapping[str, str]) -> None:
        usage = rate_usage(headers, time.time())
        if usage is not None:
            self._safely(self._limiter.heed, usage)

    def failed(self, error: VenueError) -> None:
        if isinstance(error, NotAdmitted):
            return
        self._breaker.note(error)
        if error.evidence is Evidence.RATE_LIMITED or error.retry_after_s:
            self._safely(self._limiter.close, error.retry_after_s or DEFAULT_RETRY_AFTER_S)

    def _safely(self, tell: Callable[..., None], what: Any) -> None:
        try:
            tell(*self._place, what)
        except Exception:
            # What the venue has said matters more to the caller than that it was not passed on.
            log.exception("a venue's word on its rate could not be passed on", place=self._place)
