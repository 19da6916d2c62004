"""Large orders in slices, in real processes: chords of slice tasks, each at its time, on every stack."""

from __future__ import annotations

from decimal import Decimal

import pytest

from models.clock import parse_time
from tests.acceptance.client import FINAL, Client, Document
from tests.acceptance.deployment import Deployment
from tests.acceptance.stacks import on
from tests.support.waiting import eventually

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(900)]

#: Long enough that a machine that stands still for ten seconds sends every slice before the schedule's time is over.
TWAP = {"name": "twap", "duration_s": 40, "slices": 4}

#: a net under hangs, in seconds
LONG_S = 300.0


def sent_once(deployment: Deployment, document: Document) -> None:
    """Each slice is one order at the venue, and nothing of it is there twice."""
    ids = [child["venue_client_order_id"] for child in document["child_orders"] if child["sent_at"]]
    at_venue = [order["client_order_id"] for order in deployment.venue.orders()]
    assert sorted(one for one in at_venue if one in set(ids)) == sorted(ids)


def test_a_twap_is_sent_in_slices_at_their_times(deployment: Deployment, client: Client) -> None:
    order = client.place(quantity="0.004", algorithm=TWAP)
    document = client.wait_for(order["id"], "FILLED", within_s=LONG_S)

    children = document["child_orders"]
    due = [parse_time(child["due_at"]) for child in children]
    assert sum(Decimal(child["quantity"]) for child in children) >= Decimal("0.004")
    assert all(parse_time(child["sent_at"]) >= at for child, at in zip(children, due, strict=True) if child["sent_at"])
    sent_once(deployment, document)


def test_many_schedules_at_once_end_filled(deployment: Deployment, client: Client) -> None:
    orders = [client.place(quantity="0.003", algorithm={**TWAP, "slices": 3, "duration_s": 45}) for _ in range(12)]

    for order in orders:
        document = client.wait_for(order["id"], "FILLED", within_s=LONG_S)
        assert document["filled_quantity"] == "0.003"
        sent_once(deployment, document)


@pytest.mark.parametrize("piece", ["venue", "all"])
def test_a_schedule_survives_the_death_of_its_workers(disturbed: Deployment, piece: str) -> None:
    client = disturbed.client
    order = client.place(quantity="0.006", algorithm={"name": "twap", "duration_s": 90, "slices": 6})
    client.wait_for(order["id"], "PARTIALLY_FILLED")
    names = [name for name in disturbed.processes if piece == "all" or piece in name]
    for name in names:
        disturbed.kill(name)
    disturbed.start_pieces()

    document = client.wait_for(order["id"], "FILLED", within_s=LONG_S)

    assert document["filled_quantity"] == "0.006"
    sent_once(disturbed, document)


@on("sqlite-embedded")
def test_pov_trades_a_share_of_what_trades_and_ends_with_its_time(deployment: Deployment, client: Client) -> None:
    pov = {"name": "pov", "participation": "0.3", "duration_s": 12}
    order = client.place(quantity="5", algorithm=pov)

    def others_trade_until_it_ends() -> bool:
        deployment.venue.trade("BTC/USDT", "sell", "0.01")
        return client.status(order["id"])["status"] in FINAL

    eventually(others_trade_until_it_ends, within_s=120, describe="the schedule ends with its time")
    document = client.show(order["id"])
    filled = Decimal(document["filled_quantity"])
    assert (document["status"], document["reason"]["code"]) == ("EXPIRED", "SCHEDULE_OVER")
    assert Decimal(0) < filled < Decimal(5)
    assert sum(Decimal(fill["quantity"]) for fill in document["fills"]) == filled
    sent_once(deployment, document)
