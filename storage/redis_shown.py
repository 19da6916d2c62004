"""What the venues showed last, shared by all processes in Redis, with the moment in which each was asked for.

A cache for those who look: nothing here is fresh enough to decide by, and all of it says its age.
"""

import json
from collections.abc import Mapping
from typing import Any

from redis import Redis

#: seconds after which what nobody asked for again is forgotten
KEPT_S = 24 * 60 * 60


class RedisShown:
    """Raises redis-py's RedisError where the server does not answer. Ages are by the server's clock."""

    def __init__(self, client: Redis) -> None:
        """``client`` decodes its responses."""
        self._client: Any = client
        self._save = self._client.register_script(_SAVE)

    def save(self, venue: str, account: str, name: str, document: Mapping[str, Any], *, age_s: float) -> None:
        """Keep ``document`` under ``name``, unless what is kept was asked for later."""
        self._save(keys=[_key(venue, account)], args=[name, round(age_s * 1_000_000), json.dumps(document), KEPT_S])

    def read(self, venue: str, account: str, *names: str) -> list[dict[str, Any] | None]:
        """What is kept under each name, its ``age_s`` added; None where nothing is."""
        kept = self._client.hmget(_key(venue, account), names)
        seconds, microseconds = self._client.time()
        now_us = seconds * 1_000_000 + microseconds
        found: list[dict[str, Any] | None] = []
        for text in kept:
            asked_us, _, document = (text or "").partition(" ")
            age_s = (now_us - int(asked_us or 0)) / 1_000_000
            found.append(None if text is None or age_s > KEPT_S else {**json.loads(document), "age_s": max(0.0, age_s)})
        return found

    def close(self) -> None:
        self._client.close()


def _key(venue: str, account: str) -> str:
    return f"steadfill.shown:{venue}:{account}"


#: KEYS the venue account's hash. ARGV the field, its age in microseconds, the document, seconds until the hash is forgotten.
_SAVE = """
local time = redis.call('TIME')
local asked = tonumber(time[1]) * 1000000 + tonumber(time[2]) - tonumber(ARGV[2])
local kept = redis.call('HGET', KEYS[1], ARGV[1])
if kept and tonumber(string.match(kept, '^%d+')) > asked then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], string.format('%.0f', asked) .. ' ' .. ARGV[3])
redis.call('EXPIRE', KEYS[1], ARGV[4])
return 1
"""
