"""What reaches Sentry: failures of the API and of tasks, traces from POST to fill, beat's check-ins, and no secret."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
from celery import Celery

from storage.schema import upgrade
from tests.acceptance.deployment import Deployment
from tests.acceptance.sentry_sink import Sink, sink
from tests.support.paper import KEY, SECRET
from tests.support.processes import Process, answers, free_port
from tests.support.waiting import eventually

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(600)]

#: a net under hangs, in seconds
WITHIN_S = 120

#: Each in its own place, so that a failure tells which way out is open.
CANARIES = {
    "VENUE_KEY": "canary-venue-key-7f3a",
    "VENUE_SECRET": "canary-venue-secret-9b1c",
    "API_KEY": "canary-api-key-5d2e",
    "DATABASE_PASSWORD": "canary-database-password",
    "LOCAL": "canary-in-a-local-variable",
    "HEADER": "canary-in-a-header",
    "COOKIE": "canary-in-a-cookie",
    "SIGNATURE": "canary-in-a-signature",
    "ARGUMENT": "canary-in-an-argument",
    "BODY": "canary-in-a-body",
    "EXTRA": "canary-in-an-extra",
}

FAIL = """
import os
import logging

CANARY = {name[7:]: value for name, value in os.environ.items() if name.startswith("CANARY_")}


def ask_the_venue(secret):
    apiKey = CANARY["LOCAL"]
    headers = {"X-MBX-APIKEY": CANARY["VENUE_KEY"], "note": CANARY["LOCAL"], "deep": [{"password": CANARY["LOCAL"]}]}
    logging.getLogger("venue").warning("GET /order?signature=%s with %s", CANARY["SIGNATURE"], CANARY["VENUE_SECRET"])
    import sentry_sdk
    sentry_sdk.set_extra("request", {"headers": [("X-MBX-APIKEY", CANARY["EXTRA"])], "apiKey": CANARY["EXTRA"]})
    sentry_sdk.set_tag("url", "https://user:" + CANARY["DATABASE_PASSWORD"] + "@host/?signature=" + CANARY["SIGNATURE"])
    with sentry_sdk.start_span(op="http", name="GET /order?signature=" + CANARY["SIGNATURE"]) as span:
        span.set_data("headers", {"X-MBX-APIKEY": CANARY["EXTRA"]})
    raise ConnectionError(
        "the venue hung up on GET /order?timestamp=1&signature=" + CANARY["SIGNATURE"]
        + " apiKey=" + apiKey + " secret=" + secret + " of " + CANARY["VENUE_SECRET"]
    )


def fail(*args, **kwargs):
    secret = CANARY["VENUE_SECRET"]
    try:
        ask_the_venue(secret)
    except ConnectionError as error:
        raise RuntimeError(f"{headers_of(secret)} was answered badly") from error


def headers_of(secret):
    return {"X-MBX-APIKEY": CANARY["VENUE_KEY"], "Authorization": "Bearer " + CANARY["API_KEY"]}
"""

API = """
from failing import fail
from api import orders
orders.submit_order = fail
from api.__main__ import main
raise SystemExit(main())
"""

WORKER = """
import sys
from celery import Celery
from failing import CANARY, fail
from settings import load_settings
from telemetry.start import start_telemetry

settings = load_settings()
app = Celery("failing", broker=settings.broker_url)
app.conf.update(worker_hijack_root_logger=False, task_ignore_result=True)
start_telemetry(settings, role="worker", sentry_dsn=settings.sentry_dsn)


@app.task(name="orders.fails")
def fails(**kwargs):
    secret = kwargs["secret"]
    fail(secret)


app.worker_main(["worker", "--pool", "solo", "--queues", "failing", "--without-mingle", "--without-gossip"])
"""

BEAT = """
from celery import Celery
from celery.beat import ScheduleEntry, Scheduler
from celery.schedules import schedule
from pydantic import SecretStr
from settings import load_settings
from telemetry.start import start_telemetry

