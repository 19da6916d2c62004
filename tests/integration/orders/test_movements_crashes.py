"""Deaths at each stage of booking what the venue tells: the next look books what is missing, and nothing twice."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from decimal import Decimal
from multiprocessing import get_context
from pathlib import Path

import pytest
from sqlalchemy import select

from failpoints import inherit
from failpoints.catalog import STAGES
from settings import Settings
from storage.engine import read
from storage.ledger_tables import ledger_entries
from tasks.movements import book_account, book_movements
from tasks.runtime import Runtime
from tests.integration.orders.test_crashes import Killed
from tests.integration.orders.test_movements import opened, ours
from tests.integration.orders.test_reconcile_crashes import dying_at
from tests.support.paper import PaperProcess
from tests.support.runtime import Desk

__all__ = ["opened"]  # a fixture

READ, POSTED = "movements.read", "movements.posted"


@pytest.fixture
def paper(tmp_path: Path) -> Iterator[PaperProcess]:
    """A venue of the test's own: it tells of no movement of another test, whatever clock the books were opened by."""
    with PaperProcess(tmp_path / "venue") as venue:
        yield venue


def booked(desk: Desk) -> list[str]:
    """The venue's ids of the movements in our books."""
    with read(desk.engine) as conn:
        keys = conn.execute(select(ledger_entries.c.key).where(ledger_entries.c.key.startswith("movement:"))).scalars()
        return sorted(key.split(":", 3)[3] for key in keys)


def test_every_stage_of_movements_is_died_at_here() -> None:
    assert {READ, POSTED} == {name for name in STAGES if name.startswith("movements.")}


def test_whoever_dies_where_each_movement_is_booked_once(opened: Desk) -> None:
    """One dies with the lists read, one in the first transaction, and one by a real SIGKILL in the second."""
    expected = {"SOL": ours(opened, "SOL") + Decimal("3.25"), "ETH": ours(opened, "ETH") + 4}
    told = [
        opened.venue.movement("main", "deposit", "SOL", "7.5"),
        opened.venue.movement("main", "withdrawal", "SOL", "4", fee="0.25"),
        opened.venue.movement("main", "transfer", "ETH", "4", direction="in"),
    ]

    for stage in (READ, POSTED):
        with dying_at(stage) as hits, pytest.raises(Killed):
            book_movements(opened.runtime, "paper", "main")
        assert hits == [stage]
        assert booked(opened) == [], "it died before its first commit"
    arguments = (opened.runtime.settings, f"{POSTED}=1*off->kill")
    process = get_context("spawn").Process(target=_book_armed, args=arguments)
    process.start()
    process.join(200)
    assert process.exitcode == -signal.SIGKILL
    assert len(booked(opened)) == 1, "the first is whole, and of the second there is nothing"

    assert book_account(opened.runtime, venue="paper", account="main").startswith("2 of ")

    assert len(booked(opened)) == len(told) == len(set(booked(opened)))
    assert {asset: ours(opened, asset) for asset in expected} == expected
    opened.assert_books_match()
    assert book_account(opened.runtime, venue="paper", account="main").startswith("0 of ")


def _book_armed(settings: Settings, armed: str) -> None:
    inherit({**os.environ, "STEADFILL_FAILPOINTS": armed})
    book_movements(Runtime(settings), "paper", "main")
