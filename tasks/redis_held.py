"""What the consumers on a Redis hold: taken and not acknowledged yet."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast
from uuid import uuid4

from kombu.utils.encoding import bytes_to_str
from kombu.utils.json import dumps, loads
from redis import Redis

from tasks.redis_scripts import ACKNOWLEDGE, BEAT, GIVE_BACK, LEAVE, TAKE

CONSUMERS = "steadfill.consumers"
ALIVE = "steadfill.consumer:"
HELD = "steadfill.held:"
TURN = "steadfill.turn"
#: what nobody can read is kept here, whole
UNREADABLE = "steadfill.unreadable"

#: How long a consumer counts as alive after its last word, in ms, and how often it gives one, in seconds: three words
#: may fail before its messages go to others, and after a kill they are back within LIFE_MS + BEAT_S, about 3 s.
LIFE_MS = 2_500
BEAT_S = 0.5

#: a header of RabbitMQ's quorum queues, kept here as well: how often a message was given back
DELIVERY_COUNT = "x-delivery-count"


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """kombu's own keys, as its transport options name them."""

    unacked: str
    index: str


def take_arguments(names: Names, consumer: str, lists: Sequence[tuple[str, bool]]) -> tuple[int, list[str]]:
    """Number of keys, then keys and arguments of TAKE. ``lists``: where to look, and whether it is acknowledged."""
    keys = [names.unacked, names.index, HELD + consumer, ALIVE + consumer, CONSUMERS, UNREADABLE]
    keys += [name for name, _ in lists]
    return len(keys), [*keys, consumer, str(LIFE_MS), *("1" if acknowledged else "0" for _, acknowledged in lists)]


def take(client: Redis, names: Names, consumer: str, lists: Sequence[tuple[str, bool]]) -> Sequence[bytes] | None:
    """As the script TAKE returns it."""
    number, arguments = take_arguments(names, consumer, lists)
    return cast("Sequence[bytes] | None", _run(client, TAKE, number, arguments))


def acknowledge(client: Redis, names: Names, consumer: str, tag: str) -> bool:
    """False when the consumer does not hold it (any more)."""
    return bool(_run(client, ACKNOWLEDGE, 3, [names.unacked, names.index, HELD + consumer, tag]))


def give_back(
    client: Redis, names: Names, consumer: str, tags: Sequence[str], *, to_front: bool, if_dead: bool = False
) -> int:
    """Let others have these messages, marked as redelivered, the first to be delivered first; returns how many.

    ``if_dead``: only if their consumer does not live (again).
    """
    if not tags:
        return 0
    entries = client.hmget(names.unacked, tags)
    places = client.hmget(HELD + consumer, tags)
    held = [held for held in zip(tags, entries, places, strict=True) if None not in held]
    keys = [names.unacked, names.index, HELD + consumer, ALIVE + consumer]
    arguments = ["RPUSH" if to_front else "LPUSH", "1" if if_dead else "0"]
    for tag, entry, place in reversed(held) if to_front else held:
        try:
            again = dumps(redelivered(loads(bytes_to_str(entry))[0]))
        except (ValueError, TypeError, KeyError, AttributeError, IndexError):
            # Nobody can read it: set aside whole, or it would keep all the others from coming back.
            place, again = UNREADABLE, bytes_to_str(entry)  # noqa: PLW2901
        keys.append(bytes_to_str(place))
        arguments += [tag, again]
    return int(_run(client, GIVE_BACK, len(keys), [*keys, *arguments]))


def redelivered(message: dict[str, Any]) -> dict[str, Any]:
    """The message as it is delivered next: marked, counted, under a new tag, so that who held it before can't mean it."""
    headers = dict(message.get("headers") or {})
    count = headers.get(DELIVERY_COUNT)
    headers.update({"redelivered": True, DELIVERY_COUNT: (count if isinstance(count, int) else 0) + 1})
    properties = dict(message["properties"])
    properties["delivery_info"] = {**properties["delivery_info"], "redelivered": True}
    properties["delivery_tag"] = str(uuid4())
    return {**message, "headers": headers, "properties": properties}


def beat(client: Redis, consumer: str) -> tuple[bool, list[str]]:
    """Say that the consumer lives. Whether the server knew it, and the dead ones when it is this one's turn to look."""
    keys = [CONSUMERS, ALIVE + consumer, TURN]
    arguments = [consumer, str(LIFE_MS), str(round(BEAT_S * 900)), ALIVE]
    known, *dead = _run(client, BEAT, 3, [*keys, *arguments])
    return bool(known), [bytes_to_str(name) for name in dead]


def bury(client: Redis, names: Names, dead: str) -> int:
    """Give back what a dead consumer held, so that the message it took first comes first; returns how many."""
    tags = [bytes_to_str(tag) for tag in client.hkeys(HELD + dead)]
    taken_at = dict(zip(tags, client.zmscore(names.index, tags), strict=True)) if tags else {}
    oldest_first = sorted(tags, key=lambda tag: taken_at[tag] or 0.0)
    count = give_back(client, names, dead, oldest_first, to_front=True, if_dead=True)
    leave(client, dead, itself=False)
    return count


def leave(client: Redis, consumer: str, *, itself: bool) -> None:
    """Forget a consumer that ended; what it still holds is given back by others."""
    keys = [CONSUMERS, ALIVE + consumer, HELD + consumer]
    _run(client, LEAVE, 3, [*keys, consumer, "1" if itself else "0"])


def holder_of(client: Redis, tag: str) -> str | None:
    """Which consumer holds a tag; None for one that a worker without this transport took."""
    for name in client.smembers(CONSUMERS):
        consumer: str = bytes_to_str(name)
        if client.hexists(HELD + consumer, tag):
            return consumer
    return None


def _run(client: Redis, script: str, number_of_keys: int, arguments: Sequence[str]) -> Any:
    return client.register_script(script)(keys=arguments[:number_of_keys], args=arguments[number_of_keys:])
