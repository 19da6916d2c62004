"""GET /v1/events with a real API process: pages, cursors, waiting, what is gone, and a server that dies in between."""

from __future__ import annotations

import http.client
import json
import signal
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import httpx
import jsonschema
import pytest
from sqlalchemy import text

from storage.engine import write
from storage.events import forget_events, number
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from tests.integration.api.conftest import Api, StartApi
    from tests.support.servers.postgres import PostgresServer

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

#: seconds for what takes a moment on an idle machine
SOON_S = 60.0

Item = Mapping[str, Any]


def get(api: Api, **query: Any) -> httpx.Response:
    return api.client.get("/v1/events", params=query)


def page(api: Api, **query: Any) -> tuple[Sequence[Item], str]:
    answer = get(api, **query)
    assert answer.status_code == 200, answer.text
    return answer.json()["items"], answer.json()["next_cursor"]


def now_at(api: Api) -> str:
    """The cursor behind everything that there is."""
    items, cursor = page(api, limit=1000)
    while items:
        items, cursor = page(api, limit=1000, after=cursor)
    return cursor


def follow(api: Api, cursor: str, *, limit: int = 100) -> tuple[list[Item], str]:
    """Everything behind the cursor, page by page."""
    seen: list[Item] = []
    while True:
        items, cursor = page(api, after=cursor, limit=limit)
        if not items:
            return seen, cursor
        seen += items


def live(api: Api, name: str) -> str:
    """An order's life without a worker: placed, told to cancel, canceled. Three versions."""
    order_id = str(api.place(name).json()["id"])
    assert api.client.delete(f"/v1/orders/{order_id}").status_code == 202
    return order_id


def versions_of(items: Sequence[Item]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = defaultdict(list)
    for item in items:
        found[item["order_id"]].append(item["version"])
    return dict(found)


def test_each_version_of_an_order_is_there_once_with_the_document_as_it_was(api: Api) -> None:
    cursor = now_at(api)
    placed = api.place("feed-1", tags={"desk": "a"}).json()
    canceled = api.client.delete(f"/v1/orders/{placed['id']}").json()

    items, _ = follow(api, cursor)

    assert [(item["order_id"], item["client_order_id"], item["version"]) for item in items] == [
        (placed["id"], "feed-1", 1),
        (placed["id"], "feed-1", 2),
        (placed["id"], "feed-1", 3),
    ]
    assert [item["position"] - items[0]["position"] for item in items] == [0, 1, 2]
    assert [item["document"]["status"] for item in items] == ["RECEIVED", "RECEIVED", "CANCELED"]
    assert items[0]["document"] == placed
    assert items[2]["document"] == canceled == api.client.get(f"/v1/orders/{placed['id']}").json()
    assert [item["at"] for item in items] == [item["document"]["updated_at"] for item in items]


@pytest.mark.parametrize("limit", [1, 2, 1000])
def test_pages_of_any_size_resume_where_the_last_one_ended(api: Api, limit: int) -> None:
    cursor = now_at(api)
    ids = [live(api, f"paged-{limit}-{number}") for number in range(3)]

    items, end = follow(api, cursor, limit=limit)

    assert versions_of(items) == {order_id: [1, 2, 3] for order_id in ids}
    assert page(api, after=end) == ([], end), "the end keeps its cursor"
    assert page(api, after=items[-1]["position"]) == ([], end), "a position will do as well"


def test_without_a_cursor_the_feed_begins_with_what_is_kept(api: Api) -> None:
    live(api, "beginning")

    items, cursor = page(api, limit=1)

    assert items[0]["position"] == 1
    assert page(api, after="", limit=1) == (items, cursor)
    assert page(api, after=0, limit=1) == (items, cursor)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"after": "yesterday"}, "after"),
        ({"after": "-1"}, "after"),
        ({"after": "1.5.2"}, "after"),
        ({"after": "ABCDEF01.7"}, "after"),
        ({"after": "1" * 30}, "after"),
        ({"after": "\u0661"}, "after"),
        ({"limit": 0}, "limit"),
        ({"limit": 1001}, "limit"),
        ({"limit": "ten"}, "limit"),
        ({"wait_s": 31}, "wait_s"),
        ({"wait_s": -1}, "wait_s"),
        ({"atfer": "7"}, "atfer"),
    ],
)
def test_query_that_breaks_a_rule_is_a_problem_that_names_it(api: Api, query: dict[str, Any], field: str) -> None:
    answer = get(api, **query)

    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    assert [error["field"] for error in answer.json()["errors"]] == [field]


