"""The hot copy of positions and balances: for fast reads, never the truth. In Redis, or in this process where there is none.

Each value carries the version of the row that it was made from, so that an older write never overwrites a newer one. A
venue account's copy is *whole* once everything of it was copied; until then, and after Redis forgot it, there is none.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from redis import Redis

#: seconds after which a copy that nobody looks after is forgotten; it is looked after every minute
KEPT_S = 600

POSITIONS, BALANCES = "positions", "balances"

#: the field that says when all of a venue account was copied last
_WHOLE = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class HotValue:
    #: what it is of, within its venue account
    name: str
    #: rises with each change of the row
    version: int
    document: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class HotCopy:
    documents: Sequence[Mapping[str, Any]]
    #: seconds since all of it was last compared with the database
    age_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What is kept of a venue account, without the values."""

    #: of the names that were asked for, by name
    versions: Mapping[str, int]
    #: how many names there are in all
    count: int


class HotCopies(Protocol):
    def save(
        self, kind: str, venue: str, account: str, values: Sequence[HotValue], *, whole: int | None = None
    ) -> bool:
        """Keep each value unless a newer one is kept. ``whole``: with these it is all of the venue account, so many.

        False where fewer are kept, since some were forgotten meanwhile: then it is not whole.
        """

    def kept(self, kind: str, venue: str, account: str, names: Sequence[str]) -> Kept:
        """Which versions of these are kept."""

    def forget(self, kind: str, venue: str, account: str) -> None:
        """There is no copy then, until all is copied again."""

    def read(self, kind: str, venue: str, account: str) -> HotCopy | None:
        """None where no whole copy is kept."""

    def take_turn(self, what: str, every_s: float) -> bool:
        """Whether this process is the one that does it now; one of all is, in so many seconds."""

    def close(self) -> None:
        """Let go of the connection."""


class RedisHotCopies:
    """Raises redis-py's RedisError where the server does not answer. Ages are by the server's clock."""

    def __init__(self, client: Redis) -> None:
        """``client`` decodes its responses."""
        self._client: Any = client
        self._save = self._client.register_script(_SAVE)
        self._kept = self._client.register_script(_KEPT)

    def save(
        self, kind: str, venue: str, account: str, values: Sequence[HotValue], *, whole: int | None = None
    ) -> bool:
        parts = [part for value in values for part in (value.name, value.version, json.dumps(value.document))]
        count = -1 if whole is None else whole
        return bool(self._save(keys=[_key(kind, venue, account)], args=[count, KEPT_S, *parts]))

    def kept(self, kind: str, venue: str, account: str, names: Sequence[str]) -> Kept:
        count, *versions = self._kept(keys=[_key(kind, venue, account)], args=[*names])
        found = {name: int(version) for name, version in zip(names, versions, strict=True) if version}
        return Kept(versions=found, count=int(count))

    def forget(self, kind: str, venue: str, account: str) -> None:
        self._client.delete(_key(kind, venue, account))

    def read(self, kind: str, venue: str, account: str) -> HotCopy | None:
        pipeline = self._client.pipeline(transaction=False)
        pipeline.hgetall(_key(kind, venue, account))
        pipeline.time()
        kept, (seconds, microseconds) = pipeline.execute()
        whole_us = kept.pop(_WHOLE, None)
        if whole_us is None:
            return None
        return HotCopy(
            documents=[json.loads(kept[name].partition(" ")[2]) for name in sorted(kept)],
            age_s=max(0.0, (seconds * 1_000_000 + microseconds - int(whole_us)) / 1_000_000),
        )

    def take_turn(self, what: str, every_s: float) -> bool:
        return bool(self._client.set(f"steadfill.hot.turn.{what}", "1", nx=True, px=int(every_s * 1000)))

    def close(self) -> None:
        self._client.close()


@dataclass(slots=True)
class _Copy:
    values: dict[str, HotValue] = field(default_factory=dict)
    whole_at: float | None = None


class ProcessHotCopies:
    """The same within one process, for a deployment without Redis."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: dict[tuple[str, str, str], _Copy] = {}
        self._turns: dict[str, float] = {}

    def save(
        self, kind: str, venue: str, account: str, values: Sequence[HotValue], *, whole: int | None = None
    ) -> bool:
        with self._lock:
            kept = self._kept.setdefault((kind, venue, account), _Copy())
            for value in values:
                present = kept.values.get(value.name)
                if present is None or present.version <= value.version:
                    kept.values[value.name] = value
            if whole is not None and len(kept.values) >= whole:
                kept.whole_at = time.monotonic()
            return whole is None or len(kept.values) >= whole

    def kept(self, kind: str, venue: str, account: str, names: Sequence[str]) -> Kept:
        with self._lock:
            values = self._kept.get((kind, venue, account), _Copy()).values
            found = {name: values[name].version for name in names if name in values}
            return Kept(versions=found, count=len(values))

    def forget(self, kind: str, venue: str, account: str) -> None:
        with self._lock:
            self._kept.pop((kind, venue, account), None)

    def read(self, kind: str, venue: str, account: str) -> HotCopy | None:
        with self._lock:
            kept = self._kept.get((kind, venue, account))
            if kept is None or kept.whole_at is None:
                return None
            return HotCopy(
                documents=[kept.values[name].document for name in sorted(kept.values)],
                age_s=time.monotonic() - kept.whole_at,
            )

    def take_turn(self, what: str, every_s: float) -> bool:
        with self._lock:
            now, taken_at = time.monotonic(), self._turns.get(what)
            if taken_at is not None and now - taken_at < every_s:
                return False
            self._turns[what] = now
            return True

    def close(self) -> None:
        """There is nothing to let go of."""


def _key(kind: str, venue: str, account: str) -> str:
    return f"steadfill.hot.{kind}:{venue}:{account}"


#: KEYS the venue account's hash. ARGV how many there are where that is all of it, else -1; seconds until it is
#: forgotten; then name, version and document of each. Versions are whole numbers below the 2^53 that Lua counts to.
_SAVE = """
for i = 3, #ARGV, 3 do
  local kept = redis.call('HGET', KEYS[1], ARGV[i])
  if not kept or tonumber(string.match(kept, '^%d+')) <= tonumber(ARGV[i + 1]) then
    redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1] .. ' ' .. ARGV[i + 2])
  end
end
local all, whole = tonumber(ARGV[1]), 1
if all >= 0 then
  local count = redis.call('HLEN', KEYS[1]) - redis.call('HEXISTS', KEYS[1], '')
  if count >= all then
    local time = redis.call('TIME')
    redis.call('HSET', KEYS[1], '', string.format('%.0f', tonumber(time[1]) * 1000000 + tonumber(time[2])))
  else
    whole = 0
  end
end
redis.call('EXPIRE', KEYS[1], ARGV[2])
return whole
"""

#: KEYS the same. ARGV names. How many are kept in all, then the version of each of these, empty where it is not.
_KEPT = """
local found = {redis.call('HLEN', KEYS[1]) - redis.call('HEXISTS', KEYS[1], '')}
for i = 1, #ARGV do
  local kept = redis.call('HGET', KEYS[1], ARGV[i])
  found[i + 1] = kept and string.match(kept, '^%d+') or ''
end
return found
"""
