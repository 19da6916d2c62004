"""Reconciliation over HTTP: a run is begun and shown, breaks are listed, and what is asked wrongly changes nothing."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
from sqlalchemy import Connection

from models.ids import break_id
from models.reconciliation import BreakAction, BreakKind, BreakSeverity, BreakStatus, RunScope
from storage.breaks import Finding, keep_finding
from storage.engine import write
from storage.reconciliations import begin_run
from tests.support.order_values import NOW

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
    assert api.client.get("/v1/breaks", params={"status": "open", "venue": "paper"}).json() == {
        "items": [],
        "next_cursor": None,
    }


def test_lists_are_read_page_by_page_although_many_are_of_one_moment(api: Api) -> None:
    """Each once, whatever becomes of them meanwhile."""
    venue, moments = "paged", [NOW, NOW + timedelta(seconds=1)]
    with write(api.engine) as conn:
        for moment in moments:
            for number in range(4):
                run_id = f"{moment.second:02d}run{number}".ljust(26, "0")
                begin_run(conn, run_id, RunScope.FULL, [(venue, str(number))], by="test", now=moment, due_at=moment)
                _keep(conn, run_id, venue, f"{moment.second}{number}", moment)

    def read_all(path: str, **parameters: Any) -> list[str]:
        found, cursor = [], None
        while True:
            page = api.client.get(path, params={**parameters, "limit": 3, **({"cursor": cursor} if cursor else {})})
            assert page.status_code == 200, page.text
            found += [one["id"] for one in page.json()["items"]]
            cursor = page.json()["next_cursor"]
            if cursor is None:
                return found
            assert len(page.json()["items"]) == 3
            if path == "/v1/breaks":  # the one that the cursor names is open no more
                api.client.post(f"/v1/breaks/{cursor}/ignore", json={"note": "seen"})

    whole = [one["id"] for one in api.client.get("/v1/breaks", params={"venue": venue}).json()["items"]]
    assert len(whole) == 8
    assert read_all("/v1/breaks", venue=venue, status="open") == whole
    runs = read_all("/v1/reconciliations")
    assert runs == [one["id"] for one in api.client.get("/v1/reconciliations", params={"limit": 500}).json()["items"]]
    assert len(runs) >= 8


def _keep(conn: Connection, run_id: str, venue: str, key: str, at: datetime) -> None:
    finding = Finding(
        id=break_id(run_id, venue, "main", key), kind=BreakKind.ORDER, venue=venue, account="main", key=key, ours=None,
        cached=None, theirs=None, difference=None, severity=BreakSeverity.TOLERANCE, action=BreakAction.REPORT, message="m",
    )  # fmt: skip
    keep_finding(conn, run_id, finding, BreakStatus.OPEN, (), by="test", now=at)


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
        *(
            ("GET", f"/v1/{what}?{name}={value}", None, 422, name)
            for what in ("breaks", "reconciliations")
            for name, value in (
                ("limit", "0"),
                ("limit", "-1"),
                ("limit", "501"),
                ("limit", "1e2"),
                ("limit", "%D9%A3"),
                ("limit", ""),
                ("cursor", ""),
                ("cursor", "none"),
                ("cursor", "%00"),
                ("cursor", "x" * 201),
                ("page", "2"),
            )
        ),
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
