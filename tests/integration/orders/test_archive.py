"""The archive, on both databases: what closed long ago is in a file before it is gone, and nothing else ever goes."""

from __future__ import annotations

import gzip
import json
import os
import signal
from datetime import datetime, timedelta
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, func, select, text
from sqlalchemy.exc import IntegrityError

from cli.app import run
from failpoints import inherit
from models.errors import Conflict, Unavailable
from models.reconciliation import BreakAction, BreakKind, BreakSeverity, BreakStatus, RunScope, RunStatus
from settings import Settings
from settings.retention import Retention
from storage.amendment_tables import amendments
from storage.archive_files import ArchivedFile, ArchiveProblem, manifests, read_line, verify_file, write_file
from storage.cleanup_records import list_removals
from storage.cleanup_tables import archive_files, archived_orders
from storage.cost_tables import order_markets
from storage.documents import timeline
from storage.engine import read, write
from storage.order_tables import reports, sends, transitions
from storage.reconciliation_tables import breaks, reconciliations
from tasks.cleanup import cleanup
from tasks.costs import measure
from tasks.runtime import Runtime
from tests.integration.orders.conftest import ON_SQLITE
from tests.support.runtime import MARKET, Desk
from workflows import submit
from workflows.history import whole_timeline

LONG_AGO = timedelta(days=10)
HISTORY = (transitions, reports, sends, amendments)


@pytest.fixture(autouse=True)
def no_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    """What notes ended orders would ask a venue through a broker, which these tests have none of."""
    monkeypatch.setattr("tasks.costs.app.send_task", lambda *_, **__: None)


def keep_for(desk: Desk, days: int) -> None:
    retention = Retention(archive_after_days=days, dry_run_days=7)
    desk.runtime.settings = desk.runtime.settings.model_copy(update={"retention": retention})


def grow_old(desk: Desk) -> None:
    """Ten days later every order that ended is noted for reports, and no venue is asked for their markets any more."""
    desk.runtime.ahead += LONG_AGO
    measure(desk.runtime)
    with write(desk.engine) as conn:
        conn.execute(order_markets.update().values(due_at=None))


def filled(desk: Desk, **changes: Any) -> str:
    order_id = desk.place(**changes)
    desk.work(order_id)
    desk.pump()
    assert desk.end(order_id)[0] == "FILLED"
    return order_id


def rows_of(desk: Desk, order_id: str) -> dict[str, int]:
    children = [child.id for child in desk.children(order_id)]
    with read(desk.engine) as conn:
        return {
            table.name: conn.execute(
                select(func.count())
                .select_from(table)
                .where(table.c.child_id.in_(children) if table is sends else table.c.order_id == order_id)
            ).scalar_one()
            for table in HISTORY
        }


def archived(desk: Desk) -> set[str]:
    with read(desk.engine) as conn:
        return set(conn.execute(select(archived_orders.c.order_id)).scalars())


def folder(desk: Desk) -> Path:
    return desk.runtime.settings.archive_folder


def test_what_closed_long_ago_is_in_a_file_and_its_order_is_as_before(desk: Desk) -> None:
    order_id = filled(desk)
    keep_for(desk, 7)
    before = desk.document(order_id)
    with read(desk.engine) as conn:
        steps = timeline(conn, order_id)
    grow_old(desk)

    assert cleanup(desk.runtime).endswith("1 orders archived")

    assert set(rows_of(desk, order_id).values()) == {0}
    assert desk.document(order_id) == before
    assert whole_timeline(desk.runtime, order_id) == steps
    (file,) = manifests(folder(desk))
    verify_file(folder(desk), file)
    history = read_line(folder(desk), file.name, 1, file.lines[0].sha256)
    assert history["document"] == before
    assert [row["cause"] for row in history["rows"]["transitions"]] == [step["cause"] for step in steps]
    assert history["rows"]["ledger_legs"]
    assert history["rows"]["sends"]
    assert cleanup(desk.runtime).endswith("0 orders archived"), "once"


@ON_SQLITE
def test_the_client_id_of_an_archived_order_stays_taken(desk: Desk) -> None:
    order_id = filled(desk, client_order_id="kept-for-good")
    keep_for(desk, 7)
    grow_old(desk)
    cleanup(desk.runtime)
    assert archived(desk) == {order_id}
    request = {**MARKET, "client_order_id": "kept-for-good"}

    again = submit.submit_order(desk.runtime, request, source="test")

    assert (again.created, again.document["id"], again.document["status"]) == (False, order_id, "FILLED")
    with pytest.raises(Conflict, match="is taken by order"):
        submit.submit_order(desk.runtime, {**request, "quantity": "0.02"}, source="test")


