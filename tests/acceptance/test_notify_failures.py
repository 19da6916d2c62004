"""`notify` at least once, with real processes: the broker away, the relay killed, the broker flushed, the database back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from storage.engine import read
from tests.acceptance.client import Document
from tests.acceptance.deployment import Deployment, Server
from tests.acceptance.stacks import RABBITMQ, REDIS, SQLITE, on
from tests.acceptance.test_notify import Listener, listening
from tests.support.waiting import eventually

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(600)]

#: seconds for what takes a moment, or a retry's pause, on an idle machine
SOON_S = 120.0

#: the pieces in which a relay runs
RELAYS = ("beat", "worker-urgent")


def _own(deployment: Deployment, name: str) -> Server:
    if name not in deployment.servers:
        pytest.skip(f"the {name} of this run is lent, so it can't be killed")
    return deployment.servers[name]


@contextmanager
def armed(deployment: Deployment, stages: str, folder: Path, *names: str) -> Iterator[None]:
    """Start these pieces, which are down, with failpoints; inside, they may die. Afterwards they run without."""
    folder.mkdir()
    variables = {"STEADFILL_FAILPOINTS": stages, "STEADFILL_FAILPOINTS_DIR": str(folder)}
    for name in names:
        deployment.processes[name].env.update(variables)
    try:
        for name in names:
            deployment.processes[name].start()
        yield
    finally:
        for name in names:
            for variable in variables:
                deployment.processes[name].env.pop(variable)
        deployment.kill(*names)
        deployment.start_pieces()


def hits(folder: Path, stage: str) -> int:
    return len(list(folder.glob(f"{stage}.*")))


def place_until_the_relay_dies(deployment: Deployment, stage: str, folder: Path, listener: Listener) -> list[str]:
    """The ids of orders of which at least one notice was at that stage when its relay was killed; all have ended.

    A worker sweeps the outbox now and then as well, so one order alone might be told of without the relay.
    """
    ids: list[str] = []

    def another() -> bool:
        if not ids or deployment.client.status(ids[-1])["status"] == "FILLED":
            ids.append(deployment.client.place(price="63000", notify=listener.route)["id"])
        return hits(folder, stage) > 0

    deployment.kill(*RELAYS)
    with armed(deployment, f"{stage}=1*kill", folder, "beat"):
        eventually(another, within_s=SOON_S, describe="the relay reached the stage")
        assert deployment.processes["beat"].wait(within_s=SOON_S) == -9
    for order_id in ids:
        deployment.client.wait_for(order_id, "FILLED", within_s=SOON_S)
    return ids


def versions(deployment: Deployment, order_id: str) -> set[int]:
    return set(range(1, deployment.client.show(order_id)["version"] + 1))


def hear_all(listener: Listener, deployment: Deployment, *order_ids: str) -> None:
    """Wait until the listener has heard every version of these orders, which have ended, each with its document."""
    wanted = {(order_id, version) for order_id in order_ids for version in versions(deployment, order_id)}

    def all_heard(heard: list[Document]) -> bool:
        return wanted <= {(notice["document"]["id"], notice["version"]) for notice in heard}

    listener.wait_until(all_heard, f"every version of {order_ids}")
    feed = {(item["order_id"], item["version"]): item["document"] for item in events(deployment)}
    for notice in listener.heard:
        assert notice["document"] == feed[notice["document"]["id"], notice["version"]]


def events(deployment: Deployment) -> Iterator[Document]:
    """The whole feed."""
    after = ""
    while True:
        answer = deployment.client.http.get("/v1/events", params={"after": after, "limit": 1000})
        assert answer.status_code == 200, answer.text
        yield from answer.json()["items"]
        if not answer.json()["items"]:
            return
        after = answer.json()["next_cursor"]


def test_broker_that_is_away_at_the_change_delays_the_notice(disturbed: Deployment):
    broker = _own(disturbed, "broker")
    with listening(disturbed) as before:
        route = before.route
    broker.kill()
    placed = disturbed.client.place(price="63000", notify=route)

    broker.start()

    disturbed.client.wait_for(placed["id"], "FILLED", within_s=SOON_S)
    with listening_again(disturbed, route) as listener:
        hear_all(listener, disturbed, placed["id"])


@contextmanager
def listening_again(deployment: Deployment, route: dict[str, str]) -> Iterator[Listener]:
    """Another service's worker, started while its messages may be there already."""
    listener = Listener(deployment, route["queue"])
    try:
        yield listener
    finally:
        listener.close()


