"""Reconciliation over HTTP: a run is begun and shown, breaks are listed, and what is asked wrongly changes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

if TYPE_CHECKING:
    from tests.integration.api.conftest import Api

pytestmark = pytest.mark.integration


def test_a_run_is_begun_and_shown_as_the_contract_says(api: Api) -> None:
    begun = api.client.post("/v1/reconciliations", json={"venue": "paper", "account": "main"})
    assert begun.status_code == 202
    run_id = begun.json()["id"]

    shown = api.client.get(f"/v1/reconciliations/{run_id}")
    document = shown.json()

    assert document.keys() >= {"id", "status", "started_at", "finished_at", "breaks"}
    assert (document["id"], document["status"], document["breaks"]) == (run_id, "running", [])
    assert [(one["venue"], one["account"], one["stage"]) for one in document["accounts"]] == [
        ("paper", "main", "pending")
    ]
    assert run_id in {one["id"] for one in api.client.get("/v1/reconciliations").json()["items"]}
    assert api.client.get("/v1/breaks", params={"status": "open"}).json() == {"items": []}


def test_what_is_answered_is_what_openapi_describes(api: Api) -> None:
    description = api.client.get("/openapi.json").json()
    run_id = api.client.post("/v1/reconciliations").json()["id"]
    answers: dict[str, Any] = {
        "/v1/reconciliations": api.client.get("/v1/reconciliations").json(),
        "/v1/reconciliations/{id}": api.client.get(f"/v1/reconciliations/{run_id}").json(),
        "/v1/breaks": api.client.get("/v1/breaks").json(),
    }
    for path, answer in answers.items():
        schema = description["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
        jsonschema.validate(answer, {**schema, "components": description["components"]})


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "field"),
    [
        ("POST", "/v1/reconciliations", {"venue": "papier"}, 422, "venue"),
        ("POST", "/v1/reconciliations", {"venue": "paper", "account": "nobody"}, 422, "account"),
        ("POST", "/v1/reconciliations", {"venues": "paper"}, 422, "venues"),
        ("GET", "/v1/reconciliations/none", None, 404, None),
        ("GET", "/v1/breaks?status=closed", None, 422, "status"),
        ("GET", "/v1/breaks/none", None, 404, None),
        ("POST", "/v1/breaks/none/accept", {"note": "x"}, 404, None),
        ("POST", "/v1/breaks/none/ignore", {"note": 7}, 422, "note"),
        ("POST", "/v1/breaks/none/post", {"reason": "x"}, 422, "amount"),
        ("POST", "/v1/breaks/none/post", {"amount": "0", "reason": "x"}, 422, "amount"),
        ("POST", "/v1/breaks/none/post", {"amount": "1e3", "reason": "x"}, 422, "amount"),
        ("POST", "/v1/breaks/none/post", {"amount": "-0.5"}, 422, "reason"),
        ("POST", "/v1/breaks/none/post", {"amount": "-0.5", "reason": "x"}, 404, None),
    ],
)
def test_what_is_asked_wrongly_is_refused_by_its_field(
    api: Api, method: str, path: str, body: dict[str, object] | None, status: int, field: str | None
) -> None:
    before = api.client.get("/v1/reconciliations", params={"limit": 500}).json()

    answer = api.client.request(method, path, json=body)

    assert answer.status_code == status, answer.text
    if field is not None:
        assert field in {error["field"] for error in answer.json()["errors"]}
    assert api.client.get("/v1/reconciliations", params={"limit": 500}).json() == before
