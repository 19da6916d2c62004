"""Every test of this folder runs on every venue in ``tests.contract.dialects``, through the real gateway over HTTP."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from exchanges.ccxt_gateway import CcxtGateway
from exchanges.gateway import Gateway
from tests.contract.dialects import DIALECTS, dialect
from tests.contract.dialects.dialect import Dialect


@pytest.fixture(scope="module", params=list(DIALECTS))
def running(request: pytest.FixtureRequest) -> Iterator[tuple[Dialect, Gateway]]:
    """One server and one gateway for all tests of a file: the classes take long to make."""
    made = dialect(request.param)()
    gateway = CcxtGateway(made.config())
    yield made, gateway
    gateway.close()
    made.close()


@pytest.fixture
def venue(running: tuple[Dialect, Gateway]) -> Iterator[Dialect]:
    """Without orders and faults, its market around 62,000."""
    running[0].reset()
    yield running[0]
    running[0].calm()


@pytest.fixture
def gateway(running: tuple[Dialect, Gateway], venue: Dialect) -> Gateway:
    return running[1]


@pytest.fixture
def lone(running: tuple[Dialect, Gateway]) -> Iterator[Dialect]:
    """A server of the test's own, for what may still be under way when the test is over, or knows another time."""
    made = type(running[0])()
    yield made
    made.close()
