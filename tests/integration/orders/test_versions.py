"""Two versions on one database: what a newer one wrote is left to it, and everything else goes on."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, text

from models.errors import Unavailable
from storage.engine import read, write
from storage.guards import manifest
from storage.orders import FromNewer, get_order
from storage.outbox import next_due
from tasks.app import app
from tasks.rescue import rescue
from tasks.track import track
from tests.support.runtime import Desk
from workflows import relay as relay_module
from workflows.cancel import request_cancel
from workflows.submit import submit_order

#: columns that a newer version may add: with a default or without the need for a value
NEWER_COLUMNS = (
    "ALTER TABLE orders ADD COLUMN shiny TEXT",
    "ALTER TABLE orders ADD COLUMN weight INTEGER NOT NULL DEFAULT 7",
    "ALTER TABLE child_orders ADD COLUMN shiny TEXT",
    "ALTER TABLE order_events ADD COLUMN shiny TEXT DEFAULT 'x'",
    "ALTER TABLE outbox ADD COLUMN shiny TEXT",
    "ALTER TABLE fills ADD COLUMN shiny TEXT",
    "ALTER TABLE reports ADD COLUMN shiny TEXT",
)


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The tasks that a relay gave to the broker."""
    sent: list[str] = []
    monkeypatch.setattr(relay_module, "publish", lambda _runtime, posting: sent.append(posting.task))
    return sent


def as_newer(engine: Engine, *statements: str) -> None:
    """What a newer version does, whose guards allow more."""
    with write(engine) as conn:
        manifest.remove(conn)
        for statement in statements:
            conn.execute(text(statement))
        manifest.install(conn)


def suspended(desk: Desk, order_id: str) -> None:
    as_newer(
        desk.engine,
        f"UPDATE orders SET status = 'SUSPENDED', rescue_at = {_micros(desk)} WHERE id = '{order_id}'",
    )


def _micros(desk: Desk) -> int:
    return int((desk.runtime.now() - timedelta(hours=1)).timestamp() * 1_000_000)


def test_columns_of_a_newer_version_change_nothing(desk: Desk) -> None:
    as_newer(desk.engine, *NEWER_COLUMNS)

    order_id = desk.place(notify={"queue": "q", "task": "t"})
    desk.work(order_id)
    desk.pump(lambda: desk.document(order_id)["status"] == "FILLED")

    desk.assert_books_match()


@pytest.mark.parametrize(
    "name", ["orders.prepare", "orders.validate", "orders.commit", "orders.settle", "orders.withdraw"]
)
def test_step_of_an_order_in_a_newer_status_says_so_and_touches_nothing(desk: Desk, name: str) -> None:
    app.loader.import_default_modules()
    order_id = desk.place()
    suspended(desk, order_id)
    before = _row(desk, order_id)

    outcome = app.tasks[name](order_id=order_id)

    if name != "orders.settle":  # it has no report to apply, so that it need not read the order
        assert "SUSPENDED" in outcome
        assert "a newer version" in outcome
    assert _row(desk, order_id) == before


def test_rescue_passes_over_a_newer_status_and_sends_on_the_others(desk: Desk) -> None:
    theirs, ours = desk.place(), desk.place()
    suspended(desk, theirs)
    before = _row(desk, theirs)
    desk.forget_outbox()
    desk.runtime.advance(60)

    rescue(desk.runtime)

    with read(desk.engine) as conn:
        waiting = conn.execute(text("SELECT kwargs FROM outbox")).scalars().all()
    assert any(ours in kwargs for kwargs in waiting)
    assert not any(theirs in kwargs for kwargs in waiting)
    assert _row(desk, theirs) == before


def test_order_past_its_time_in_a_newer_status_is_left_to_that_version(desk: Desk) -> None:
    expires = (desk.runtime.now() + timedelta(seconds=30)).isoformat()
    order_id = desk.limit("-2000", expires_at=expires)
    suspended(desk, order_id)
    before = _row(desk, order_id)
    desk.runtime.advance(120)

    rescue(desk.runtime)

    assert _row(desk, order_id) == before


