"""The short way to SQL against SQLAlchemy's own: not only equal answers, but the same traces of whole schedules."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.simulation.config import Config
from tests.simulation.simulate import opened

SEEDS = range(100, 160)


def traces(*, quick: bool) -> list[Sequence[str]]:
    config = Config(quick=quick)
    with opened(config) as simulation:
        return [simulation.run(seed, config).trace for seed in SEEDS]


@pytest.mark.timeout(600)
def test_statements_by_the_short_way_do_what_sqlalchemy_does() -> None:
    assert traces(quick=True) == traces(quick=False)