def test_what_went_is_on_record_with_its_file(desk: Desk) -> None:
    order_id = filled(desk)
    keep_for(desk, 7)
    grow_old(desk)
    there = {name: count for name, count in rows_of(desk, order_id).items() if count}
    cleanup(desk.runtime)

    with read(desk.engine) as conn:
        removals = {row["what"]: row for row in list_removals(conn, 100)}
        (name,) = conn.execute(select(archive_files.c.name)).scalars()
    assert {what: removals[what]["count"] for what in there} == there
    assert {removals[what]["file"] for what in there} == {name}
    assert all(removals[what]["oldest"] <= removals[what]["newest"] for what in there)
    with pytest.raises(IntegrityError), write(desk.engine) as conn:
        conn.execute(text("UPDATE cleanup_runs SET count = 1"))


def test_nothing_goes_that_is_open_young_or_not_settled(desk: Desk) -> None:
    closed = filled(desk)
    resting = desk.limit("-1000")
    desk.work(resting)
    unsettled = filled(desk)
    held, broken = filled(desk), filled(desk)
    keep_for(desk, 7)
    grow_old(desk)
    young = filled(desk)
    measure(desk.runtime)
    # As a late report that nobody has settled yet, a step that ends its worker, and a venue that knows it otherwise.
    with write(desk.engine) as conn:
        child = desk.children(unsettled)[0].id
        conn.execute(
            reports.insert().values(
                child_id=child, order_id=unsettled, source="track", body={}, received_at=desk.runtime.now()
            )
        )
        conn.execute(text("INSERT INTO parked_orders VALUES (:id, 'orders.settle', 1, 1)"), {"id": held})
        _open_break(conn, broken, desk.runtime.now())

    cleanup(desk.runtime)

    assert archived(desk) == {closed}
    for order_id in (resting, unsettled, held, broken, young):
        assert rows_of(desk, order_id)["transitions"] > 0


def _open_break(conn: Connection, order_id: str, now: datetime) -> None:
    run = {"id": "run", "scope": RunScope.FULL, "status": RunStatus.RUNNING, "started_by": "test", "started_at": now}
    conn.execute(reconciliations.insert().values(run))
    found = {
        "id": "break", "run_id": "run", "kind": BreakKind.ORDER, "venue": "paper", "account": "main", "key": "key",
        "order_id": order_id, "severity": BreakSeverity.CRITICAL, "action": BreakAction.REPORT, "status": BreakStatus.OPEN,
        "message": "test", "found_at": now, "seen_at": now,
    }  # fmt: skip
    conn.execute(breaks.insert().values(found))


@ON_SQLITE
def test_nothing_goes_where_nobody_asked_for_it(desk: Desk) -> None:
    order_id = filled(desk)
    grow_old(desk)

    cleanup(desk.runtime)

    assert rows_of(desk, order_id)["transitions"] > 0
    assert not folder(desk).exists()


@ON_SQLITE
def test_an_order_that_nobody_has_measured_waits(desk: Desk) -> None:
    order_id = filled(desk)
    keep_for(desk, 7)
    desk.runtime.ahead += LONG_AGO

    cleanup(desk.runtime)

    assert archived(desk) == set()
    assert rows_of(desk, order_id)["transitions"] > 0


def test_the_database_refuses_what_no_file_has(desk: Desk) -> None:
    gone, there = filled(desk), filled(desk)
    keep_for(desk, 7)
    grow_old(desk)
    touch(desk, there)
    cleanup(desk.runtime)
    assert archived(desk) == {gone}

    for table in ("transitions", "reports", "sends", "archived_orders", "archive_files", "cleanup_runs"):
        with pytest.raises(IntegrityError), write(desk.engine) as conn:
            conn.execute(text(f"DELETE FROM {table}"))
    with pytest.raises(IntegrityError), write(desk.engine) as conn:
        conn.execute(text("UPDATE archived_orders SET last_transition_id = 1000000000"))


def touch(desk: Desk, order_id: str) -> None:
    """Change it now, as a late fill would."""
    now = int(desk.runtime.now().timestamp() * 1_000_000)
    statement = "UPDATE orders SET version = version + 1, cause = 'late', updated_at = :now WHERE id = :id"
    with write(desk.engine) as conn:
        conn.execute(text(statement), {"id": order_id, "now": now})