def test_cancel_of_an_order_in_a_newer_status_is_to_be_sent_again(desk: Desk) -> None:
    order_id = desk.place()
    suspended(desk, order_id)

    with pytest.raises(Unavailable) as refusal:
        request_cancel(desk.runtime, order_id, source="test")

    assert refusal.value.code == "NEWER_VERSION"
    assert "SUSPENDED" in refusal.value.message


def test_same_request_is_answered_with_the_document_whatever_its_status(desk: Desk) -> None:
    request = {
        "client_order_id": "again", "venue": "paper", "symbol": "BTC/USDT", "side": "buy", "type": "market",
        "quantity": "0.01",
    }  # fmt: skip
    order_id = submit_order(desk.runtime, request, source="test").document["id"]
    suspended(desk, order_id)

    again = submit_order(desk.runtime, request, source="test")

    assert (again.created, again.document["id"], again.document["status"]) == (False, order_id, "SUSPENDED")


def test_child_in_a_newer_status_is_a_sentence_for_the_steps_that_meet_it(desk: Desk) -> None:
    order_id = desk.limit("-2000")
    desk.work(order_id)
    as_newer(desk.engine, f"UPDATE child_orders SET status = 'PAUSED', attend_at = 1 WHERE order_id = '{order_id}'")
    other = desk.place()

    rescue(desk.runtime)
    assert desk.work(other)["status"] in ("WORKING", "FILLED")
    with pytest.raises(FromNewer, match="PAUSED"):
        desk.child(order_id)
    track(desk.runtime, venue="paper", account="main", symbol="BTC/USDT")


def test_kind_of_posting_of_a_newer_version_stays_and_blocks_nothing(desk: Desk, published: list[str]) -> None:
    with write(desk.engine) as conn:
        conn.execute(
            text(
                "INSERT INTO outbox (kind, task, queue, kwargs, due_at, created_at) VALUES ('webhook', 'w', 'w', '{}', 1, 1)"
            )
        )
    assert _next_due(desk) is None, "it wakes no relay"
    order_id = desk.place()
    desk.runtime.advance(5)

    relay_module.relay(desk.runtime)

    assert published == ["orders.start"]
    with read(desk.engine) as conn:
        assert conn.execute(text("SELECT kind FROM outbox")).scalars().all() == ["webhook"]
        assert get_order(conn, order_id)


def _next_due(desk: Desk) -> object:
    with read(desk.engine) as conn:
        return next_due(conn)


def _row(desk: Desk, order_id: str) -> dict[str, Any]:
    with read(desk.engine) as conn:
        return dict(conn.execute(text("SELECT * FROM orders WHERE id = :id"), {"id": order_id}).mappings().one())


def _ours() -> list[str]:
    app.loader.import_default_modules()
    modules = ("tasks.", "workflows.")  # an app gathers every shared task of the process, other tests' included
    return sorted(name for name, task in app.tasks.items() if task.__module__.startswith(modules))


def test_every_task_takes_keywords_that_it_does_not_know() -> None:
    def takes_any(task: Callable[..., Any]) -> bool:
        kinds = {parameter.kind for parameter in inspect.signature(task.run, follow_wrapped=False).parameters.values()}  # type: ignore[attr-defined]
        return inspect.Parameter.VAR_KEYWORD in kinds

    names = _ours()

    assert len(names) > 10
    assert [name for name in names if not takes_any(app.tasks[name])] == []


def test_step_drops_keywords_of_a_newer_version(desk: Desk) -> None:
    app.loader.import_default_modules()
    order_id = desk.place()

    assert app.tasks["orders.prepare"](order_id=order_id, tries=0, shiny={"a": 1}, epoch=9) == "prepared"