settings = load_settings()
app = Celery("scheduled", broker="memory://")
start_telemetry(settings, role="beat", sentry_dsn=settings.sentry_dsn, unmonitored_beat_tasks=["every second.*"])
scheduler = Scheduler(app, lazy=True)
for name, seconds in (("every second: look", 1), ("every five minutes: read", 300)):
    scheduler.apply_entry(ScheduleEntry(name=name, task="a.task", schedule=schedule(seconds), app=app))
import sentry_sdk
sentry_sdk.flush(10)
"""


@pytest.fixture
def kept() -> Iterator[Sink]:
    with sink() as made:
        yield made


@pytest.fixture
def programs(tmp_path: Path, kept: Sink) -> Iterator[Mapping[str, Any]]:
    """A folder with the programs above, and the environment that they are started with."""
    for name, text in (("failing", FAIL), ("failing_api", API), ("failing_worker", WORKER), ("one_beat", BEAT)):
        (tmp_path / f"{name}.py").write_text(text)
    configuration = tmp_path / "steadfill.toml"
    configuration.write_text(
        f'[venues.paper]\npaper = true\napi_key = "{CANARIES["VENUE_KEY"]}"\nsecret = "{CANARIES["VENUE_SECRET"]}"\n'
        f'[venues.paper.options]\nproxy = "http://user:{CANARIES["DATABASE_PASSWORD"]}@127.0.0.1:1"\n'
    )
    root = Path(__file__).resolve().parents[2]
    environment = {
        "PYTHONPATH": f"{tmp_path}:{root}",
        "STEADFILL_HOME": str(tmp_path / "home"),
        "STEADFILL_CONFIG": str(configuration),
        "STEADFILL_DATABASE_URL": f"sqlite:///{tmp_path}/steadfill.db",
        "STEADFILL_BROKER_URL": "memory://",
        "STEADFILL_API_KEYS": CANARIES["API_KEY"],
        "STEADFILL_SENTRY_DSN": kept.dsn,
        **{f"CANARY_{name}": value for name, value in CANARIES.items()},
    }
    started: list[Process] = []
    yield {"folder": tmp_path, "environment": environment, "started": started}
    for process in started:
        process.kill()


def leaks(kept: Sink) -> list[str]:
    everything = b"\n".join(kept.raw)
    return [name for name, value in CANARIES.items() if value.encode() in everything]


def start(programs: Mapping[str, Any], name: str, **environment: str) -> Process:
    folder: Path = programs["folder"]
    process = Process(
        [sys.executable, folder / f"{name}.py"],
        log=folder / f"{name}.log",
        env={**programs["environment"], **environment},
    ).start()
    programs["started"].append(process)
    return process


def test_a_request_that_fails_is_reported_without_a_secret(programs: Mapping[str, Any], kept: Sink) -> None:
    upgrade(programs["environment"]["STEADFILL_DATABASE_URL"])
    port = free_port()
    api = start(programs, "failing_api", STEADFILL_API_PORT=str(port))
    api.wait_until(lambda: answers(port), within_s=WITHIN_S, why="it answered")

    answer = httpx.post(
        f"http://127.0.0.1:{port}/v1/orders?signature={CANARIES['SIGNATURE']}",
        headers={
            "authorization": f"Bearer {CANARIES['API_KEY']}",
            "x-mbx-apikey": CANARIES["HEADER"],
            "cookie": f"session={CANARIES['COOKIE']}",
        },
        json={"client_order_id": "a", "secret": CANARIES["BODY"]},
        timeout=60,
    )

    eventually(lambda: kept.items("event") and kept.items("transaction"), within_s=WITHIN_S, describe=api.logs)
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert {"ConnectionError", "RuntimeError"} <= set(kept.exceptions())
    (event,) = kept.items("event")
    assert event["transaction"] == "/v1/orders"
    assert event["tags"]["role"] == "api"
    assert event["release"].startswith("steadfill@")
    assert leaks(kept) == []
    assert not [name for name, value in CANARIES.items() if value in api.logs() + answer.text]


def test_a_task_that_fails_is_reported_without_a_secret(
    programs: Mapping[str, Any], kept: Sink, redis_url: str
) -> None:
    worker = start(programs, "failing_worker", STEADFILL_BROKER_URL=redis_url)
    with Celery("another-service", broker=redis_url) as app:
        app.send_task("orders.fails", kwargs={"secret": CANARIES["ARGUMENT"]}, queue="failing", ignore_result=True)

    eventually(lambda: kept.items("event") and kept.items("transaction"), within_s=WITHIN_S, describe=worker.logs)
    assert {"ConnectionError", "RuntimeError"} <= set(kept.exceptions())
    assert kept.items("event")[0]["transaction"] == "orders.fails"
    assert kept.items("event")[0]["tags"]["role"] == "worker"
    assert leaks(kept) == []
    seen_in_the_log = {name for name, value in CANARIES.items() if value in worker.logs()}
    assert seen_in_the_log == set()


def test_beat_checks_in_for_what_is_rare_enough(programs: Mapping[str, Any], kept: Sink) -> None:
    beat = start(programs, "one_beat")
    assert beat.wait(within_s=WITHIN_S) == 0, beat.logs()

    (check_in,) = eventually(lambda: kept.items("check_in"), within_s=WITHIN_S, describe=beat.logs)
    assert check_in["monitor_slug"] == "every five minutes: read"
    assert check_in["status"] == "in_progress"


def test_one_trace_joins_the_request_and_its_tasks_and_no_key_of_the_venue_leaves(tmp_path: Path, kept: Sink) -> None:
    deployment = Deployment(
        tmp_path,
        stack="sqlite-embedded",
        env={"STEADFILL_HOME": str(tmp_path / "home"), "STEADFILL_SENTRY_DSN": kept.dsn},
        servers={},
    )
    try:
        deployment.start()
        order = deployment.client.place()
        steps = {"orders.prepare", "orders.validate", "orders.commit", "orders.settle"}

        def joined() -> bool:
            return bool(steps) and steps <= _names_in_the_trace_of_the_post(kept)

        eventually(joined, within_s=WITHIN_S, describe=lambda: f"one trace\n{_traces(kept)}\n{deployment.tails()}")
        assert deployment.client.show(order["id"])["id"] == order["id"]
        assert not kept.items("event"), "nothing failed"
    finally:
        deployment.stop()
    everything = b"\n".join(kept.raw)
    assert SECRET.encode() not in everything
    assert KEY.encode() not in everything


def _names_in_the_trace_of_the_post(kept: Sink) -> set[str]:
    traces = _traces(kept)
    return next((names for names in traces.values() if "/v1/orders" in names), set())


def _traces(kept: Sink) -> dict[str, set[str]]:
    """The names of the transactions of each trace."""
    traces: dict[str, set[str]] = {}
    for transaction in kept.items("transaction"):
        traces.setdefault(transaction["contexts"]["trace"]["trace_id"], set()).add(transaction["transaction"])
    return traces


def test_without_a_dsn_nothing_is_sent(programs: Mapping[str, Any], kept: Sink) -> None:
    program = programs["folder"] / "quiet.py"
    program.write_text(
        "import sentry_sdk\n"
        "from settings import load_settings\n"
        "from telemetry.start import start_telemetry\n"
        "settings = load_settings()\n"
        "start_telemetry(settings, role='api', sentry_dsn=settings.sentry_dsn)\n"
        "assert not sentry_sdk.is_initialized()\n"
        "sentry_sdk.capture_message('nobody hears this')\n"
    )
    del programs["environment"]["STEADFILL_SENTRY_DSN"]
    process = start(programs, "quiet")

    assert process.wait(within_s=WITHIN_S) == 0, process.logs()
    assert kept.raw == []