def test_relay_that_is_killed_between_publish_and_delete_sends_the_notice_again(disturbed: Deployment, tmp_path: Path):
    with listening(disturbed) as listener:
        rounds = count()

        def one_more_round() -> bool:
            """What was at that stage may have been another row than a notice: then again."""
            ids = place_until_the_relay_dies(disturbed, "publish.sent", tmp_path / f"hits-{next(rounds)}", listener)
            hear_all(listener, disturbed, *ids)
            return _heard_one_twice(listener.heard)

        eventually(one_more_round, within_s=2 * SOON_S, describe="a notice that the dead relay published comes again")


def _untold(deployment: Deployment) -> int:
    """Notices that no broker has acknowledged yet."""
    with read(deployment.engine) as conn:
        return int(conn.execute(text("SELECT count(*) FROM outbox WHERE kind = 'notify'")).scalar_one())


def _heard_one_twice(heard: list[Any]) -> bool:
    told = [(notice["document"]["id"], notice["version"]) for notice in heard]
    return len(told) > len(set(told))


@pytest.mark.parametrize("stage", ["publish.claimed", "publish.sending", "publish.removed"])
@on(SQLITE)
def test_relay_that_is_killed_at_any_other_stage_loses_no_notice(disturbed: Deployment, tmp_path: Path, stage: str):
    with listening(disturbed) as listener:
        ids = place_until_the_relay_dies(disturbed, stage, tmp_path / "hits", listener)

        hear_all(listener, disturbed, *ids)


@on(REDIS)
def test_flushed_broker_loses_only_what_it_had_taken_and_the_feed_has_it_all(disturbed: Deployment):
    """What Redis acknowledged and forgot can't be told again; what was not published yet is, and the feed has each."""
    import redis

    name = "another.service.flushed"
    route = {"queue": name, "task": f"{name}.changed"}
    lost = disturbed.client.place(price="63000", notify=route)["id"]
    disturbed.client.wait_for(lost, "FILLED", within_s=SOON_S)
    with redis.Redis.from_url(disturbed.settings.broker_url) as connection:
        eventually(
            lambda: connection.llen(name) >= len(versions(disturbed, lost)) and not _untold(disturbed),
            within_s=SOON_S,
            describe="all are told, and nothing is left to be told",
        )
        disturbed.kill(*RELAYS)
        kept = disturbed.client.place(price="63000", notify=route)["id"]
        connection.flushall()
    disturbed.start_pieces()

    disturbed.client.wait_for(kept, "FILLED", within_s=SOON_S)
    with listening_again(disturbed, route) as listener:
        hear_all(listener, disturbed, kept)
        assert {notice["document"]["id"] for notice in listener.heard} == {kept}
    feed = {(item["order_id"], item["version"]) for item in events(disturbed)}
    for order_id in (lost, kept):
        assert {version for found, version in feed if found == order_id} == versions(disturbed, order_id)


@on(REDIS, RABBITMQ)
def test_database_that_is_restarted_delays_the_notice(disturbed: Deployment):
    database = _own(disturbed, "database")
    with listening(disturbed) as listener:
        ids = [disturbed.client.place(price="63000", notify=listener.route)["id"] for _ in range(5)]
        database.kill()
        database.start()
        disturbed.engine.dispose()  # the test's own connections

        eventually(disturbed.client.is_ready, within_s=SOON_S, describe="orders are taken again")
        for order_id in ids:
            disturbed.client.wait_for(order_id, "FILLED", within_s=SOON_S)
        hear_all(listener, disturbed, *ids)
