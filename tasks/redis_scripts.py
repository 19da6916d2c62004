"""What Redis does in one piece: a message is taken, acknowledged or given back whole, or not at all.

A message that is taken stands in four places until it is acknowledged: ``unacked`` (tag → message) and ``unacked_index``
(tag → time of taking), kombu's own and as kombu writes them, and ours: ``steadfill.held:<consumer>`` (tag → list it came
from) and the set ``steadfill.consumers``. ``steadfill.consumer:<consumer>`` lives as long as the consumer renews it.
Times are the server's.
"""

#: KEYS unacked, index, held, alive, consumers, unreadable, then the lists to look into, in this order.
#: ARGV consumer, ms that it lives, then for each list 1 where it is acknowledged, 0 where not.
#: Returns list and message, with a third word when nobody can read it; nothing when all lists are empty.
#: RPOP comes first: a full server refuses a script only before its first write, and nothing is popped by a refusal.
TAKE = """
for i = 7, #KEYS do
  local raw = redis.call('RPOP', KEYS[i])
  if raw then
    if ARGV[i - 4] == '0' then return {KEYS[i], raw} end
    local ok, message = pcall(cjson.decode, raw)
    local properties = ok and type(message) == 'table' and message.properties
    local info = type(properties) == 'table' and properties.delivery_info
    if type(info) ~= 'table' or type(properties.delivery_tag) ~= 'string' then
      redis.call('LPUSH', KEYS[6], raw)
      return {KEYS[i], raw, 'unreadable'}
    end
    local tag = properties.delivery_tag
    local now = redis.call('TIME')
    local route = cjson.encode(info.exchange or '') .. ',' .. cjson.encode(info.routing_key or '')
    redis.call('ZADD', KEYS[2], now[1] .. '.' .. string.format('%06d', now[2]), tag)
    redis.call('HSET', KEYS[1], tag, '[' .. raw .. ',' .. route .. ']')
    redis.call('HSET', KEYS[3], tag, KEYS[i])
    redis.call('SADD', KEYS[5], ARGV[1])
    if redis.call('EXISTS', KEYS[4]) == 0 then redis.call('SET', KEYS[4], 1, 'PX', ARGV[2]) end
    return {KEYS[i], raw}
  end
end
return false
"""

#: KEYS unacked, index, held. ARGV tag. A consumer that was paused acknowledges nothing that another holds by now.
ACKNOWLEDGE = """
if redis.call('HDEL', KEYS[3], ARGV[1]) == 0 then return 0 end
redis.call('ZREM', KEYS[2], ARGV[1])
return redis.call('HDEL', KEYS[1], ARGV[1])
"""

#: KEYS unacked, index, held, alive, then the list of each message. ARGV RPUSH (to the front) or LPUSH (to the end), 1 to
#: leave a consumer alone that lives, then for each message its tag and how it is delivered next.
#: All in one piece, since a consumer that waits would take the first before the second is there.
GIVE_BACK = """
if ARGV[2] == '1' and redis.call('EXISTS', KEYS[4]) == 1 then return 0 end
local count = 0
for i = 5, #KEYS do
  local tag, message = ARGV[2 * i - 7], ARGV[2 * i - 6]
  if redis.call('HDEL', KEYS[3], tag) == 1 then
    redis.call('ZREM', KEYS[2], tag)
    if redis.call('HDEL', KEYS[1], tag) == 1 then
      redis.call(ARGV[1], KEYS[i], message)
      count = count + 1
    end
  end
end
return count
"""

#: KEYS consumers, alive, turn. ARGV consumer, ms that it lives, ms that a turn takes, the prefix of all alive keys.
#: Says that a consumer lives. Returns whether the server knew it from an earlier word (a flushed one that has just given
#: it a message does not), then, to the one whose turn it is, the names of the dead.
BEAT = """
local words = {redis.call('GET', KEYS[2]) == '2' and 1 or 0}
redis.call('SADD', KEYS[1], ARGV[1])
redis.call('SET', KEYS[2], 2, 'PX', ARGV[2])
if redis.call('SET', KEYS[3], ARGV[1], 'NX', 'PX', ARGV[3]) then
  for _, consumer in ipairs(redis.call('SMEMBERS', KEYS[1])) do
    if redis.call('EXISTS', ARGV[4] .. consumer) == 0 then words[#words + 1] = consumer end
  end
end
return words
"""

#: KEYS consumers, alive, held. ARGV consumer, 1 when it says so itself.
#: One that holds nothing is forgotten; one that does is dead from now on, and what it holds is given back by others.
LEAVE = """
if ARGV[2] == '1' then redis.call('DEL', KEYS[2]) end
if redis.call('EXISTS', KEYS[2]) == 0 and redis.call('HLEN', KEYS[3]) == 0 then
  return redis.call('SREM', KEYS[1], ARGV[1])
end
return 0
"""
