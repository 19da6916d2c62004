"""The slots of a venue account's rate in Redis: one script, one round trip, on the server's clock.

What Redis forgets costs one burst at most: a venue's word that it wants to be left alone is kept in the database too.
"""

from typing import Any

from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from risk.lane import Lane
from risk.reservation import LONGEST_AHEAD_US, SECOND_US, LanePlan, RatePlan, Reserved, Slot

#: A reservation that takes longer is made in the database instead.
ANSWER_TIMEOUT_S = 0.5

#: KEYS the venue account's hash. ARGV within_us, the clock ('' for the server's), weight, 1 for urgent, furthest_us,
#: then limit, burst and interval_us of the ordinary and of the urgent lane (limit 0: there is none).
#: `risk/reservation.py` says what it does and why. Numbers are whole microseconds, below the 2^53 that Lua counts to.
RESERVE = """
local kept = redis.call('HMGET', KEYS[1], 'ordinary_us', 'urgent_us', 'held_until_us', 'closed_until_us')
local state = {}
for i = 1, 4 do state[i] = tonumber(kept[i] or '0') end
local now = tonumber(ARGV[2])
if not now then
  local time = redis.call('TIME')
  now = tonumber(time[1]) * 1000000 + tonumber(time[2])
end
local weight, furthest = tonumber(ARGV[3]), now + tonumber(ARGV[5])
local function keep()
  redis.call('HSET', KEYS[1], 'ordinary_us', string.format('%.0f', state[1]), 'urgent_us', string.format('%.0f', state[2]))
end
if state[1] > furthest or state[2] > furthest then
  for i = 1, 2 do state[i] = math.min(state[i], now) end
  keep()
end
local function plan(i) return tonumber(ARGV[i]), tonumber(ARGV[i + 1]), tonumber(ARGV[i + 2]) end
local function earliest(idle, limit, burst, interval) return idle - (burst - math.min(weight, limit)) * interval end
local open = math.max(now, state[4])
local limit, burst, interval = plan(6)
local at, lane = math.max(open, state[3], earliest(state[1], limit, burst, interval)), 1
if ARGV[4] == '1' and ARGV[9] ~= '0' then
  local urgent_limit, urgent_burst, urgent_interval = plan(9)
  local urgent_at = math.max(open, earliest(state[2], urgent_limit, urgent_burst, urgent_interval))
  if urgent_at < at then
    at, lane, limit, interval = urgent_at, 2, urgent_limit, urgent_interval
  end
end
local granted = at <= now + tonumber(ARGV[1]) and 1 or 0
if granted == 1 then
  state[lane] = math.max(state[lane], at) + math.min(weight, limit) * interval
  keep()
end
return {string.format('%.0f', at), string.format('%.0f', now), granted, lane, state[4] > now and 1 or 0}
"""

#: KEYS the hash. ARGV for_us, the clock ('' for the server's), the field.
SHUT = """
local now = tonumber(ARGV[2])
if not now then
  local time = redis.call('TIME')
  now = tonumber(time[1]) * 1000000 + tonumber(time[2])
end
local until_us = now + tonumber(ARGV[1])
if until_us > tonumber(redis.call('HGET', KEYS[1], ARGV[3]) or '0') then
  redis.call('HSET', KEYS[1], ARGV[3], string.format('%.0f', until_us))
end
return redis.status_reply('OK')
"""


def reservations_client(url: str) -> Redis:
    """A client that gives up soon and never asks twice: a repeated reservation would be a second slot."""
    return Redis.from_url(
        url,
        socket_timeout=ANSWER_TIMEOUT_S,
        socket_connect_timeout=ANSWER_TIMEOUT_S,
        retry=Retry(NoBackoff(), 0),
        decode_responses=True,
    )


class RedisReservations:
    """Raises redis-py's RedisError where the server does not answer."""

    def __init__(self, client: Redis) -> None:
        self._client: Any = client
        self._reserve = self._client.register_script(RESERVE)
        self._shut = self._client.register_script(SHUT)

    def reserve(
        self,
        venue: str,
        account: str,
        plan: RatePlan,
        lane: Lane,
        weight: int,
        *,
        within_us: int,
        now_us: int | None = None,
    ) -> Slot:
        """As ``DatabaseReservations.reserve``."""
        furthest_us = LONGEST_AHEAD_US + 2 * plan.window_us
        clock = "" if now_us is None else now_us
        arguments = [min(within_us, LONGEST_AHEAD_US), clock, weight, int(lane is Lane.URGENT), furthest_us]
        arguments += [*_arguments(plan.ordinary), *_arguments(plan.urgent)]
        at, now, granted, used, closed = self._reserve(keys=[_key(venue, account)], args=arguments)
        return Slot(
            at_us=int(at),
            now_us=int(now),
            granted=granted == 1,
            lane=Lane.ORDINARY if used == 1 else Lane.URGENT,
            closed=closed == 1,
        )

    def shut(
        self, venue: str, account: str, *, for_us: int, ordinary_only: bool = False, now_us: int | None = None
    ) -> None:
        """As ``DatabaseReservations.shut``."""
        field = "held_until_us" if ordinary_only else "closed_until_us"
        self._shut(keys=[_key(venue, account)], args=[for_us, "" if now_us is None else now_us, field])

    def read(self, venue: str, account: str) -> Reserved:
        kept: dict[str, str] = self._client.hgetall(_key(venue, account))
        return Reserved(**{name: int(value) for name, value in kept.items()})

    def now_us(self) -> int:
        seconds, microseconds = self._client.time()
        return int(seconds) * SECOND_US + int(microseconds)

    def close(self) -> None:
        self._client.close()


def _key(venue: str, account: str) -> str:
    return f"steadfill.rate:{venue}:{account}"


def _arguments(lane: LanePlan | None) -> list[int]:
    return [0, 0, 0] if lane is None else [lane.limit, lane.burst, lane.interval_us]
