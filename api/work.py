"""Blocking work of the API: database calls in a bounded pool of threads, so that the event loop never waits."""

import asyncio
import contextlib
import contextvars
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

import structlog

from models.errors import Refusal, Unavailable
from storage.engine import is_unavailable

#: as many transactions as two cores and a database keep busy; measured in tests/bench/bench_api.py
THREADS = 16
#: requests that wait for a thread; beyond it a caller is better told to come back
MAX_WAITING = 1_000
#: No caller waits longer, whatever the database does: a bit more than a transaction waits for another's lock, so that
#: the answer usually knows why. The thread goes on until the database answers or the driver gives it up.
ANSWER_WITHIN_S = 12.0

#: what a caller may do after any of these answers
_AGAIN = "Sending the same request again is safe."

_T = TypeVar("_T")

log = structlog.get_logger(__name__)


class Work:
    def __init__(self, threads: int = THREADS, answer_within_s: float = ANSWER_WITHIN_S) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="api")
        self._most = threads + MAX_WAITING
        self._answer_within_s = answer_within_s
        self._taken = 0

    async def run(self, function: Callable[[], _T]) -> _T:
        """Run it in a thread, within the caller's context (trace, log fields).

        Raises Unavailable when the database can't do it now or does not answer, or when too many wait already.
        """
        if self._taken >= self._most:
            raise Unavailable(f"{self._taken} requests are being worked on already. Nothing was done; send it again.")
        self._taken += 1
        running: Future[_T] | None = None
        try:
            running = self._pool.submit(contextvars.copy_context().run, function)
            async with asyncio.timeout(self._answer_within_s):
                return await asyncio.wrap_future(running)
        except Refusal:
            raise
        except TimeoutError as error:
            log.warning("storage.silent", waited_s=self._answer_within_s)
            raise Unavailable(
                f"The database did not answer within {self._answer_within_s:g} s, so whether it took effect is not "
                f"known. {_AGAIN}",
                code="OUTCOME_UNKNOWN",
            ) from error
        except Exception as error:
            if not is_unavailable(error):
                raise
            log.warning("storage.unavailable", error=str(error))
            raise Unavailable(f"The database can't answer at present. {_AGAIN}", code="STORAGE_UNAVAILABLE") from error
        finally:
            self._let_go(running)

    def _let_go(self, running: Future[Any] | None) -> None:
        """A thread that hangs still counts: else callers would pile up behind it without an end."""
        if running is None or running.done():
            self._taken -= 1
        else:
            loop = asyncio.get_running_loop()
            running.add_done_callback(lambda _: _quietly(loop, self._one_less))

    def _one_less(self) -> None:
        self._taken -= 1

    def close(self) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)


def _quietly(loop: asyncio.AbstractEventLoop, function: Callable[[], None]) -> None:
    with contextlib.suppress(RuntimeError):  # the loop has ended, and nobody counts any more
        loop.call_soon_threadsafe(function)
