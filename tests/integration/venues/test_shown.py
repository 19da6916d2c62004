"""What the venues showed, shared by all processes in Redis and looked at through the API, with its age."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import jsonschema
import pytest

from models.market_data import OrderBook
from models.reports import Quote, VenueBalance
from storage import redis_shown
from storage.redis_reservations import reservations_client
from storage.redis_shown import RedisShown
from tasks.traffic import pass_on
from tests.integration.api.conftest import Api, StartApi, start_api
from tests.integration.venues.test_traffic import runtime
from tests.support.processes import free_port
from tests.support.servers.redis import RedisServer

__all__ = ["start_api"]

pytestmark = [pytest.mark.integration, pytest.mark.redis]

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
MARKET = "/v1/market?venue=paper&symbol=BTC/USDT"


def quote(bid: str) -> Quote:
    return Quote(symbol="BTC/USDT", bid=Decimal(bid), ask=Decimal(60_000), at=AT)


def as_described(api: Api, path: str) -> dict[str, object]:
    answer = api.client.get(path)
    description = api.client.get("/openapi.json").json()
    described = description["paths"]["/v1/market"]["get"]["responses"][str(answer.status_code)]["content"]
    schema = described[answer.headers["content-type"]]["schema"]
    jsonschema.validate(answer.json(), {**schema, "components": description["components"]})
    return {"status": answer.status_code, **answer.json()}


def test_what_one_process_was_shown_is_seen_through_the_api_with_its_age(
    redis_url: str, start_api: StartApi, tmp_path: Path
) -> None:
    api = start_api(STEADFILL_BROKER_URL=redis_url)
    before = as_described(api, MARKET)
    worker = runtime(redis_url, tmp_path)
    shown = worker.gateways.shown()["paper", "main"]
    began = time.monotonic()
    shown.note(quote("50000"), shown.asking() - 90)
    shown.note(OrderBook(symbol="BTC/USDT", bids=((Decimal("49999.5"), Decimal(2)),), asks=(), at=AT), shown.asking())
    shown.note([VenueBalance(asset="BTC", free=Decimal(1), used=Decimal(0))], shown.asking())
    pass_on(worker)

    after = as_described(api, MARKET)
    took_s = time.monotonic() - began

    assert (before["quote"], before["book"], before["balances"]) == (None, None, None)
    assert before["instrument"]["tick"] == "0.01"  # type: ignore[index]
    assert before["instrument"]["age_s"] >= 0  # type: ignore[index]
    seen = after["quote"]
    assert isinstance(seen, dict)
    assert (seen["bid"], seen["ask"], seen["at"]) == ("50000", "60000", "2026-01-02T03:04:05.000000Z")
    assert 89 < seen["age_s"] < 91 + took_s
    assert after["book"]["bids"] == [["49999.5", "2"]]  # type: ignore[index]
    assert after["balances"]["items"] == [{"asset": "BTC", "free": "1", "used": "0"}]  # type: ignore[index]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v1/market?venue=nowhere&symbol=BTC/USDT", 404),
        ("/v1/market?venue=paper&symbol=BTC/USDT&account=other", 404),
        ("/v1/market?venue=paper", 422),
        ("/v1/market?symbol=BTC/USDT&venue=paper&max_age=1", 422),
    ],
)
def test_what_can_not_be_looked_at_is_said(start_api: StartApi, one_api: list[Api], path: str, status: int) -> None:
    if not one_api:
        one_api.append(start_api())

    assert as_described(one_api[0], path)["status"] == status


@pytest.fixture(scope="module")
def one_api() -> list[Api]:
    """Of the tests that only read; without Redis."""
    return []


def test_without_redis_the_answer_is_not_now(start_api: StartApi) -> None:
    api = start_api(STEADFILL_BROKER_URL=f"redis://127.0.0.1:{free_port()}/0")

    assert as_described(api, MARKET)["status"] == 503


def test_the_later_question_counts_whoever_tells_first(redis_url: str) -> None:
    client = reservations_client(redis_url)
    shared = RedisShown(client)
    shared.save("paper", "main", "quote:A/B", {"bid": "new"}, age_s=10.0)
    shared.save("paper", "main", "quote:A/B", {"bid": "old"}, age_s=600.0)

    (seen, nothing) = shared.read("paper", "main", "quote:A/B", "book:A/B")

    assert seen is not None
    assert seen["bid"] == "new"
    assert nothing is None
    assert 0 < client.ttl("steadfill.shown:paper:main") <= redis_shown.KEPT_S
    shared.save("paper", "main", "quote:C/D", {"bid": "gone"}, age_s=redis_shown.KEPT_S + 1.0)
    assert shared.read("paper", "main", "quote:C/D") == [None]
    shared.close()


def test_while_redis_is_away_what_was_shown_waits(private_redis: RedisServer, tmp_path: Path) -> None:
    worker = runtime(private_redis.url, tmp_path)
    shown = worker.gateways.shown()["paper", "main"]
    shown.note(quote("50000"), shown.asking())
    private_redis.kill()
    pass_on(worker)
    private_redis.start()

    pass_on(worker)

    assert worker.shared_shown is not None
    (seen,) = worker.shared_shown.read("paper", "main", "quote:BTC/USDT")
    assert seen is not None
    assert seen["bid"] == "50000"
    worker.close()