@pytest.mark.parametrize("after", ["00000000.1", "999999999"])
def test_cursor_of_another_feed_is_gone_and_says_what_to_do(api: Api, after: str) -> None:
    now_at(api)

    answer = get(api, after=after)

    assert (answer.status_code, answer.json()["code"]) == (410, "EVENTS_OF_ANOTHER_FEED")
    assert "without `after`" in answer.json()["detail"]


def test_place_that_is_deleted_is_gone_and_the_kept_ones_are_not(start_api: StartApi) -> None:
    api = start_api()
    start = now_at(api)
    live(api, "old")
    number(api.engine)
    long_after = datetime.now(UTC) + timedelta(days=1)
    assert forget_events(api.engine, long_after) == 3
    live(api, "new")

    answer = get(api, after=start)

    assert (answer.status_code, answer.json()["code"]) == (410, "EVENTS_GONE")
    assert "position 3" in answer.json()["detail"]
    assert "30 days" in answer.json()["detail"]
    items, _ = page(api)
    assert [item["position"] for item in items] == [4, 5, 6]
    assert page(api, after=3)[0] == items, "who had read up to the deleted ones has missed nothing"


def test_answers_are_as_the_description_says(api: Api) -> None:
    live(api, "described")
    document = api.client.get("/openapi.json").json()
    answers = document["paths"]["/v1/events"]["get"]["responses"]
    assert {"200", "410", "422", "503"} <= set(answers)
    schema = {"$ref": "#/components/schemas/EventPage", "components": document["components"]}

    jsonschema.validate(get(api).json(), schema)


def test_waiting_answers_with_the_next_change(api: Api) -> None:
    cursor = now_at(api)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(httpx.get, f"{api.url}/v1/events", params={"after": cursor, "wait_s": 30}, timeout=60)
        placed = api.place("waited-for").json()
        answer = waiting.result(timeout=60)

    assert [item["order_id"] for item in answer.json()["items"]] == [placed["id"]]


def test_waiting_for_nothing_ends_with_the_same_cursor(api: Api) -> None:
    cursor = now_at(api)

    assert page(api, after=cursor, wait_s=1) == ([], cursor)


def test_64_readers_at_once_see_one_and_the_same_feed_while_it_is_written(api: Api) -> None:
    cursor, readers, orders = now_at(api), 64, 8
    expected = 3 * orders
    give_up_at = time.monotonic() + 120

    def reading(_: int) -> list[Item]:
        seen: list[Item] = []
        after = cursor
        with httpx.Client(base_url=api.url, timeout=60) as client:
            while len(seen) < expected and time.monotonic() < give_up_at:
                answer = client.get("/v1/events", params={"after": after, "limit": 5, "wait_s": 5})
                assert answer.status_code == 200, answer.text
                seen += answer.json()["items"]
                after = answer.json()["next_cursor"]
        return seen

    with ThreadPoolExecutor(readers) as pool:
        running = [pool.submit(reading, number) for number in range(readers)]
        ids = [live(api, f"many-readers-{number}") for number in range(orders)]
        seen = [reader.result() for reader in running]

    assert versions_of(seen[0]) == {order_id: [1, 2, 3] for order_id in ids}
    assert all(items == seen[0] for items in seen)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def own_api(request: pytest.FixtureRequest, start_api: StartApi) -> Iterator[Api]:
    """One that the test may kill."""
    if request.param == "sqlite":
        yield start_api()
        return
    server: PostgresServer = request.getfixturevalue("postgres_server")
    url = server.create_database()
    running = start_api(url)
    yield running
    running.process.stop()
    running.engine.dispose()
    server.drop_database(url)


