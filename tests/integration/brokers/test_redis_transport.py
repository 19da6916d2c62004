"""Our Redis transport: what is taken is on record, what a gone consumer held is another's, and plain clients fit in."""

from __future__ import annotations

import contextlib
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import redis as client

from tasks import redis_held
from tasks.redis_held import ALIVE, CONSUMERS, HELD, UNREADABLE, Names
from tests.integration.brokers.conftest import SOON_S, STOCK, OpenReader, Publish
from tests.support.processes import ROOT, Process
from tests.support.servers.redis import RedisServer
from tests.support.waiting import eventually

pytestmark = [pytest.mark.integration, pytest.mark.redis, pytest.mark.timeout(600)]

NAMES = Names(unacked="unacked", index="unacked_index")


def test_a_message_of_a_plain_client_is_taken_and_acknowledged_without_a_trace(
    open_reader: OpenReader, publish: Publish, server: client.Redis
) -> None:
    reader = open_reader()
    publish("one", "two", "three")

    messages = reader.read(3)
    assert reader.bodies == ["one", "two", "three"]
    assert server.hlen("unacked") == server.zcard("unacked_index") == server.hlen(HELD + reader.name) == 3
    for message in messages:
        message.ack()

    assert server.exists("unacked", "unacked_index", HELD + reader.name, "orders") == 0


def test_every_queue_and_priority_is_read(open_reader: OpenReader, publish: Publish) -> None:
    reader = open_reader("orders", "steps", "housekeeping")
    publish("urgent", to="steps", priority=0)
    publish("patient", to="steps", priority=9)
    publish("order")
    publish("house", to="housekeeping")

    reader.read(4)

    assert sorted(reader.bodies) == ["house", "order", "patient", "urgent"]


def test_a_consumer_takes_no_more_than_it_may_hold(
    open_reader: OpenReader, publish: Publish, server: client.Redis
) -> None:
    reader = open_reader(prefetch=1)
    publish("one", "two")

    (first,) = reader.read(1)
    assert reader.read_what_comes() == []
    assert server.llen("orders") == 1
    first.ack()

    assert [message.payload for message in reader.read(2)] == ["two"]


def test_what_a_gone_consumer_held_comes_first_again_in_its_order_and_says_so(
    open_reader: OpenReader, publish: Publish, server: client.Redis
) -> None:
    gone = open_reader()
    publish("one", "two", "three")
    held = gone.read(3)
    publish("four")
    _fall_silent(gone.consumer.channel, server)
    assert redis_held.bury(server, NAMES, gone.name) == 3

    other = open_reader()
    messages = other.read(4)

    assert other.bodies == ["one", "two", "three", "four"]
    assert [bool(message.headers.get("redelivered")) for message in messages] == [True, True, True, False]
    assert [bool(message.delivery_info.get("redelivered")) for message in messages] == [True, True, True, False]
    assert [message.headers.get("x-delivery-count") for message in messages] == [1, 1, 1, None]
    assert not {message.delivery_tag for message in held} & {message.delivery_tag for message in messages}
    assert gone.name.encode() not in server.smembers(CONSUMERS)


def test_a_consumer_that_wakes_up_can_t_acknowledge_what_another_holds(
    open_reader: OpenReader, publish: Publish, server: client.Redis
) -> None:
    paused = open_reader()
    publish("order")
    (before,) = paused.read(1)
    _fall_silent(paused.consumer.channel, server)
    other = open_reader()
    (after,) = other.read(1)

    before.ack()
    before.channel.qos.reject(before.delivery_tag, requeue=True)

    assert server.hlen("unacked") == server.hlen(HELD + other.name) == 1
    assert server.llen("orders") == 0
    after.ack()
    assert server.exists("unacked", "unacked_index") == 0


def test_what_a_living_consumer_holds_is_left_to_it(
    open_reader: OpenReader, publish: Publish, server: client.Redis
) -> None:
    reader = open_reader()
    publish("order")
    reader.read(1)
    _says_for_good_that_it_lives(reader.consumer.channel, server)

    assert redis_held.bury(server, NAMES, reader.name) == 0

    assert server.hlen(HELD + reader.name) == 1
    assert reader.name.encode() in server.smembers(CONSUMERS)


