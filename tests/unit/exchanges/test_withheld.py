"""What stands in the place of a gateway that must not be used: every way through it is closed, and says why."""

from __future__ import annotations

import inspect

import pytest

from exchanges.config import VenueConfig
from exchanges.dry_run.withheld import withheld
from exchanges.evidence import Evidence, VenueError
from exchanges.gateway import Gateway
from exchanges.registry import Gateways, OtherMode

CONFIG = VenueConfig(name="binance", account="desk2", ccxt_id="binance")
CALLS = [
    name for name, member in inspect.getmembers(Gateway, inspect.isfunction) if not name.startswith("_") and name != "close"
]  # fmt: skip


@pytest.mark.parametrize("name", CALLS)
def test_every_call_ends_as_surely_not_sent(name: str) -> None:
    gateway = withheld(CONFIG, "another mode; put it back")

    with pytest.raises(VenueError, match="another mode; put it back") as refused:
        getattr(gateway, name)()

    assert refused.value.evidence is Evidence.NOT_SENT
    assert not refused.value.outage


def test_it_says_whose_place_it_takes_and_has_no_other_ways() -> None:
    gateway = withheld(CONFIG, "why")

    assert (gateway.venue, gateway.account) == ("binance", "desk2")
    assert not hasattr(gateway, "something_else")
    gateway.close()


def test_a_gateway_is_given_out_only_when_admitted_and_asked_no_more_once_it_is() -> None:
    asked: list[str] = []

    def admit(config: VenueConfig) -> bool:
        asked.append(config.account)
        if len(asked) == 2:
            raise OtherMode("not now")
        return len(asked) == 3

    gateways = Gateways([CONFIG], admit=admit)
    kinds = [type(gateways.get("binance", "desk2")).__name__ for _ in range(5)]

    assert kinds == ["CcxtGateway", "Withheld", *["CcxtGateway"] * 3]
    assert len(asked) == 3
    gateways.close()
