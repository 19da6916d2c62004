"""Halt and resume, balances, venues, health, metrics, and the API's own description."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import jsonschema
import pytest
from prometheus_client.parser import text_string_to_metric_families

from accounting.anomalies.detector import Point, SeriesState, step
from accounting.anomalies.series import Policy, SeriesKey, SeriesKind
from models.clock import parse_time
from risk.breaker import BreakerPolicy, Failed
from storage.anomalies import record_finding, save_series
from storage.backup.make import make_backup
from storage.breakers import DatabaseBreakers, list_transitions
from storage.engine import read, write
from storage.journal.files import folder_of
from tests.support.processes import free_port
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from tests.integration.api.conftest import Api, StartApi
    from tests.support.servers.postgres import PostgresServer

pytestmark = pytest.mark.integration

NOW = datetime(2030, 1, 1, tzinfo=UTC)


def test_a_halt_stands_until_its_scope_is_resumed(api: Api) -> None:
    halted = api.client.post("/v1/halt", json={"venue": "paper", "reason": "a test"})
    assert halted.status_code == 200
    (halt,) = halted.json()["halts"]
    assert (halt["venue"], halt["account"], halt["reason"], halt["by"]) == ("paper", None, "a test", "http")
    assert api.client.get("/health").json()["components"]["halts"]["status"] == "degraded"

    assert api.client.post("/v1/resume").status_code == 404, "everything was not halted"
    assert api.client.post("/v1/resume", json={"venue": "paper"}).json() == {"halts": []}


def test_a_halt_of_everything_needs_no_body(api: Api) -> None:
    (halt,) = api.client.post("/v1/halt").json()["halts"]

    assert (halt["venue"], halt["account"]) == (None, None)
    assert api.client.post("/v1/resume").json() == {"halts": []}


def test_a_halt_with_cancel_withdraws_what_is_open(api: Api) -> None:
    order = api.place("halt-cancel-1", account="desk2").json()

    api.client.post("/v1/halt", json={"account": "desk2", "cancel": True})
    api.client.post("/v1/resume", json={"account": "desk2"})

    assert api.client.get(f"/v1/orders/{order['id']}").json()["status"] == "CANCELED"


@pytest.mark.parametrize("path", ["/v1/halt", "/v1/resume"])
@pytest.mark.parametrize(
    ("body", "field", "nearest"),
    [
        ({"venue": "papier"}, "venue", "paper"),
        ({"venue": "paper", "account": "desk3"}, "account", "desk2"),
        ({"account": "nobody"}, "account", None),
        ({"venue": 7}, "venue", None),
        ({"vneue": "paper"}, "vneue", "venue"),
    ],
)
def test_a_scope_that_does_not_exist_halts_nothing(
    api: Api, path: str, body: dict[str, object], field: str, nearest: str | None
) -> None:
    answer = api.client.post(path, json=body)

    assert answer.status_code == 422
    (error,) = answer.json()["errors"]
    assert (error["field"], error["nearest"]) == (field, nearest)
    assert api.client.get("/health").json()["components"]["halts"]["status"] == "ok"


def test_balances_are_those_of_the_books(api: Api) -> None:
    assert api.client.get("/v1/balances").json() == {"items": []}


def test_every_venue_account_is_listed(api: Api) -> None:
    items = api.client.get("/v1/venues").json()["items"]

    assert [(item["venue"], item["account"]) for item in items] == [("paper", "desk2"), ("paper", "main")]
    assert items[0]["breaker"] == {"state": "closed", "since": None, "until": None, "failures": 0}
    assert items[0]["rate"] == {"limit": "1200/minute", "ordinary": 96, "urgent": 120, "closed_until": None}


def test_an_open_breaker_is_shown_and_closed_by_hand(api: Api) -> None:
    store, policy, now = DatabaseBreakers(api.engine), BreakerPolicy(failure_threshold=1), datetime.now(UTC)
    store.apply("paper", "main", Failed(message="HTTP 502"), policy=policy, now=now)

    opened = api.client.get("/v1/venues").json()["items"][1]["breaker"]
    closed = api.client.post("/v1/venues/reset", json={"venue": "paper"}).json()
    refused = api.client.post("/v1/venues/reset", json={"venue": "papr"})
    other = api.client.post("/v1/venues/reset", json={"venue": "paper", "account": "desk3"})

    assert (opened["state"], parse_time(opened["since"])) == ("open", now)
    assert parse_time(opened["until"]) == now + policy.first_probe_after
    assert closed["breaker"] == {"state": "closed", "since": None, "until": None, "failures": 0}
    with read(api.engine) as conn:
        assert list_transitions(conn)[0].transition.cause == "closed by hand (http)"
    assert [(answer.status_code, answer.json()["errors"][0]["nearest"]) for answer in (refused, other)] == [
        (422, "paper"),
        (422, "desk2"),
    ]


def test_health_names_every_component(api: Api) -> None:
    on_sqlite = api.engine.dialect.name == "sqlite"
    if on_sqlite:
        keep_journal(api)

    def all_well() -> bool:  # the broker is asked for two seconds: a machine that stands still has it asked again
        answer = api.client.get("/health")
        assert answer.status_code == 200
        components = answer.json()["components"]
        journal = {"journal"} if on_sqlite else set()
        assert set(components) == {"database", "instruments", "broker", "halts", "ledger"} | journal
        return {component["status"] for component in components.values()} == {"ok"}

    eventually(all_well, within_s=60, describe="every component is well")


def keep_journal(api: Api) -> None:
    """As `steadfill up` begins one, with a backup."""
    folder = Path(str(api.engine.url.database)).with_name("backups")
    make_backup(api.engine.url, folder, now=NOW, keep_daily=1, keep_weekly=0, journal=True)


def test_health_tells_whether_a_journal_is_kept(start_api: StartApi) -> None:
    """Nobody else would notice that it is not, before the day on which it is needed."""
    api = start_api()

    def journal() -> dict[str, str]:
        found: dict[str, str] = api.client.get("/health").json()["components"]["journal"]
        return found

    without = journal()
    keep_journal(api)
    with_one = journal()
    assert api.place("journal-1").status_code == 201
    folder_of(Path(str(api.engine.url.database))).rename(api.engine.url.database + ".moved")  # type: ignore[operator]
    moved = journal()

    assert without["status"] == "degraded"
    assert without["detail"].startswith("none is kept: ")
    assert with_one == {"status": "ok", "detail": "whole, kept since 20300101T000000.000000Z, at record 0"}
    assert moved["status"] == "degraded"
    assert "is gone" in moved["detail"]
    assert api.place("journal-2").status_code == 201  # the database is sound, and orders are taken


def test_without_instruments_orders_can_not_be_taken_and_health_says_so(start_api: StartApi) -> None:
    api = start_api(with_instruments=False)

    refused = api.place("no-instruments-1")
    health = api.client.get("/health")

    assert (refused.status_code, refused.json()["code"]) == (503, "INSTRUMENTS_UNKNOWN")
    assert int(refused.headers["retry-after"]) > 0
    assert api.rows()["orders"] == 0
    assert (health.status_code, health.json()["components"]["instruments"]["status"]) == (503, "down")
    assert api.client.get("/health/live").status_code == 200


def test_without_a_broker_orders_are_taken_and_health_says_that_they_wait(start_api: StartApi) -> None:
    api = start_api(STEADFILL_BROKER_URL=f"redis://127.0.0.1:{free_port()}/0")

    taken = api.place("no-broker-1")
    health = api.client.get("/health")

    assert taken.status_code == 201
    assert api.rows()["outbox"] == 1
    assert (health.status_code, health.json()["components"]["broker"]["status"]) == (200, "degraded")


@pytest.mark.postgres
def test_without_a_database_the_answer_is_503_until_it_is_back(
    start_api: StartApi, private_postgres: PostgresServer
) -> None:
    api = start_api(private_postgres.create_database())
    order = api.place("database-1").json()

    private_postgres.kill()
    refused = [api.place("database-2"), api.client.get(f"/v1/orders/{order['id']}"), api.client.get("/v1/balances")]
    health, live = api.client.get("/health"), api.client.get("/health/live")
    metrics = api.client.get("/metrics")
    private_postgres.start()
    again = eventually(
        lambda: (answer := api.place("database-2")).status_code == 201 and answer,
        within_s=60,
        describe=api.process.logs,
    )

    for answer in refused:
        assert answer.status_code == 503
        assert answer.headers["content-type"] == "application/problem+json"
        assert int(answer.headers["retry-after"]) > 0
    assert (health.status_code, health.json()["components"]["database"]["status"]) == (503, "down")
    assert live.status_code == 200
    assert "steadfill_database_up 0.0" in metrics.text
    assert again.json()["client_order_id"] == "database-2"


def test_metrics_count_requests_by_route_and_show_the_deployments_state(api: Api) -> None:
    api.place("metrics-1")
    api.client.get("/v1/orders/client:metrics-1/status")
    api.client.get("/v1/no/such/path")

    answer = api.client.get("/metrics")

    assert answer.headers["content-type"].startswith("text/plain")
    values = {
        (sample.name, sample.labels.get("route") or sample.labels.get("status")): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }
    assert values["steadfill_http_requests_total", "/v1/orders/{id}/status"] >= 1
    assert values["steadfill_http_requests_total", "none"] >= 1
    assert values["steadfill_open_orders", "RECEIVED"] >= 1
    assert values["steadfill_database_up", None] == 1
    assert 0 <= values["steadfill_instruments_age_seconds", None] < 3600


def test_every_answer_is_as_openapi_describes_it(api: Api) -> None:
    order = api.place("openapi-1").json()
    description = api.client.get("/openapi.json").json()
    calls = [
        ("/v1/orders", "get", "/v1/orders?limit=1"),
        ("/v1/orders/{id}", "get", f"/v1/orders/{order['id']}"),
        ("/v1/orders/{id}/status", "get", f"/v1/orders/{order['id']}/status"),
        ("/v1/orders/{id}/timeline", "get", f"/v1/orders/{order['id']}/timeline"),
        ("/v1/orders/{id}", "delete", f"/v1/orders/{order['id']}"),
        ("/v1/orders/{id}", "get", "/v1/orders/unknown"),
        ("/v1/orders", "get", "/v1/orders?limit=x"),
        ("/v1/balances", "get", "/v1/balances"),
        ("/v1/halt", "post", "/v1/halt"),
        ("/v1/resume", "post", "/v1/resume"),
        ("/v1/venues", "get", "/v1/venues"),
        ("/v1/venues/reset", "post", "/v1/venues/reset"),
        ("/v1/market", "get", "/v1/market?venue=paper&symbol=BTC/USDT"),
        ("/health", "get", "/health"),
        ("/health/live", "get", "/health/live"),
    ]
    for template, method, path in calls:
        answer = api.client.request(method, path)
        described = description["paths"][template][method]["responses"][str(answer.status_code)]
        kind = answer.headers["content-type"]
        schema = {**described["content"][kind]["schema"], "components": description["components"]}
        jsonschema.validate(answer.json(), schema)


def test_the_request_that_openapi_describes_is_the_one_that_is_read(api: Api) -> None:
    description = api.client.get("/openapi.json").json()
    schema = {"$ref": "#/components/schemas/OrderRequest", "components": description["components"]}
    request = {
        "client_order_id": "openapi-2", "venue": "paper", "symbol": "BTC/USDT", "side": "sell", "type": "limit",
        "quantity": "0.5", "price": "25000", "post_only": True, "notify": {"queue": "q", "task": "t"}, "tags": {"a": "b"},
        "expires_at": "2100-01-01T00:00:00Z", "algorithm": {"name": "single"}, "decision_price": "1",
    }  # fmt: skip

    jsonschema.validate(request, schema)

    assert api.client.post("/v1/orders", json=request).status_code == 201
    assert {name for name, methods in description["paths"]["/v1/orders"].items() if methods} == {"get", "post"}


def test_a_sigterm_ends_the_process_as_a_success(start_api: StartApi) -> None:
    api = start_api()

    assert api.process.stop() == 0


def test_anomalies_and_what_is_watched_are_listed(api: Api) -> None:
    key = SeriesKey(kind=SeriesKind.FEE_BPS, venue="paper", account="main", subject="BTC/USDT taker")
    policy = Policy(tolerance=Decimal(1), training=20, persistence=3)
    state = SeriesState()
    with write(api.engine) as conn:
        for number, value in enumerate([10] * 20 + [15] * 10):
            point = Point(value=Decimal(value), at=NOW + timedelta(seconds=number), source="order-1")
            state, finding = step(state, point, policy)
            if finding is not None:
                record_finding(conn, key, finding, NOW)
        save_series(conn, key, state, NOW)

    (found,) = api.client.get("/v1/anomalies", params={"kind": "fee_bps", "since": "2029-01-01T00:00:00Z"}).json()[
        "items"
    ]
    (series,) = api.client.get("/v1/anomalies/series").json()["items"]

    assert (found["median"], found["drift"], found["unit"], found["direction"]) == ("10", "5", "bps", "up")
    assert (series["subject"], series["points"], series["learning"], series["median"]) == (
        "BTC/USDT taker",
        30,
        4,
        None,
    )
    assert api.client.get("/v1/anomalies", params={"account": "desk2"}).json() == {"items": []}
    assert api.client.get("/v1/anomalies", params={"kind": "rain"}).status_code == 422
    described = api.client.get("/openapi.json").json()["components"]["schemas"]
    for shape, item in (("Anomaly", found), ("Series", series)):
        jsonschema.validate(item, {"$ref": f"#/components/schemas/{shape}", "components": {"schemas": described}})
    counted = {
        tuple(sample.labels.values()): sample.value
        for family in text_string_to_metric_families(api.client.get("/metrics").text)
        if family.name == "steadfill_anomalies"
        for sample in family.samples
    }
    assert list(counted.values()) == [1]