def test_an_order_that_changes_while_its_file_is_written_stays(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    changing, closed = filled(desk), filled(desk)
    keep_for(desk, 7)
    grow_old(desk)
    kept = rows_of(desk, changing)

    def changed(*arguments: Any) -> ArchivedFile:
        file = write_file(*arguments)
        touch(desk, changing)
        return file

    monkeypatch.setattr("tasks.archive.write_file", changed)

    cleanup(desk.runtime)

    assert archived(desk) == {closed}
    assert rows_of(desk, changing) == {**kept, "transitions": kept["transitions"] + 1}


def test_the_database_takes_no_word_for_an_archive_that_is_none(desk: Desk) -> None:
    order_id, resting = filled(desk), desk.limit("-1000")
    desk.work(resting)
    file = {"name": "f", "sha256": "0" * 64, "bytes": 1, "orders": 1, "host": "h", "written_at": desk.runtime.now()}
    with write(desk.engine) as conn:
        conn.execute(archive_files.insert().values(file))

    for wrong in ({"version": 1}, {"file": "none"}, {"sha256": "x"}):
        with pytest.raises(IntegrityError):
            _say_archived(desk, order_id, **wrong)
    with pytest.raises(IntegrityError):
        _say_archived(desk, resting)
    for unsettled in (_PLANNED, _UNSETTLED, _AMENDING):
        with pytest.raises(IntegrityError, match="archived_orders"):
            _say_archived(desk, order_id, but=unsettled)
    _say_archived(desk, order_id)  # what was wrong above is right here
    with pytest.raises(IntegrityError):
        _say_archived(desk, order_id)


_PLANNED = (
    "INSERT INTO child_orders (id, order_id, venue, account, symbol, slice, attempt, status, version, venue_client_order_id, "
    "quantity, filled_quantity, filled_cost, due_at, cause, created_at, updated_at) "
    "VALUES ('c', :id, 'paper', 'main', 'BTC/USDT', 1, 1, 'PLANNED', 1, 'c', '1', '0', '0', 1, 'test', 1, 1)"
)
_UNSETTLED = (
    "INSERT INTO reports (child_id, order_id, source, body, received_at) "
    "SELECT id, order_id, 'track', '{}', 1 FROM child_orders WHERE order_id = :id"
)
_AMENDING = (
    "INSERT INTO amendments (order_id, requested_at, source, previous_quantity, status) "
    "VALUES (:id, 1, 'test', '1', 'PENDING')"
)


def _claim(desk: Desk, order_id: str, **changes: Any) -> dict[str, Any]:
    values = {
        "order_id": order_id, "version": desk.document(order_id)["version"], "file": "f", "line": 1,
        "sha256": "0" * 64, "last_transition_id": 10**9, "last_report_id": 10**9, "last_amendment_id": 0,
        "archived_at": desk.runtime.now(),
    }  # fmt: skip
    return {**values, **changes}


def _say_archived(desk: Desk, order_id: str, *, but: str | None = None, **changes: Any) -> None:
    claim = _claim(desk, order_id, **changes)
    with write(desk.engine) as conn:
        if but is not None:
            conn.execute(text(but), {"id": order_id})
        conn.execute(archived_orders.insert().values(claim))


def test_an_order_that_changes_after_it_was_archived_is_archived_again(desk: Desk) -> None:
    order_id = filled(desk)
    keep_for(desk, 7)
    with read(desk.engine) as conn:
        steps = timeline(conn, order_id)
    grow_old(desk)
    cleanup(desk.runtime)
    touch(desk, order_id)
    seen = whole_timeline(desk.runtime, order_id)
    assert [step["cause"] for step in seen] == [*(step["cause"] for step in steps), "late"]
    grow_old(desk)

    assert cleanup(desk.runtime).endswith("1 orders archived")

    assert rows_of(desk, order_id)["transitions"] == 0
    assert whole_timeline(desk.runtime, order_id) == seen
    assert len(list(manifests(folder(desk)))) == 2


@ON_SQLITE
def test_many_orders_go_in_portions_and_files(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.archive.ORDERS_A_FILE", 3)
    monkeypatch.setattr("tasks.archive.ORDERS_A_TRANSACTION", 2)
    monkeypatch.setattr("tasks.archive.ORDERS_A_LOOK", 4)
    monkeypatch.setattr("tasks.archive.BEGIN_WITHIN_S", 600.0)
    ids = {filled(desk) for _ in range(5)}
    keep_for(desk, 7)
    grow_old(desk)

    assert cleanup(desk.runtime).endswith("5 orders archived")

    files = list(manifests(folder(desk)))
    assert archived(desk) == ids
    assert {line.order_id for file in files for line in file.lines} == ids
    assert max(len(file.lines) for file in files) <= 3


@ON_SQLITE
def test_a_folder_that_can_not_be_written_removes_nothing_and_says_so(desk: Desk) -> None:
    order_id = filled(desk)
    keep_for(desk, 7)
    grow_old(desk)
    folder(desk).write_text("a file where the folder should be")

    cleanup(desk.runtime)

    assert rows_of(desk, order_id)["transitions"] > 0
    assert desk.alerts().count("ARCHIVE_FAILED") == 1


@ON_SQLITE
def test_a_damaged_file_is_told_and_never_believed(desk: Desk) -> None:
    order_id = filled(desk)
    keep_for(desk, 7)
    grow_old(desk)
    cleanup(desk.runtime)
    (file,) = manifests(folder(desk))
    path = folder(desk) / file.name
    whole = path.read_bytes()

    for place in {*range(10), *range(0, len(whole), max(1, len(whole) // 40))}:  # its head too
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(ArchiveProblem, match="can't be relied on"):
            verify_file(folder(desk), file)
    path.unlink()
    with pytest.raises(Unavailable, match="it is not in") as failed:
        whole_timeline(desk.runtime, order_id)
    assert failed.value.code == "ARCHIVE_UNREADABLE"
    path.write_bytes(whole)
    assert whole_timeline(desk.runtime, order_id)


@ON_SQLITE
@pytest.mark.parametrize("stage", ["cleanup.written", "cleanup.noted", "cleanup.removing", "cleanup.removed"])
def test_a_kill_leaves_the_history_in_the_database_or_in_a_file(desk: Desk, stage: str) -> None:
    ids = [filled(desk) for _ in range(2)]
    keep_for(desk, 7)
    before = {order_id: (desk.document(order_id), whole_timeline(desk.runtime, order_id)) for order_id in ids}
    grow_old(desk)

    assert _clean_up_in_a_process(desk, f"{stage}=kill") == -signal.SIGKILL
    during = {order_id: (desk.document(order_id), whole_timeline(desk.runtime, order_id)) for order_id in ids}
    desk.engine.dispose()
    _expire_leases(desk)
    (folder(desk) / ".writing-1-half").write_bytes(b"a writer died here")
    cleanup(desk.runtime)

    assert during == before
    assert {order_id: (desk.document(order_id), whole_timeline(desk.runtime, order_id)) for order_id in ids} == before
    assert archived(desk) == set(ids)
    assert {order_id: set(rows_of(desk, order_id).values()) for order_id in ids} == {order_id: {0} for order_id in ids}
    assert not list(folder(desk).glob(".writing-*"))
    for file in manifests(folder(desk)):
        verify_file(folder(desk), file)


def _clean_up_in_a_process(desk: Desk, armed: str) -> int | None:
    """In a process of its own, forked from nothing of this one; returns how it ended."""
    settings = desk.runtime.settings
    process = get_context("spawn").Process(target=_run_armed, args=(settings, armed, desk.runtime.ahead))
    process.start()
    process.join(300)
    return process.exitcode


def _run_armed(settings: Settings, armed: str, ahead: timedelta) -> None:
    class Later(Runtime):
        def now(self) -> Any:
            return super().now() + ahead

    inherit({**os.environ, "STEADFILL_FAILPOINTS": armed})
    cleanup(Later(settings))


def _expire_leases(desk: Desk) -> None:
    with write(desk.engine) as conn:
        conn.execute(text("UPDATE leases SET until = 0"))


@ON_SQLITE
def test_the_commands_read_the_archive_and_the_record(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    order_id = filled(desk, client_order_id="shown")
    keep_for(desk, 7)
    grow_old(desk)
    cleanup(desk.runtime)
    monkeypatch.setenv("STEADFILL_HOME", str(desk.runtime.settings.home))
    monkeypatch.setenv("STEADFILL_DATABASE_URL", desk.runtime.settings.database_url)

    def said(*arguments: str, status: int = 0) -> Any:
        assert run([*arguments, "--json"]) == status
        answer = capsys.readouterr()
        return json.loads(answer.out) if status == 0 else answer.err

    (file,) = said("archive", "list")["items"]
    assert [order["client_order_id"] for order in file["orders"]] == ["shown"]
    assert said("archive", "show", order_id)["document"] == desk.document(order_id)
    assert said("archive", "show", "client:shown")["timeline"] == whole_timeline(desk.runtime, order_id)
    assert "has an order nobody" in said("archive", "show", "nobody", status=1)
    assert said("archive", "verify") == {"files": 1, "orders": 1, "compared_with_database": True, "note": None}
    assert {row["file"] for row in said("cleanups")["items"] if row["what"] == "transitions"} == {file["file"]}
    assert run(["archive", "show", order_id]) == run(["archive", "list"]) == run(["cleanups"]) == 0

    path = folder(desk) / file["file"]
    lines = gzip.decompress(path.read_bytes()).decode().splitlines()
    assert [json.loads(line)["document"]["id"] for line in lines] == [order_id]
    path.write_bytes(path.read_bytes() + b"x")
    assert "can't be relied on" in said("archive", "verify", status=1)
    for left in folder(desk).iterdir():
        left.unlink()
    assert f"{file['file']} is missing" in said("archive", "verify", status=1)
