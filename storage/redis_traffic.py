"""What goes over the connections to the venues, added up over all processes in Redis.

Counts only rise, until Redis forgets them: who reads them as Prometheus does takes that for a restart. What a process
has at present counts while the process keeps saying so.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from redis import Redis

#: A process that says nothing for so long has ended, or has nothing under way. It says so three times in that time.
SILENT_S = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficSeen:
    """Of one venue account."""

    #: what all processes have at present, by name
    present: Mapping[str, int]
    #: what has happened, by name
    counts: Mapping[str, int]


class RedisTraffic:
    """Raises redis-py's RedisError where the server does not answer."""

    def __init__(self, client: Redis) -> None:
        """``client`` decodes its responses."""
        self._client: Any = client

    def add(
        self, process: str, venue: str, account: str, *, present: Mapping[str, int], counts: Mapping[str, int]
    ) -> None:
        """Add ``counts``, and say what ``process`` has at present: nothing, where ``present`` is empty."""
        pipeline = self._client.pipeline(transaction=True)
        for name, count in counts.items():
            if count:
                pipeline.hincrby(_counts(venue, account), name, count)
        if present:
            said = json.dumps({"at_s": self._now_s(), **present})
            pipeline.hset(_present(venue, account), process, said)
        else:
            pipeline.hdel(_present(venue, account), process)
        pipeline.execute()

    def read(self, venue: str, account: str) -> TrafficSeen:
        pipeline = self._client.pipeline(transaction=False)
        pipeline.hgetall(_counts(venue, account))
        pipeline.hgetall(_present(venue, account))
        counted, processes = pipeline.execute()
        now_s = self._now_s()
        present: dict[str, int] = {}
        silent = []
        for process, text in processes.items():
            said = json.loads(text)
            if now_s - said.pop("at_s") > SILENT_S:
                silent.append(process)
                continue
            for name, count in said.items():
                present[name] = present.get(name, 0) + count
        if silent:
            self._client.hdel(_present(venue, account), *silent)
        return TrafficSeen(present=present, counts={name: int(count) for name, count in counted.items()})

    def close(self) -> None:
        self._client.close()

    def _now_s(self) -> float:
        """The server's clock, which is the same for all processes."""
        seconds, microseconds = self._client.time()
        return float(seconds + microseconds / 1_000_000)


def _counts(venue: str, account: str) -> str:
    return f"steadfill.traffic:{venue}:{account}"


def _present(venue: str, account: str) -> str:
    return f"steadfill.connections:{venue}:{account}"
