"""Who may call: keys where they are configured; otherwise this machine's programs and no web page."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from tests.support.processes import Process

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.api.conftest import Api, StartApi

pytestmark = pytest.mark.integration

KEYS = ("first-key-0123456789", "second-key-abcdefghi")


@pytest.fixture(scope="module")
def locked(start_api: StartApi) -> Api:
    return start_api(STEADFILL_API_KEYS=",".join(KEYS), STEADFILL_API_HOST="0.0.0.0")


@pytest.fixture(scope="module")
def unlocked(start_api: StartApi) -> Api:
    return start_api()


@pytest.mark.parametrize("key", KEYS)
def test_each_key_opens(locked: Api, key: str) -> None:
    assert locked.client.get("/v1/orders", headers={"authorization": f"Bearer {key}"}).status_code == 200


@pytest.mark.parametrize(
    "authorization",
    [None, "", "Bearer", "Bearer wrong", f"Basic {KEYS[0]}", KEYS[0], f"Bearer {KEYS[0]}x", f"Bearer {KEYS[0][:-1]}",
     f"Bearer {KEYS[0]},{KEYS[1]}", "Bearer \xff"],
)  # fmt: skip
@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/v1/orders"), ("POST", "/v1/orders"), ("POST", "/v1/halt"), ("GET", "/v1/nothing")]
)
def test_without_a_key_every_call_is_refused(locked: Api, method: str, path: str, authorization: str | None) -> None:
    before = locked.rows()
    headers = [] if authorization is None else [(b"authorization", authorization.encode("latin-1"))]

    answer = locked.client.request(method, path, headers=headers, json={} if method == "POST" else None)

    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert answer.json()["code"] == "UNAUTHORIZED"
    assert locked.rows() == before


def test_two_authorizations_are_none(locked: Api) -> None:
    headers = [("authorization", f"Bearer {KEYS[0]}"), ("authorization", "Bearer wrong")]

    assert locked.client.get("/v1/orders", headers=headers).status_code == 401


@pytest.mark.parametrize("path", ["/health/live", "/health", "/metrics", "/openapi.json"])
def test_what_watches_the_process_needs_no_key(locked: Api, path: str) -> None:
    assert locked.client.get(path).status_code == 200


def test_with_keys_any_host_may_be_named(locked: Api) -> None:
    headers = {"authorization": f"Bearer {KEYS[0]}", "host": "orders.example", "origin": "https://orders.example"}

    assert locked.client.get("/v1/orders", headers=headers).status_code == 200


def test_no_key_is_in_the_log_or_the_metrics(locked: Api) -> None:
    locked.client.get("/v1/orders", headers={"authorization": f"Bearer {KEYS[0]}"})
    locked.client.get(f"/v1/orders/{KEYS[1]}", headers={"authorization": f"Bearer {KEYS[1]}wrong"})

    seen = locked.process.logs() + locked.client.get("/metrics").text

    assert not [key for key in KEYS if key in seen]


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:8080", "LOCALHOST", "127.0.0.1", "127.0.0.1:1", "127.9.9.9", "[::1]", "[::1]:80"]
)
def test_without_keys_this_machines_names_are_taken(unlocked: Api, host: str) -> None:
    assert unlocked.client.get("/v1/orders", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "10.0.0.1",
        "",
        "[::2]",
        "0.0.0.0",
        "localhost@evil",
        "127.1",
    ],
)
@pytest.mark.parametrize("path", ["/v1/orders", "/health", "/metrics", "/openapi.json"])
def test_without_keys_a_foreign_host_is_refused(unlocked: Api, host: str, path: str) -> None:
    answer = unlocked.client.get(path, headers={"host": host})

    assert answer.status_code == 403
    assert answer.json()["code"] == "FOREIGN_HOST"


@pytest.mark.parametrize("origin", ["https://evil.example", "http://localhost", "http://127.0.0.1:8080", "null", ""])
def test_without_keys_any_origin_is_refused(unlocked: Api, origin: str) -> None:
    before = unlocked.rows()

    answer = unlocked.client.post("/v1/orders", headers={"origin": origin}, json={})

    assert answer.status_code == 403
    assert answer.json()["code"] == "FOREIGN_ORIGIN"
    assert unlocked.rows() == before


def test_without_keys_the_process_does_not_listen_beyond_this_machine(tmp_path: Path) -> None:
    process = Process(
        [sys.executable, "-m", "api"],
        log=tmp_path / "log",
        env={"STEADFILL_HOME": str(tmp_path), "STEADFILL_API_HOST": "0.0.0.0", "STEADFILL_BROKER_URL": "memory://"},
    ).start()

    assert process.wait(within_s=120) == 2
    assert "STEADFILL_API_KEYS" in process.logs()
    assert "Traceback" not in process.logs()
