"""No venue that the capability table names is left out of this folder."""

from __future__ import annotations

from exchanges.capabilities import CAPABILITIES
from tests.contract.dialects import DIALECTS, dialect


def test_every_venue_of_the_capability_table_has_a_dialect() -> None:
    assert set(CAPABILITIES) <= {dialect(name).ccxt_id for name in DIALECTS}


def test_a_venue_without_an_entry_is_among_them_and_so_is_the_built_in_one() -> None:
    assert {dialect(name).ccxt_id for name in DIALECTS} - set(CAPABILITIES)
    assert "paper" in DIALECTS
