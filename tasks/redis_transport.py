"""kombu's Redis transport without its two holes: a message can't be lost between pop and record, and what a killed
worker held comes back within seconds.

kombu pops a message (BRPOP) and records it as unacknowledged with the next command; a process killed in between takes
the message with it. Here one script does both (`tasks/redis_scripts.py`). A script can't block, so an empty queue is
waited for by BLMOVE of a list onto itself, which changes nothing and wakes up on the first message. Whoever holds
messages says so twice a second; the messages of one that falls silent go back to the front of their queues, marked as
redelivered (`tasks/redis_held.py`, `tasks/redis_liveness.py`). The visibility timeout stays as the last net.

Publishing is kombu's own, as are the names of its keys: other services, Flower and `celery inspect` see what they know.
"""
# ruff: noqa: SLF001 - kombu has no public places for any of this

import hashlib
import importlib
import os
import secrets
import socket
from collections.abc import Callable, Iterator
from queue import Empty
from time import monotonic
from typing import Any

import kombu.transport
import structlog
from kombu.utils.encoding import bytes_to_str
from kombu.utils.eventio import ERR, READ
from kombu.utils.json import loads
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError, ResponseError
from redis.retry import Retry

from tasks import redis_held
from tasks.redis_liveness import Liveness
from tasks.redis_scripts import TAKE

log = structlog.get_logger()

#: kombu's own; imported so that its half-typed internals count as what they are here: anything
stock: Any = importlib.import_module("kombu.transport.redis")

#: How long one wait for an empty queue lasts, in seconds; after it all lists are looked into, those of other
#: priorities included, which nobody waits for.
WAIT_S = 1

#: Look without a hint if there was none for so long: a connection that hangs must not leave messages lying.
LOOK_EVERY_S = 3.0


class Waiter:
    """A connection on which the server tells that a queue is not empty."""

    def __init__(self, channel: "AtomicChannel", queue: str) -> None:
        self.queue = queue
        self.kind = f"WAIT {queue}"
        self.connection_pool = channel.async_pool
        self.connection: Any = None
        #: when the wait in progress began, on the monotonic clock
        self.since: float | None = None

    def start(self) -> None:
        self.since = monotonic()
        self.connection.send_command("BLMOVE", self.queue, self.queue, "RIGHT", "RIGHT", WAIT_S)

    def drop(self) -> None:
        """A connection that failed or hangs: the next look makes another."""
        self.since = None
        self.connection.disconnect()


class AtomicQoS(stock.QoS):
    """What this channel holds. Taking has put it on record already."""

    def append(self, message: Any, delivery_tag: str) -> None:
        super(stock.QoS, self).append(message, delivery_tag)

    def ack(self, delivery_tag: str) -> None:
        self.channel._acknowledge(delivery_tag)
        super(stock.QoS, self).ack(delivery_tag)

    def reject(self, delivery_tag: str, requeue: bool = False) -> None:
        """Give back to the end of the queue, so that a message that kills its worker lets others pass; or drop."""
        if requeue:
            self.restore_by_tag(delivery_tag, leftmost=True)
        else:
            self.channel._acknowledge(delivery_tag)
        super(stock.QoS, self).ack(delivery_tag)

    def restore_unacked(self, client: Any = None) -> None:
        """Give back everything, the message that was taken first to the front."""
        self._give_back(list(self._delivered), client, to_front=True)
        self._delivered.clear()

    def restore_by_tag(self, tag: str, client: Any = None, leftmost: bool = False) -> None:
        self._give_back([tag], client, to_front=not leftmost)

    def _give_back(self, tags: list[str], client: Any, *, to_front: bool) -> None:
        with self.channel.conn_or_acquire(client) as connection:
            redis_held.give_back(connection, self.channel._names, self.channel.consumer, tags, to_front=to_front)

    def restore_visible(self, start: int = 0, num: int | None = 10, interval: int = 10) -> None:
        """The last net: what was taken longer ago than the visibility timeout, on the server's clock."""
        self._vrestore_count += 1
        if (self._vrestore_count - 1) % (interval or 1):
            return
        with self.channel.conn_or_acquire() as client:
            try:
                with stock.Mutex(client, self.unacked_mutex_key, self.unacked_mutex_expire):
                    self._restore_overdue(client, start, num)
            except stock.MutexHeld:
                pass

    def _restore_overdue(self, client: Any, start: int, num: int | None) -> None:
        seconds, _ = client.time()
        names = self.channel._names
        ceiling = seconds - self.visibility_timeout
        for found in client.zrange(names.index, ceiling, 0, desc=True, byscore=True, offset=num and start, num=num):
            tag = bytes_to_str(found)
            holder = redis_held.holder_of(client, tag)
            if holder is None:  # taken by a worker that does not use this transport
                super().restore_by_tag(tag, client)
            else:
                redis_held.give_back(client, names, holder, [tag], to_front=True)


