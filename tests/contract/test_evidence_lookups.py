"""What the answer to a cancel, or to the question after one order, proves: real ccxt classes, canned connections."""

from __future__ import annotations

import functools

import pytest

from exchanges.ccxt_gateway import CcxtGateway
from exchanges.evidence import VenueError
from tests.contract.canned import SYMBOL, CannedPool, gateway, reply
from tests.contract.evidence_rows.lookups import CANCEL, FETCH, ROWS, Asked

ASK = {
    CANCEL: lambda made: made.cancel_order(SYMBOL, "1"),
    FETCH: lambda made: made.fetch_order(SYMBOL, "1"),
}


@functools.cache
def shared(venue: str) -> tuple[CcxtGateway, CannedPool]:
    return gateway(venue, reply(200, "{}"))


@pytest.mark.parametrize("asked", ROWS, ids=str)
def test_the_answer_proves(asked: Asked) -> None:
    row = asked.row
    made, canned = shared(row.venue)
    canned.answer = lambda _: reply(row.status, row.body)

    with pytest.raises(VenueError) as raised:
        ASK[asked.what](made)

    assert raised.value.evidence is row.evidence, raised.value


def test_each_row_is_there_once() -> None:
    assert len(ROWS) == len(set(ROWS)) >= 106