def test_a_consumer_that_is_closed_gives_back_what_it_holds_at_once(
    open_reader: OpenReader, publish: Publish, server: client.Redis
) -> None:
    reader = open_reader()
    publish("one", "two")
    reader.read(2)

    reader.connection.close()

    assert server.llen("orders") == 2
    assert server.exists("unacked", HELD + reader.name, ALIVE + reader.name) == 0
    assert [message.payload for message in open_reader().read(2)] == ["one", "two"]


def test_a_message_that_is_given_back_lets_others_pass(open_reader: OpenReader, publish: Publish) -> None:
    reader = open_reader(prefetch=1)
    publish("poison", "sound")

    (poison,) = reader.read(1)
    poison.requeue()
    (sound,) = reader.read(2)
    sound.ack()
    (again,) = reader.read(3)

    assert [sound.payload, again.payload] == ["sound", "poison"]
    assert again.headers["x-delivery-count"] == 1


def test_what_was_taken_too_long_ago_comes_back_whoever_took_it(
    open_reader: OpenReader, publish: Publish, server: client.Redis
) -> None:
    ours, plain = open_reader(), open_reader("steps", transport=STOCK)
    publish("ours")
    publish("plain", to="steps")
    ours.read(1)
    plain.read(1)
    for tag, _ in server.zscan_iter("unacked_index"):
        server.zadd("unacked_index", {tag: 1})

    other = open_reader("orders", "steps", visibility_timeout=120, unacked_restore_throttle=1)

    other.read(2)
    assert sorted(other.bodies) == ["ours", "plain"]


def test_a_message_that_nobody_can_read_is_set_aside_and_the_next_is_delivered(
    open_reader: OpenReader, publish: Publish, server: client.Redis
) -> None:
    reader = open_reader()
    for garbage in ("no json", "[]", '{"properties": {}}', '{"properties": {"delivery_info": {}}}'):
        server.lpush("orders", garbage)
    publish("order")

    assert [message.payload for message in reader.read(1)] == ["order"]
    assert server.llen(UNREADABLE) == 4


def test_a_consumer_that_acknowledges_nothing_leaves_nothing(
    open_reader: OpenReader, publish: Publish, server: client.Redis
) -> None:
    reader = open_reader(no_ack=True)
    publish("answer")

    reader.read(1)

    assert server.exists("unacked", "unacked_index", HELD + reader.name) == 0


@pytest.mark.parametrize("forget", [client.Redis.script_flush, client.Redis.flushdb])
def test_a_server_that_forgot_its_scripts_or_everything_goes_on(
    open_reader: OpenReader, publish: Publish, server: client.Redis, forget: Callable[[client.Redis], object]
) -> None:
    reader = open_reader()
    publish("before")
    (before,) = reader.read(1)

    forget(server)
    before.ack()
    # kombu drops what no queue is bound to: after a flush ours are bound again by those who read them
    eventually(lambda: server.exists("_kombu.binding.orders"), within_s=SOON_S, describe="the queue is bound")
    publish("after")

    assert [message.payload for message in reader.read(2)] == ["after"]


def test_a_fraction_and_a_large_number_keep_their_digits_through_a_redelivery(
    open_reader: OpenReader, publish: Publish, server: client.Redis
) -> None:
    request = {"quantity": 0.1, "id": 12345678901234567890, "empty": [], "none": None, "text": "ä/\u2028\x7f"}
    gone = open_reader()
    publish(request)
    gone.read(1)
    _fall_silent(gone.consumer.channel, server)

    (again,) = open_reader().read(1)

    assert again.payload == request


def test_a_consumer_whose_server_went_away_is_no_holder_any_more(
    open_reader: OpenReader, publish: Publish, private_redis: RedisServer
) -> None:
    reader = open_reader()
    publish("order")
    reader.read(1)

    private_redis.kill()
    with contextlib.suppress(OSError, client.RedisError):
        reader.connection.close()
    private_redis.start()

    (again,) = open_reader().read(1)
    assert again.payload == "order"
    assert again.headers["redelivered"]