class Poller(stock.MultiChannelPoller):
    """Watches the waiting connections of each channel beside its own."""

    def on_poll_start(self) -> None:
        super().on_poll_start()
        for channel in self._channels:
            if channel.active_queues and channel.qos.can_consume():
                channel._wait(self)

    def on_readable(self, fileno: int) -> None:
        channel, kind = self._fd_to_chan.get(fileno, (None, ""))
        if channel is not None and kind.startswith("WAIT "):
            channel.handlers[kind]()  # a hint is read at any time, or its socket would keep the loop spinning
        else:
            super().on_readable(fileno)

    def handle_event(self, fileno: int, event: int) -> Any:
        channel, kind = self._fd_to_chan.get(fileno, (None, ""))
        if channel is not None and kind.startswith("WAIT ") and event & ERR and not event & READ:
            return channel.handlers[kind]()
        return super().handle_event(fileno, event)

    def maybe_check_brpop_health(self) -> None:
        super().maybe_check_brpop_health()
        for channel in self._channels:
            channel._drop_hanging_waiters()


class AtomicChannel(stock.Channel):
    """See the module."""

    QoS = AtomicQoS

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._liveness: Liveness | None = None
        self._waiters: dict[str, Waiter] = {}
        #: queues whose consumers acknowledge nothing
        self._unacknowledged: set[str] = set()
        #: whether a look is worth while: it is until one found nothing, and again after a hint
        self._is_hungry = True
        self._looked_at = monotonic()
        self._script = ""
        #: this channel's name as a holder of messages; a new connection is a new one
        self.consumer = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
        super().__init__(*args, **kwargs)
        self._names = redis_held.Names(unacked=self.unacked_key, index=self.unacked_index_key)

    # ---------------------------------------------------------------------------------------------------- consuming

    def basic_consume(self, queue: str, no_ack: bool, *args: Any, **kwargs: Any) -> Any:
        if no_ack:
            self._unacknowledged.add(queue)
        else:
            self._unacknowledged.discard(queue)
        self._is_hungry = True
        return super().basic_consume(queue, no_ack, *args, **kwargs)

    def _brpop_start(self, **_: Any) -> None:
        """In place of a blocking pop: the script, whose answer comes at once. Nothing while the queues are empty."""
        now = monotonic()
        if not self._is_hungry and now - self._looked_at < LOOK_EVERY_S:
            return
        lists = self._lists(self._queue_cycle.consume(len(self.active_queues)))
        if not lists:
            return
        self._live()
        number, arguments = redis_held.take_arguments(self._names, self.consumer, lists)
        command = ("EVALSHA", self._script) if self._script else ("EVAL", TAKE)
        self._in_poll = self.client.connection
        self._brpop_sent_at = self._looked_at = now
        self.client.connection.send_command(*command, number, *arguments)

    def _brpop_read(self, **_: Any) -> bool:
        try:
            taken = self._read_taken()
        finally:
            self._in_poll = None
            self._flush_brpop_reauth()
        if taken is None:
            raise Empty
        queue, message = taken
        self._queue_cycle.rotate(queue)
        self.connection._deliver(message, queue)
        return True

    def _read_taken(self) -> tuple[str, Any] | None:
        connection = self.client.connection
        try:
            reply = connection.read_response()
        except NoScriptError:
            self._script = ""  # a server that was restarted or flushed: it gets the text again
            self._is_hungry = True
            return None
        except self.connection_errors:
            connection.disconnect()
            raise
        except ResponseError as error:
            # A server that has become a replica, or is full: the worker connects again until it is better.
            connection.disconnect()
            raise RedisConnectionError(f"Redis gives out no message: {error}") from error
        self._script = self._script or _sha1(TAKE)
        self._is_hungry = reply is not None
        return None if reply is None else self._message(reply)

    def _message(self, reply: Any) -> tuple[str, Any] | None:
        name, raw, *unreadable = reply
        queue = bytes_to_str(name).rsplit(self.sep, 1)[0]
        if unreadable:
            log.error(
                "a message that nobody can read is set aside", queue=queue, kept_in=redis_held.UNREADABLE, size=len(raw)
            )
            return None
        return queue, loads(bytes_to_str(raw))

    def _get(self, queue: str, **_: Any) -> Any:
        """One message, for those who ask instead of consuming; they acknowledge it or not, so it is on record."""
        self._live()
        with self.conn_or_acquire() as client:
            reply = redis_held.take(client, self._names, self.consumer, self._lists([queue]))
            self._maybe_update_queues_expire(client, queue)
        taken = None if reply is None else self._message(reply)
        if taken is None:
            raise Empty
        return taken[1]

    def basic_get(self, queue: str, no_ack: bool = False, **kwargs: Any) -> Any:
        message = super().basic_get(queue, no_ack=no_ack, **kwargs)
        if no_ack and message is not None:
            self._acknowledge(message.delivery_tag)
        return message

    def _lists(self, queues: list[str]) -> list[tuple[str, bool]]:
        """Every list of these queues, in the order of priority, and whether what is in it is acknowledged."""
        return [
            (self._q_for_pri(queue, priority), queue not in self._unacknowledged)
            for priority in self.priority_steps
            for queue in queues
        ]

    def _acknowledge(self, tag: str) -> None:
        with self.conn_or_acquire() as client:
            redis_held.acknowledge(client, self._names, self.consumer, tag)

    def _restore(self, message: Any, leftmost: bool = False) -> None:
        self.qos.restore_by_tag(message.delivery_tag, leftmost=leftmost)

    # ----------------------------------------------------------------------------------------------------- bindings

    def _lookup(self, exchange: str, routing_key: str, default: str | None = None) -> list[str]:
        """Where a message goes. A server that lost its memory lost the bindings too, and kombu would drop the message."""
        found = super()._lookup(exchange, routing_key, default)
        if found or not self._bind_again(exchange):
            return list(found)
        return list(super()._lookup(exchange, routing_key, default))

    def _bind_again(self, exchange: str | None = None) -> bool:
        """Tell the server again of every binding that this process has declared; False when there is none."""
        known = [key for key in list(self.state.bindings) if exchange in (None, key.exchange)]
        for queue, source, key in known:
            arguments = self.state.bindings.get((queue, source, key))
            self._queue_bind(source, *self.typeof(source).prepare_bind(queue, source, key, arguments))
        return bool(known)

    # ------------------------------------------------------------------------------------------------------ waiting

    def _wait(self, poller: Poller) -> None:
        """Have the server tell of the next message, once a look has found nothing."""
        if self._is_hungry or self._in_poll:
            return
        for queue in self.active_queues:
            waiter = self._waiters.get(queue)
            if waiter is None:
                waiter = self._waiters[queue] = Waiter(self, queue)
                self.handlers[waiter.kind] = self._reader(waiter)
            if not poller._client_registered(self, waiter, waiter.kind):
                waiter.since = None
                poller._register(self, waiter, waiter.kind)
            if waiter.since is None:
                waiter.start()

    def _reader(self, waiter: Waiter) -> Callable[[], bool]:
        def read() -> bool:
            try:
                waiter.connection.read_response()
            except self.connection_errors:
                waiter.drop()
                raise
            except ResponseError as error:
                waiter.drop()
                raise RedisConnectionError(f"Redis does not tell of messages: {error}") from error
            waiter.since = None
            self._is_hungry = True
            raise Empty

        return read

    def _poll_error(self, type: str, **options: Any) -> None:  # noqa: A002 - kombu's name
        if type == "LISTEN":
            super()._poll_error(type, **options)
        else:
            self._read_taken()

    def _drop_hanging_waiters(self) -> None:
        if not self.health_check_interval:
            return
        overdue = monotonic() - WAIT_S - self.health_check_interval
        for waiter in self._waiters.values():
            if (
                waiter.since is not None
                and waiter.since < overdue
                and not stock._socket_readable(waiter.connection._sock)
            ):
                log.warning("a wait for messages has no end; its connection is dropped", queue=waiter.queue)
                waiter.drop()

    # ----------------------------------------------------------------------------------------------------- liveness

    def _live(self) -> None:
        """From the first message on this channel counts as a holder of messages."""
        if self._liveness is None:
            self._liveness = Liveness(self._own_client(), self._names, self.consumer, self._bind_again)
            self._liveness.start()

    def _own_client(self) -> Redis:
        """A pool of its own; what fails is tried at the next beat, not at once and for long."""
        pool = self._get_pool()
        pool.connection_kwargs["retry"] = Retry(NoBackoff(), 0)
        return Redis(connection_pool=pool)

    def _after_fork(self) -> None:
        self._liveness = None  # the parent's thread; it does not run here
        super()._after_fork()

    def close(self) -> None:
        try:
            super().close()
        finally:  # also where the server is away: who renewed the name of a closed channel would keep its messages
            liveness, self._liveness = self._liveness, None
            if liveness is not None:
                liveness.end()


class AtomicSentinelChannel(AtomicChannel, stock.SentinelChannel):
    """The same where Sentinel says which server is the primary."""


class Transport(stock.Transport):
    """For redis://, rediss:// and redis+socket://."""

    Channel = AtomicChannel

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.cycle = Poller()


class SentinelTransport(Transport):
    """For sentinel://."""

    default_port = 26379
    Channel = AtomicSentinelChannel


def _sha1(script: str) -> str:
    return hashlib.sha1(script.encode(), usedforsecurity=False).hexdigest()


def _aliases() -> Iterator[tuple[str, str]]:
    yield from ((scheme, f"{__name__}:Transport") for scheme in ("redis", "rediss"))
    yield "sentinel", f"{__name__}:SentinelTransport"


def install() -> None:
    """Every connection of this process to a Redis URL goes through this transport."""
    kombu.transport.TRANSPORT_ALIASES.update(_aliases())
    kombu.transport._transport_cache.clear()
