"""What every request to a venue account passes, as those see it who make the requests."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Protocol

from exchanges.evidence import VenueError


class Turnstile(Protocol):
    """Thread-safe; one per process and venue account."""

    def seat(self) -> AbstractContextManager[None]:
        """Around each call: at most so many threads of a process wait on one venue. Raises VenueError(NOT_SENT)."""
        ...

    def enter(self, weight: float) -> None:
        """Before each request; ``weight`` in plain requests. Raises VenueError(NOT_SENT) for one that may not leave."""
        ...

    def replied(self, headers: Mapping[str, str]) -> None:
        """After each reply, whatever its status. Never raises."""
        ...

    def failed(self, error: VenueError) -> None:
        """After a call that failed, with what that proves. Never raises."""
        ...
