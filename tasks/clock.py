"""The deployment's clock: the database's time, told by this process without asking each time.

All hosts that share a PostgreSQL share its clock, whatever their own says and whenever it leaps: between two questions
time passes by the monotonic clock. SQLite lives on this host, whose clock it has.
"""

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import structlog

log = structlog.get_logger()

#: Seconds after which the database is asked again, beside what the caller does: crystals differ by some milliseconds
#: an hour, and a suspended machine finds its way back.
ASK_EVERY_S = 30.0

#: The same while it never could be asked, and the host's clock has to do.
ASK_AGAIN_S = 1.0

#: An answer that took longer says too little; the last one holds on.
SLOWEST_ANSWER_S = 1.0

#: The time told may be off by half of what the answer took, and a first answer pays for the connection: ask until one
#: came this fast, or this often, and believe the fastest. Two processes' clocks then agree to some milliseconds.
QUICK_ANSWER_S = 0.005
MOST_QUESTIONS = 4


def seconds_since_boot() -> float:
    """Runs on while the machine is suspended, where the system can do that, and never leaps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


def host_time() -> datetime:
    return datetime.now(UTC)


class DatabaseClock:
    """``ask`` returns the database's time, or raises when it can't be asked; until it once could, the host's is taken."""

    def __init__(
        self,
        ask: Callable[[], datetime],
        *,
        passing: Callable[[], float] = seconds_since_boot,
        host: Callable[[], datetime] = host_time,
    ) -> None:
        self._ask = ask
        self._passing = passing
        self._host = host
        self._lock = threading.Lock()
        #: the database's time, and when it was that on the clock that only passes
        self._known: tuple[datetime, float] | None = None
        self._asked_at: float | None = None
        self._is_asking = False

    def now(self) -> datetime:
        """In UTC. Asks the first time; later questions are asked beside the caller, who waits for nothing."""
        if self._is_due():
            if self._known is None:
                self.ask()
            else:
                threading.Thread(target=self.ask, name="clock", daemon=True).start()
        if self._known is None:
            return self._host()
        then, at = self._known
        return then + timedelta(seconds=self._passing() - at)

    def ask(self) -> None:
        """Compare with the database; what can't be asked leaves everything as it was."""
        try:
            took_s, told, at = self._fastest_answer()
            if self._known is None or took_s <= SLOWEST_ANSWER_S:
                self._known = (told, at)
        except Exception as error:  # noqa: BLE001 - whatever it is, a clock goes on
            log.info("the database's time could not be asked; the clock goes on by itself", error=type(error).__name__)
        finally:
            with self._lock:
                self._is_asking = False

    def _fastest_answer(self) -> tuple[float, datetime, float]:
        """``(seconds it took, the database's time, when that was on the clock that only passes)``."""
        answers = []
        for _ in range(MOST_QUESTIONS):
            before = self._passing()
            told = self._ask()
            took_s = self._passing() - before
            answers.append((took_s, told, before + took_s / 2))
            if not QUICK_ANSWER_S < took_s <= SLOWEST_ANSWER_S:
                break
        return min(answers)

    def _is_due(self) -> bool:
        """True for one caller at a time."""
        with self._lock:
            at = self._passing()
            every_s = ASK_EVERY_S if self._known else ASK_AGAIN_S
            if self._is_asking or (self._asked_at is not None and at - self._asked_at < every_s):
                return False
            self._is_asking, self._asked_at = True, at
            return True
