"""Messages and dead letters over HTTP and on the command line, from what the database holds."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from models.errors import Refusal
from storage.dead_letters import Kept, keep_dead_letter, letter_id_of
from storage.engine import write
from storage.messages import Happened, What, record
from tests.integration.api.conftest import ORDER, Api
from tests.support.processes import clean_environment

NOBODY = 999_999_999


def _keep(api: Api, message_id: str, *, task: str = "orders.submit", body: object = None, **more: object) -> int:
    now = datetime.now(UTC)
    refusal = Refusal("it was refused", code=str(more.pop("code", "INVALID_REQUEST")))
    with write(api.engine) as conn:
        keep_dead_letter(
            conn, task=task, message_id=message_id, body=body or {}, refusal=refusal, now=now, queue="orders", **more
        )  # type: ignore[arg-type]
        at = {"message_id": message_id, "task": task, "queue": "orders"}
        record(conn, [Happened(what=What.RECEIVED, at=now, **at), Happened(what=What.DEAD, at=now, **at)])
        return letter_id_of(conn, message_id)


def _refused(answer: httpx.Response, status: int, code: str) -> None:
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert answer.headers["content-type"] == "application/problem+json"


def test_messages_are_listed_newest_first_and_by_what_is_asked(api: Api) -> None:
    now = datetime.now(UTC)
    with write(api.engine) as conn:
        for number, what in enumerate((What.SUCCEEDED, What.FAILED)):
            at = now + timedelta(days=400 + number)  # after whatever else this module's database holds
            for event in (What.PUBLISHED, What.RECEIVED, what):
                record(
                    conn,
                    [Happened(message_id=f"l{number}", what=event, at=at, task=f"t{number}", queue="q", order_id="lo")],
                )

    def ids(**query: object) -> list[str]:
        answer = api.client.get("/v1/messages", params=query)
        assert answer.status_code == 200, answer.text
        return [item["id"] for item in answer.json()["items"]]

    assert ids(limit=2) == ["l1", "l0"]
    assert ids(order="lo", status="failed") == ["l1"]
    assert ids(task="t0") == ["l0"]
    assert ids(queue="q", limit=1) == ["l1"]
    assert ids(order="nobody") == []
    stats = api.client.get("/v1/messages/stats", params={"since": (now + timedelta(days=399)).isoformat()}).json()
    assert [(item["task"], item["succeeded"], item["failed"]) for item in stats["items"]] == [
        ("t0", 1, 0),
        ("t1", 0, 1),
    ]
    assert (stats["counted"], stats["complete"]) == (2, True)


@pytest.mark.parametrize(
    "path",
    [
        "/v1/messages?status=fine",
        "/v1/messages?limit=0",
        "/v1/messages?color=red",
        "/v1/messages/stats?since=yesterday",
        "/v1/dead-letters?status=dead",
        "/v1/dead-letters?before=x",
    ],
)
def test_a_question_that_breaks_a_rule_is_refused(api: Api, path: str) -> None:
    _refused(api.client.get(path), 422, "INVALID_REQUEST")


@pytest.mark.parametrize("number", [str(NOBODY), "0", "x", "-1", "1.5", "9" * 30])
def test_a_letter_that_does_not_exist_is_not_found(api: Api, number: str) -> None:
    _refused(api.client.get(f"/v1/dead-letters/{number}"), 404, "NOT_FOUND")
    _refused(api.client.post(f"/v1/dead-letters/{number}/replay"), 404, "NOT_FOUND")
    _refused(api.client.post(f"/v1/dead-letters/{number}/discard"), 404, "NOT_FOUND")


def test_a_letter_is_shown_with_its_body_and_its_history(api: Api) -> None:
    number = _keep(api, "shown", body={"request": {"a": "1"}})
    shown = api.client.get(f"/v1/dead-letters/{number}").json()
    assert (shown["body"], shown["code"], shown["status"], shown["decision"]) == (
        {"request": {"a": "1"}},
        "INVALID_REQUEST",
        "open",
        None,
    )
    assert [event["event"] for event in shown["events"]] == ["received", "dead"]
    assert number in [item["id"] for item in api.client.get("/v1/dead-letters?status=open").json()["items"]]


def test_letters_are_paged(api: Api) -> None:
    numbers = [_keep(api, f"page{index}", code="PAGED") for index in range(3)]
    first = api.client.get("/v1/dead-letters?code=PAGED&limit=2").json()
    assert [item["id"] for item in first["items"]] == numbers[:0:-1]
    rest = api.client.get(f"/v1/dead-letters?code=PAGED&limit=2&before={first['next_before']}").json()
    assert [item["id"] for item in rest["items"]] == numbers[:1]
    assert rest["next_before"] is None


def test_sixty_four_replays_at_once_are_one_order(api: Api) -> None:
    request = {**ORDER, "client_order_id": "replayed-at-once"}
    number = _keep(api, "at-once", body={"request": request})
    before = api.rows()

    def replay(index: int) -> httpx.Response:
        return api.client.post(f"/v1/dead-letters/{number}/replay", json={"by": f"p{index}"})

    with ThreadPoolExecutor(64) as pool:
        answers = list(pool.map(replay, range(64)))

    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.text for answer in answers}) == 1
    assert sum("idempotency-replayed" not in answer.headers for answer in answers) == 1
    after = api.rows()
    assert after["orders"] == before["orders"] + 1
    assert answers[0].json()["decision"]["by"].endswith("(http)")


def test_a_request_that_is_refused_again_says_why_and_stays_open(api: Api) -> None:
    number = _keep(api, "again", body={"request": {**ORDER, "quantity": "no"}})
    _refused(api.client.post(f"/v1/dead-letters/{number}/replay"), 422, "INVALID_REQUEST")
    assert api.client.get(f"/v1/dead-letters/{number}").json()["status"] == "open"


def test_a_discarded_letter_is_neither_replayed_nor_reopened(api: Api) -> None:
    number = _keep(api, "discarded", body={"request": ORDER})
    discarded = api.client.post(f"/v1/dead-letters/{number}/discard", json={"note": "ours", "by": "ann"})
    assert discarded.json()["decision"] | {"at": ""} == {
        "at": "", "by": "ann (http)", "note": "ours", "outcome": "laid aside",
    }  # fmt: skip
    assert api.client.post(f"/v1/dead-letters/{number}/discard").json() == discarded.json()
    _refused(api.client.post(f"/v1/dead-letters/{number}/replay"), 409, "LETTER_DECIDED")


def test_what_was_cut_is_not_replayed(api: Api) -> None:
    number = _keep(api, "cut", body={"cut": "…"}, kept=Kept.CUT)
    _refused(api.client.post(f"/v1/dead-letters/{number}/replay"), 409, "NOT_REPLAYABLE")


def test_a_decision_takes_a_note_and_a_name_and_nothing_else(api: Api) -> None:
    number = _keep(api, "noted")
    for body in ({"note": "x" * 1001}, {"by": "two\nlines"}, {"why": "?"}):
        _refused(api.client.post(f"/v1/dead-letters/{number}/discard", json=body), 422, "INVALID_REQUEST")


def test_the_command_line_shows_and_decides(api: Api) -> None:
    number = _keep(api, "typed", task="orders.sbumit", code="UNKNOWN_TASK")
    url = httpx.URL(api.url)
    env = {**clean_environment(), "STEADFILL_API_PORT": str(url.port), "STEADFILL_CONFIG": os.devnull}

    def steadfill(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "cli.main", *arguments]
        return subprocess.run(command, env=env, capture_output=True, text=True, timeout=120, check=False)

    assert "orders.sbumit" in steadfill("dead-letters", "list", "--code", "UNKNOWN_TASK").stdout
    assert "it was refused" in steadfill("dead-letters", "show", str(number)).stdout
    refused = steadfill("dead-letters", "replay", str(number))
    assert (refused.returncode, "NOT_REPLAYABLE" in refused.stderr) == (1, True)
    assert steadfill("dead-letters", "discard", str(number)).returncode == 2  # without --note
    assert "discarded by" in steadfill("dead-letters", "discard", str(number), "--note", "misspelt").stdout
    assert f'"id": {number}' in steadfill("dead-letters", "show", str(number), "--json").stdout
    assert "typed" in steadfill("messages", "list", "--status", "dead", "--limit", "500").stdout
    assert "orders.sbumit" in steadfill("messages", "stats").stdout
    assert steadfill("dead-letters", "show", str(NOBODY)).returncode == 1
