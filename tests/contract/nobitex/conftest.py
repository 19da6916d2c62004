"""A Nobitex that has whims, and a gateway to it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from exchanges.ccxt_gateway import CcxtGateway
from tests.contract.nobitex.asking import Whimsical


@pytest.fixture
def venue() -> Iterator[Whimsical]:
    made = Whimsical()
    yield made
    made.calm()
    made.close()


@pytest.fixture
def nobitex(venue: Whimsical) -> Iterator[CcxtGateway]:
    made = CcxtGateway(venue.config())
    yield made
    made.close()
