"""A worker that outlives a restart of Redis.

When the connection is lost with messages unacknowledged, kombu's channel tries to give them back over a connection
that it has closed already, and fails on what is missing of it with an AttributeError that ends the worker. As the
connection error that it is, it is borne, and the worker connects again; what was unacknowledged comes back by the
visibility timeout, or sooner from the rows.
"""

from typing import Any

from kombu.transport.redis import Channel
from redis.exceptions import ConnectionError as RedisConnectionError

_connparams: Any = Channel._connparams  # noqa: SLF001 - kombu has no public place for this


def _guarded(channel: Any, *args: Any, **kwargs: Any) -> Any:
    if getattr(channel.connection, "client", None) is None:
        raise RedisConnectionError("this channel's connection is closed")
    return _connparams(channel, *args, **kwargs)


def install() -> None:
    """Guard every channel of this process."""
    setattr(Channel, "_connparams", _guarded)  # noqa: B010 - typed as a method that nobody replaces