class Runner:
    """Consumers in processes of their own."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url = url
        self.out = folder / "out"
        self._folder = folder
        self._number = 0

    def start(self, transport: str = "tasks.redis_transport:Transport") -> Process:
        self._number += 1
        program = ROOT / "tests/support/redis_consumer.py"
        command = [sys.executable, program, self.url, "orders", self.out, transport]
        log = self._folder / f"consumer-{self._number}.log"
        process = Process(command, log=log, env={"PYTHONPATH": str(ROOT)}).start()
        process.wait_until(lambda: "ready" in process.logs(), within_s=SOON_S, why="it consumes")
        return process

    def lines(self) -> list[str]:
        return self.out.read_text().splitlines() if self.out.exists() else []


@pytest.fixture
def runner(private_redis: RedisServer, tmp_path: Path) -> Runner:
    return Runner(private_redis.url, tmp_path)


@pytest.fixture
def redis_url(private_redis: RedisServer) -> str:
    """Whoever asks which commands are waiting must be alone on the server."""
    return private_redis.url


def test_a_consumer_killed_while_the_server_tells_it_of_a_message_loses_nothing(
    runner: Runner, publish: Publish, server: client.Redis
) -> None:
    with runner.start() as doomed:
        eventually(lambda: _blocked(server), within_s=SOON_S, describe="it waits for messages")
        doomed.pause()
        publish("order")
        eventually(lambda: not _blocked(server), within_s=SOON_S, describe="the server has answered it")
        doomed.kill()

    with runner.start():
        eventually(runner.lines, within_s=SOON_S, describe="the message is delivered")
    assert [line.split()[0] for line in runner.lines()] == ["order"]


def test_a_consumer_killed_with_a_message_on_its_way_to_it_loses_nothing(
    runner: Runner, publish: Publish, server: client.Redis
) -> None:
    with runner.start() as doomed:
        eventually(lambda: _blocked(server), within_s=SOON_S, describe="it waits for messages")
        doomed.pause()
        publish("order")
        server.execute_command("CLIENT", "PAUSE", 600_000, "WRITE")
        doomed.resume()
        eventually(lambda: _asks(server), within_s=SOON_S, describe="it has asked for the message")
        doomed.pause()
        server.execute_command("CLIENT", "UNPAUSE")
        eventually(lambda: server.hlen("unacked") == 1, within_s=SOON_S, describe="the server has taken it out")
        doomed.kill()

    with runner.start():
        eventually(runner.lines, within_s=SOON_S, describe="the message is delivered")
    assert runner.lines() == ["order True"]


def test_kills_at_any_moment_lose_nothing(runner: Runner, publish: Publish, server: client.Redis) -> None:
    bodies = [f"order-{number}" for number in range(300)]
    publish(*bodies)
    for kill_at in (20, 60, 100, 140, 180, 220):
        with runner.start() as doomed:
            eventually(lambda at=kill_at: len(runner.lines()) >= at, within_s=SOON_S, describe=f"{kill_at} are taken")
            doomed.kill(signal.SIGKILL)
    with runner.start():
        eventually(lambda: _all_taken(server), within_s=SOON_S, describe="everything is acknowledged")

    assert {line.split()[0] for line in runner.lines()} == set(bodies)


def _fall_silent(channel: object, server: client.Redis) -> None:
    """As a process that was killed, or stopped for longer than its life."""
    channel._liveness._stopping.set()  # type: ignore[attr-defined]
    channel._liveness.join()  # type: ignore[attr-defined]
    server.delete(ALIVE + channel.consumer)  # type: ignore[attr-defined]


def _says_for_good_that_it_lives(channel: object, server: client.Redis) -> None:
    """Its word usually holds for a moment only, and this process may stand still for longer."""
    channel._liveness._stopping.set()  # type: ignore[attr-defined]
    channel._liveness.join()  # type: ignore[attr-defined]
    server.set(ALIVE + channel.consumer, 1)  # type: ignore[attr-defined]


def _blocked(server: client.Redis) -> int:
    return int(server.info("clients")["blocked_clients"])


def _asks(server: client.Redis) -> bool:
    """Whether its question stands before the paused server; an idle connection shows its last command as well."""
    return any(str(one["cmd"]).startswith("eval") and "b" in one["flags"] for one in server.client_list())


def _all_taken(server: client.Redis) -> bool:
    return server.llen("orders") == 0 and server.hlen("unacked") == 0
