"""The pieces of a deployment: what each is judged by."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from ops.probe import answers
from ops.roles import pieces
from settings import load_settings
from tests.support.paper import PaperProcess


@pytest.mark.parametrize("fault", [{"kind": "error"}, {"kind": "latency", "delay_ms": 600_000}, {"kind": "drop"}])
def test_a_paper_venue_that_was_told_to_fail_does_not_count_as_hung(tmp_path: Path, fault: dict[str, object]) -> None:
    settings = load_settings({"STEADFILL_CONFIG": os.devnull, "STEADFILL_HOME": str(tmp_path / "home")})
    (piece,) = pieces(settings, only=("paper",))
    with PaperProcess(tmp_path / "venue") as venue:
        venue.arm({**fault, "when": "before", "count": 1})

        seen = answers(f"{venue.url}{urlsplit(str(piece.ready)).path}")

        assert seen
        assert [armed["hits"] for armed in venue.health()["faults"]] == [0], "nor did the look use the fault up"