class Writers:
    """Two clients that place orders and cancel them until they are stopped, whatever becomes of the server."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._stopping = threading.Event()
        self._pool = ThreadPoolExecutor(2)
        self._running = [self._pool.submit(self._write, name) for name in ("one", "two")]

    def stop(self) -> set[str]:
        """The ids of all orders that were answered."""
        self._stopping.set()
        self._pool.shutdown()
        return {order_id for running in self._running for order_id in running.result()}

    def _write(self, name: str) -> list[str]:
        placed: list[str] = []
        with httpx.Client(base_url=self._api.url, timeout=SOON_S) as client:
            while not self._stopping.is_set():
                body = {**ORDER, "client_order_id": f"{name}-{len(placed)}"}
                try:
                    order_id = client.post("/v1/orders", json=body).json()["id"]
                    client.delete(f"/v1/orders/{order_id}")
                except (httpx.TransportError, KeyError):
                    continue  # killed, or not ready yet: the same request again is the same order
                placed.append(order_id)
        return placed


ORDER: Mapping[str, str] = {
    "venue": "paper", "symbol": "BTC/USDT", "side": "buy", "type": "limit", "quantity": "0.5", "price": "25000",
}  # fmt: skip


class Consumer:
    """Keeps its cursor, and nothing else, over whatever becomes of the server."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._cursor = ""
        self.seen: list[Item] = []

    def look(self, limit: int) -> int | None:
        """How many changes there were; None without an answer."""
        try:
            answer = self._api.client.get("/v1/events", params={"after": self._cursor, "limit": limit})
        except httpx.TransportError:
            return None  # the answer is lost, and the cursor is still that of the answer before
        if answer.status_code != 200:
            return None
        self.seen += answer.json()["items"]
        self._cursor = answer.json()["next_cursor"]
        return len(answer.json()["items"])

    def at_the_end(self) -> bool:
        """Read on; whether an answer says that there is no more."""
        return self.look(limit=500) == 0


def test_reader_resumes_by_its_cursor_over_kill_9_of_the_server(own_api: Api) -> None:
    """Writers and a reader go on while the server is killed again and again: nothing is missed, nothing is seen twice."""
    consumer, writers = Consumer(own_api), Writers(own_api)
    try:
        for kill in range(2):
            more, deadline = len(consumer.seen) + 15, time.monotonic() + SOON_S
            while len(consumer.seen) < more:
                assert time.monotonic() < deadline, f"the feed stands still before kill {kill + 1}"
                consumer.look(limit=7)
            own_api.process.kill(signal.SIGKILL)
            own_api.process.start()
            eventually(lambda: _answers(own_api), within_s=SOON_S, describe="the server is back")
    finally:
        placed = writers.stop()

    eventually(consumer.at_the_end, within_s=SOON_S, describe="the whole feed is read")
    assert [item["position"] for item in consumer.seen] == list(range(1, len(consumer.seen) + 1))
    found = versions_of(consumer.seen)
    assert placed <= set(found)
    for order_id, versions in found.items():
        last = own_api.client.get(f"/v1/orders/{order_id}").json()["version"]
        assert versions == list(range(1, last + 1))


def _answers(api: Api) -> bool:
    try:
        return api.client.get("/health/live").status_code == 200
    except httpx.TransportError:
        return False


def test_stop_sends_home_who_waits_for_a_change(own_api: Api) -> None:
    cursor = now_at(own_api)
    host, port = own_api.url.removeprefix("http://").split(":")
    waiting = http.client.HTTPConnection(host, int(port), timeout=SOON_S)
    waiting.request("GET", f"/v1/events?after={cursor}&wait_s=30")
    for _ in range(20):  # turns of the server's event loop, in which it takes up what was sent before
        assert _answers(own_api)

    own_api.process.send(signal.SIGTERM)

    answer = waiting.getresponse()
    assert (answer.status, json.loads(answer.read())) == (200, {"items": [], "next_cursor": cursor})
    waiting.close()
    assert own_api.process.wait(within_s=SOON_S) == 0


def test_a_reader_that_finds_the_head_locked_waits_and_loses_nothing(api: Api) -> None:
    """Somebody else numbers at this moment."""
    if api.engine.dialect.name == "sqlite":
        pytest.skip("on SQLite the head is locked by the one writer that there is")
    cursor = now_at(api)
    order_id = live(api, "locked-head")
    with ThreadPoolExecutor(1) as pool, write(api.engine) as conn:
        conn.execute(text("SELECT 1 FROM event_head FOR UPDATE"))
        reading = pool.submit(follow, api, cursor)
        eventually(lambda: _blocked(api), within_s=SOON_S, describe="the reader waits for the head")
        conn.rollback()
        items, _ = reading.result(timeout=60)

    assert versions_of(items) == {order_id: [1, 2, 3]}


def _blocked(api: Api) -> bool:
    with api.engine.connect() as conn:
        query = text(
            "SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE NOT l.granted AND a.datname = current_database()"
        )
        return bool(conn.execute(query).scalar_one())
