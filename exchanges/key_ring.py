"""The API keys of one venue account: requests are spread over them, and one that the venue refuses is set aside."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum, auto

from exchanges.config import ApiKey

#: A key that was refused gets another chance after this: somebody may have mended it at the venue meanwhile.
ASIDE_S = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class KeySetAside:
    """For whoever is to look after the key; it names the key by its place, never by itself."""

    venue: str
    account: str
    #: place in the configuration, from 1 on, and how many there are
    number: int
    of: int
    #: what the venue said, without secrets
    message: str


class Aside(Enum):
    """What came of setting a key aside."""

    #: from now on the others are used
    NEWS = auto()
    #: another request had found out already
    KNOWN = auto()
    #: no other key is in use: it stays, and the refusal is the account's
    ALONE = auto()


@dataclass(slots=True, eq=False)
class HeldKey:
    key: ApiKey
    #: place in the configuration, from 1 on
    number: int
    #: requests that are signed with it at present, those in line for ``turn`` included
    busy: int = 0
    #: by the ring's ticks; 0 while nothing is held against it
    aside_until: float = 0.0
    #: of those taken, the last one's place
    taken_at: int = 0
    #: for venues that want one signed request of a key at a time
    turn: threading.Lock = field(default_factory=threading.Lock)


class KeyRing:
    """Thread-safe. All keys are of one account: an order that was sent with one is seen and cancelled with any."""

    def __init__(self, keys: Sequence[ApiKey], *, ticks: Callable[[], float] = time.monotonic) -> None:
        self._ticks = ticks
        self._lock = threading.Lock()
        self._keys = [HeldKey(key, number) for number, key in enumerate(keys, start=1)]
        self._taken = 0

    def __len__(self) -> int:
        return len(self._keys)

    @contextmanager
    def one(self) -> Iterator[HeldKey]:
        """The key with the least under way, of those in use; of equals the one that rested longest."""
        with self._lock:
            now = self._ticks()
            usable = [held for held in self._keys if held.aside_until <= now]
            # With all set aside, whatever is asked shows whether the venue takes one again.
            held = min(usable or self._keys, key=lambda entry: (entry.busy, entry.taken_at))
            self._taken += 1
            held.busy += 1
            held.taken_at = self._taken
        try:
            yield held
        finally:
            with self._lock:
                held.busy -= 1

    def set_aside(self, held: HeldKey) -> Aside:
        """The venue refuses ``held``."""
        with self._lock:
            now = self._ticks()
            if not any(other.aside_until <= now for other in self._keys if other is not held):
                return Aside.ALONE
            known = held.aside_until > now
            held.aside_until = now + ASIDE_S
            return Aside.KNOWN if known else Aside.NEWS
