"""The rate of each venue account, shared by all processes: who comes gets the next slot, and waits for it."""

import time
from collections.abc import Callable, Mapping
from typing import Protocol

from exchanges.protection.lanes import PATIENCE_S
from exchanges.protection.refused import budget_spent
from exchanges.protection.usage import RateUsage
from exchanges.registry import UnknownVenue
from risk.lane import Lane
from risk.reservation import SECOND_US, UNITS, URGENT_SHARE, RatePlan, Slot, units

#: Who stood still past his slot so often asks again later.
TRIES = 3
#: of a hundred parts that a venue allows, what may be used before all requests wait: others may share the address
NEARLY_ALL = 97
#: venues tell the end of their window by the second
SAME_RESET_S = 1.5

#: venue and account
Place = tuple[str, str]


class ReservationStore(Protocol):
    """Shared by all processes; slots are given one after the other, on the store's clock."""

    def reserve(self, venue: str, account: str, plan: RatePlan, lane: Lane, weight: int, *, within_us: int) -> Slot: ...

    def shut(self, venue: str, account: str, *, for_us: int, ordinary_only: bool = False) -> None: ...


class Limiter:
    """Thread-safe."""

    def __init__(
        self,
        store: ReservationStore,
        plans: Mapping[Place, RatePlan],
        *,
        ticks: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._store = store
        self._plans = plans
        self._ticks = ticks
        self._sleep = sleep
        #: until when what was shut by a venue's count, in ticks
        self._told: dict[tuple[str, str, bool], float] = {}

    def acquire(
        self,
        venue: str,
        account: str,
        *,
        weight: float = 1.0,
        lane: Lane = Lane.ORDINARY,
        patience_s: float = PATIENCE_S,
    ) -> None:
        """Return when a request of this weight (in plain requests) may leave. Raises BudgetSpent if that is later.

        To be called straight before the request: a slot is good for half a second.
        """
        deadline = self._ticks() + patience_s
        spread_s = self._plan(venue, account).spread_us / SECOND_US
        for _ in range(TRIES):
            asked_at = self._ticks()
            within_s = max(0.0, deadline - asked_at)
            slot_at = asked_at + self.book(venue, account, weight=weight, lane=lane, within_s=within_s)
            wait_s = slot_at - self._ticks()
            if wait_s > 0:
                self._sleep(wait_s)
            if self._ticks() - slot_at <= spread_s:
                return
        raise budget_spent(venue, account, PATIENCE_S, closed=False)

    def book(
        self, venue: str, account: str, *, weight: float = 1.0, lane: Lane = Lane.ORDINARY, within_s: float
    ) -> float:
        """Take the next slot if it comes within ``within_s`` (ten minutes at most); returns the seconds until it.

        For who waits in a row; who comes back checks ``is_good`` first. Raises BudgetSpent and takes nothing.
        """
        within_us = round(within_s * SECOND_US)
        slot = self._store.reserve(venue, account, self._plan(venue, account), lane, units(weight), within_us=within_us)
        wait_s = slot.wait_us / SECOND_US
        if not slot.granted:
            raise budget_spent(venue, account, wait_s, closed=slot.closed)
        return wait_s

    def is_good(self, venue: str, account: str, late_s: float) -> bool:
        """Whether a booked slot may still be used ``late_s`` after its time; one that may not is lost."""
        return late_s <= self._plan(venue, account).spread_us / SECOND_US

    def close(self, venue: str, account: str, for_s: float) -> None:
        """Nobody asks the venue anything for so long: it has answered 429 or 418."""
        self._store.shut(venue, account, for_us=round(for_s * SECOND_US))

    def heed(self, venue: str, account: str, usage: RateUsage) -> None:
        """What the venue itself has counted: near its limit only urgent requests go on, at its limit none.

        A limit of one endpoint stops no urgent request: it is another endpoint's, or soon over.
        """
        share = usage.used * 100 / (usage.limit or self._plan(venue, account).limit / UNITS)
        if share < 100 - URGENT_SHARE or (usage.one_endpoint and share < 100):
            return
        ordinary_only = usage.one_endpoint or share < NEARLY_ALL
        told = (venue, account, ordinary_only)
        until = self._ticks() + usage.resets_in_s
        if self._told.get(told, 0.0) + SAME_RESET_S < until:  # else every reply would say it again
            self._told[told] = until
            self._store.shut(venue, account, for_us=round(usage.resets_in_s * SECOND_US), ordinary_only=ordinary_only)

    def _plan(self, venue: str, account: str) -> RatePlan:
        found = self._plans.get((venue, account))
        if found is None:
            raise UnknownVenue(f"no credentials are configured for account {account!r} of venue {venue!r}")
        return found
