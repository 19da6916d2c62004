"""Says twice a second that a consumer lives, and has the messages of those that said nothing for a while given back."""

import threading
from collections.abc import Callable

import structlog
from redis import Redis
from redis.exceptions import RedisError

from tasks.redis_held import BEAT_S, Names, beat, bury, leave

log = structlog.get_logger()


class Liveness(threading.Thread):
    """One per consumer, with a connection of its own: a loop that is busy or a pool that drains is not dead."""

    def __init__(self, client: Redis, names: Names, consumer: str, on_forgotten: Callable[[], object]) -> None:
        """``on_forgotten`` is called when the server has lost its memory, as after FLUSHALL."""
        super().__init__(name="liveness", daemon=True)
        self._client = client
        self._names = names
        self._consumer = consumer
        self._stopping = threading.Event()
        self._on_forgotten = on_forgotten
        self._was_known = False
        self._is_away = False

    def run(self) -> None:
        while not self._stopping.wait(BEAT_S):
            self._beat_once()

    def end(self) -> None:
        """The consumer ends: what it holds, if anything, goes to others at once."""
        self._stopping.set()
        if self.is_alive():
            self.join(timeout=BEAT_S)  # else its last word could come after ours
        try:
            leave(self._client, self._consumer, itself=True)
        except RedisError:
            pass  # its time runs out by itself
        finally:
            self._client.close()

    def _beat_once(self) -> None:
        try:
            is_known, gone = beat(self._client, self._consumer)
            if not is_known:  # at the start as well, since the server may forget before our first word
                if self._was_known:
                    log.warning("Redis has forgotten this consumer; its queues are bound again")
                self._on_forgotten()
            self._was_known = True
            for dead in gone:
                count = bury(self._client, self._names, dead)
                log.warning("a consumer is gone; what it held is given back", consumer=dead, messages=count)
        except RedisError as error:
            if not self._is_away:
                log.warning("Redis takes no sign of life; others may take over our messages", error=str(error))
            self._is_away = True
        except Exception:
            log.exception("the sign of life stumbled; it goes on")
        else:
            self._is_away = False
