"""SQLite that really refuses — full, read only, locked by another process: intake says so, and goes on by itself after."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import pytest
from sqlalchemy import event

from models.errors import Unavailable
from storage import sqlite
from storage.engine import is_unavailable, write
from tests.integration.orders.conftest import BOTH, OpenDesk
from tests.support.runtime import MARKET, Desk
from workflows.submit import submit_order

pytestmark = [pytest.mark.parametrize("database_url", BOTH[:1], indirect=True), pytest.mark.timeout(300)]

#: another process, which holds the only writer's lock until its standard input ends
HOLDER = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=120)
connection.execute("BEGIN IMMEDIATE")
print("held", flush=True)
sys.stdin.read()
"""


@contextmanager
def every_connection(desk: Desk, statement: str) -> Iterator[None]:
    """Run it on each connection as it is opened."""

    def run(connection: object, _record: object) -> None:
        connection.execute(statement)  # type: ignore[attr-defined]

    event.listen(desk.engine, "connect", run)
    desk.engine.dispose()
    yield
    event.remove(desk.engine, "connect", run)
    desk.engine.dispose()


@contextmanager
def full(desk: Desk) -> Iterator[None]:
    """No page can be added. What fits into the pages that are there still does, so they are filled first."""
    with write(desk.engine) as conn:
        conn.exec_driver_sql("CREATE TABLE filler (text TEXT)")
        pages = conn.exec_driver_sql("PRAGMA page_count").scalar_one()
    with every_connection(desk, f"PRAGMA max_page_count = {pages}"):
        with pytest.raises(Exception) as caught:  # noqa: PT011, PT012 - until it is full
            while True:
                with write(desk.engine) as conn:
                    conn.exec_driver_sql("INSERT INTO filler VALUES (hex(randomblob(100)))")
        assert is_unavailable(caught.value)
        yield


@contextmanager
def read_only(desk: Desk) -> Iterator[None]:
    with every_connection(desk, "PRAGMA query_only = 1"):
        yield


@contextmanager
def locked(desk: Desk) -> Iterator[None]:
    assert desk.engine.url.database is not None
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, desk.engine.url.database], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdin is not None
        assert holder.stdout.readline() == b"held\n"
        try:
            yield
        finally:
            holder.stdin.close()


@pytest.mark.parametrize("refusing", [full, read_only, locked])
def test_intake_takes_nothing_that_it_can_not_keep_and_goes_on_by_itself(
    open_a_desk: OpenDesk, monkeypatch: pytest.MonkeyPatch, refusing: Callable[..., object]
) -> None:
    monkeypatch.setitem(sqlite.CONNECT_ARGUMENTS, "timeout", 0.1)
    desk = open_a_desk()
    order_ids = [desk.place()]
    with refusing(desk), pytest.raises(Unavailable) as caught:  # type: ignore[attr-defined]  # noqa: PT012
        for number in count():  # a full file has room in some of its pages, and what it takes it has to keep
            request = {**MARKET, "client_order_id": f"meanwhile-{number}", "quantity": "0.001"}
            order_ids.append(submit_order(desk.runtime, request, source="test").document["id"])

    taken = submit_order(desk.runtime, request, source="test")
    desk.pump()

    assert caught.value.code == "STORAGE_UNAVAILABLE"
    assert "was not taken" in caught.value.message
    assert taken.created
    assert {desk.order(order_id).status for order_id in (*order_ids, taken.document["id"])} == {"FILLED"}
    desk.assert_books_match()


def test_file_that_can_not_be_opened_is_an_outage_and_no_bug(open_a_desk: OpenDesk, tmp_path: Path) -> None:
    desk = open_a_desk()
    desk.engine.dispose()
    path = Path(str(desk.engine.url.database))
    away = path.rename(path.with_suffix(".away"))
    path.mkdir()

    with pytest.raises(Unavailable) as caught:
        submit_order(desk.runtime, {**MARKET, "client_order_id": "meanwhile"}, source="test")
    path.rmdir()
    away.rename(path)

    assert caught.value.code == "STORAGE_UNAVAILABLE"
    assert desk.work(desk.place())["status"] == "FILLED"
