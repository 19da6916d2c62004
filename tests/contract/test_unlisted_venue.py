"""A class of ccxt that no table of ours knows: it works, by the most careful values, and whoever configures it is told.

That orders there live and end as they should is in the conformance suite, whose ``mexc`` is such a venue.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from exchanges.capabilities import CAPABILITIES, CAREFUL, Amend, IdScope, Paging
from exchanges.ccxt_gateway import CcxtGateway
from exchanges.client_ids import SHAPES
from exchanges.evidence import Evidence
from exchanges.market_shown import SHOWN
from exchanges.venue_codes import CODES
from models.reports import VenueStatus
from ops.doctor.finding import Finding
from ops.doctor.venues import venues as examine
from settings import load_settings
from tests.contract import canned
from tests.contract.conformance.orders import evidence, held, new_order
from tests.contract.dialects.dialect import KEY, SECRET
from tests.contract.dialects.mexc import Mexc


@pytest.fixture
def venue() -> Iterator[Mexc]:
    made = Mexc()
    yield made
    made.server.calm()
    made.close()


@pytest.fixture
def gateway(venue: Mexc) -> Iterator[CcxtGateway]:
    made = CcxtGateway(venue.config())
    yield made
    made.close()


def test_the_venue_of_the_suite_is_in_no_table() -> None:
    assert not any("mexc" in table for table in (CAPABILITIES, CODES, SHOWN, SHAPES))


def test_the_careful_values_promise_nothing() -> None:
    assert (CAREFUL.enforces_deadline, CAREFUL.rate_limit_is_rejection, CAREFUL.amend_deadline) == (False, False, False)
    assert (CAREFUL.client_ids_unique, CAREFUL.finds_by) == (IdScope.UNKNOWN, None)
    assert (CAREFUL.paging, CAREFUL.acknowledges_only) == (Paging.SINGLE, True)
    assert (CAREFUL.market_buy_params, CAREFUL.native_iceberg, CAREFUL.amend) == (None, False, Amend.NONE)
    assert (CAREFUL.signs_milliseconds, CAREFUL.gets_only_read) == (False, False)


def test_a_create_that_does_not_answer_is_found_through_lists_and_its_absence_is_no_proof(
    gateway: CcxtGateway, venue: Mexc
) -> None:
    order = new_order(gateway, venue)

    assert gateway.find_order(venue.symbol, order.client_order_id, order.timestamp) is None
    assert not gateway.capabilities.enforces_deadline, "so nothing is sent again, however long there is no trace"
    report = gateway.create_order(order)

    found = gateway.find_order(venue.symbol, order.client_order_id, order.timestamp)
    assert found is not None
    assert (found.venue_order_id, found.status) == (report.venue_order_id, VenueStatus.OPEN)


@pytest.mark.parametrize("shown", [49, 50])
def test_a_list_that_may_have_been_cut_is_not_taken_for_whole(shown: int) -> None:
    trades = [
        {"symbol": "BTCUSDT", "id": str(number), "orderId": "1", "price": "50000", "qty": "0.001", "quoteQty": "50",
         "commission": "0", "commissionAsset": "USDT", "time": 1760000000000 + number, "isBuyer": True, "isMaker": True}
        for number in range(shown)
    ]  # fmt: skip
    made, _ = canned.gateway("mexc", canned.reply(200, json.dumps(trades)))

    if shown == 50:
        assert evidence(lambda: made.trades_since(canned.SYMBOL, canned.order().timestamp)) is Evidence.AMBIGUOUS
    else:
        assert len(made.trades_since(canned.SYMBOL, canned.order().timestamp - timedelta(days=1))) == shown


@pytest.mark.parametrize(
    ("code", "words"),
    [(-2013, "Order does not exist."), (20002, "Internal system error please contact support"), (123456, "what?")],
)
def test_a_code_that_nobody_explains_proves_nothing(code: int, words: str) -> None:
    made, _ = canned.gateway("mexc", canned.reply(400, json.dumps({"code": code, "msg": words})))

    assert evidence(lambda: made.create_order(canned.order())) is Evidence.AMBIGUOUS


def test_a_duplicate_is_known_by_its_words() -> None:
    body = {"error": {"code": 20008, "message": "Duplicate clientOrderId", "description": ""}}
    made, _ = canned.gateway("hitbtc", canned.reply(400, json.dumps(body)))

    assert evidence(lambda: made.create_order(canned.order())) is Evidence.DUPLICATE


def test_requests_are_timed_by_our_clock_and_one_that_is_wrong_is_refused(venue: Mexc) -> None:
    venue.set_clock(20 * 60_000)
    gateway = CcxtGateway(venue.config())
    order = new_order(gateway, venue)

    assert evidence(gateway.balances) is Evidence.CLOCK
    assert evidence(lambda: gateway.create_order(order)) is Evidence.CLOCK
    assert held(venue, gateway, order) == 0
    gateway.close()


def test_the_doctor_says_what_careful_means(venue: Mexc, tmp_path: Path) -> None:
    found = _examined(tmp_path, mexc=venue.server.url)

    (told,) = [finding for finding in found if "nothing more is known" in finding.message]
    assert (told.check, told.state) == ("venues", "warn")
    assert told.message.startswith("mexc is spoken to by ccxt's class mexc")
    assert "never repeated" in told.message
    assert "docs/venues.md" in told.advice
    assert "mexc/main takes our keys" in [finding.message for finding in found if finding.state == "ok"]


def test_the_doctor_says_nothing_of_it_where_the_venue_is_known(venue: Mexc, tmp_path: Path) -> None:
    found = _examined(tmp_path, binance=venue.server.url)

    assert not any("nothing more is known" in finding.message for finding in found)


def test_the_doctor_does_not_promise_the_venues_time_where_ours_is_signed(venue: Mexc, tmp_path: Path) -> None:
    venue.set_clock(20 * 60_000)

    found = _examined(tmp_path, mexc=venue.server.url)

    (told,) = [finding for finding in found if "more than clock_skew_ms" in finding.message]
    assert "the venue may refuse our requests for their time" in told.advice


def _examined(folder: Path, **urls: str) -> list[Finding]:
    """What the doctor finds where only these venues are configured."""
    sections = [
        f'[venues.{name}]\nccxt_id = "{name}"\nbase_url = "{url}"\napi_key = "{KEY}"\nsecret = "{SECRET}"\n'
        "timeout_ms = 60000\nrecv_window_ms = 30000\nclock_skew_ms = 60000\n"
        for name, url in urls.items()
    ]
    file = folder / "steadfill.toml"
    file.write_text("\n".join(sections), encoding="utf-8")
    settings = load_settings({"STEADFILL_CONFIG": str(file), "STEADFILL_HOME": str(folder / "home")})
    return [finding for finding in examine(settings) if not finding.message.startswith("paper")]
