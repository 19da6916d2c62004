"""Waiting for the next change: however many callers wait, one of them looks."""

import asyncio
from collections.abc import Awaitable, Callable

from models.errors import Unavailable

#: seconds between two looks while somebody waits
LOOK_EVERY_S = 0.1

#: the last position given, and whether committed changes wait for theirs
Look = Callable[[], Awaitable[tuple[int, bool]]]


class News:
    """Of one process and its event loop. ``close`` sends home who waits, so that a stop need not wait for them."""

    def __init__(self, look: Look) -> None:
        self._look = look
        self._waiting: dict[asyncio.Future[None], int] = {}
        self._watch: asyncio.Task[None] | None = None
        self._closed = False

    async def wait(self, after: int, timeout_s: float) -> None:
        """Until there may be something behind the position ``after``, at most so long."""
        if self._closed:
            return
        told: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[told] = after
        if self._watch is None or self._watch.done():
            self._watch = asyncio.create_task(self._watch_for_them())
        try:
            await asyncio.wait([told], timeout=timeout_s)
        finally:
            del self._waiting[told]

    @property
    def closed(self) -> bool:
        return self._closed

    def close(self) -> None:
        self._closed = True
        self._tell(list(self._waiting))

    async def _watch_for_them(self) -> None:
        while self._waiting and not self._closed:
            await asyncio.sleep(LOOK_EVERY_S)
            try:
                position, unnumbered = await self._look()
            except Unavailable:
                self._tell(list(self._waiting))  # each finds it out, and says so in its answer
                continue
            self._tell([told for told, after in self._waiting.items() if unnumbered or position > after])

    @staticmethod
    def _tell(waiting: list[asyncio.Future[None]]) -> None:
        for told in waiting:
            if not told.done():
                told.set_result(None)
