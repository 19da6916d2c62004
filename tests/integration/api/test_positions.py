"""GET /v1/positions: the contract's fields, the filters and views, prices with their age, and what is not known as null."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from models.clock import format_time
from models.reports import Quote, VenueBalance
from models.shown_codec import shown_to_dict
from models.vocabulary import Mode
from settings import load_settings
from storage.engine import write
from storage.ledger import open_venue_account
from storage.redis_reservations import reservations_client
from storage.redis_shown import RedisShown
from tasks.hot_books import copy_everything
from tasks.runtime import Runtime
from tests.integration.api.conftest import Api, StartApi
from tests.support.order_values import NOW
from tests.support.position_books import PositionBooks
from tests.support.servers.redis import RedisServer

pytestmark = [pytest.mark.integration, pytest.mark.redis]

AN_HOUR = timedelta(hours=1)
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def api(request: pytest.FixtureRequest, start_api: StartApi) -> Api:
    """One API on SQLite and Redis; each test trades at an account of its own."""
    return start_api(STEADFILL_BROKER_URL=request.getfixturevalue("redis_server").url)


@pytest.fixture
def show_prices(redis_server: RedisServer) -> Iterator[Callable[[str], None]]:
    """``show_prices(account)``: its venue shows 200 for BTC and 600 for BNB, five seconds ago."""
    client = reservations_client(redis_server.url)

    def show(account: str) -> None:
        for symbol, bid, ask in (("BTC/USDT", "199", "201"), ("BNB/USDT", "599", "601")):
            quote = Quote(symbol=symbol, bid=Decimal(bid), ask=Decimal(ask), at=datetime.now(UTC))
            RedisShown(client).save("paper", account, f"quote:{symbol}", shown_to_dict(quote), age_s=5.0)

    yield show
    client.close()


def asked(api: Api, **parameters: str) -> dict[str, Any]:
    """The answer, which is as the API's own description has it."""
    answer = api.client.get("/v1/positions", params=parameters)
    assert answer.status_code == 200, answer.text
    description = api.client.get("/openapi.json").json()
    content = description["paths"]["/v1/positions"]["get"]["responses"]["200"]["content"]
    schema = content["application/json"]["schema"]
    jsonschema.validate(answer.json(), {**schema, "components": description["components"]})
    body: dict[str, Any] = answer.json()
    return body


def only(answer: dict[str, Any]) -> dict[str, Any]:
    (item,) = answer["items"]
    assert isinstance(item, dict)
    return item


def test_what_was_bought_and_sold_with_its_profit_and_its_price(api: Api, show_prices: Callable[[str], None]) -> None:
    show_prices("priced")
    books = PositionBooks(api.engine)
    with write(api.engine) as conn:
        found = [VenueBalance(asset="BTC", free=Decimal(10), used=Decimal(0))]
        open_venue_account(conn, "paper", "priced", found, at=NOW)
    books.buy("2", "100", fee="2", account="priced")
    books.sell("1", "150", fee="0.01", fee_asset="BNB", account="priced", at=NOW + AN_HOUR)

    answer = asked(api, account="priced")
    item = only(answer)

    contract = ("account", "venue", "asset", "quantity", "average_cost", "cost_asset", "realized_pnl")
    assert [item[name] for name in contract] == ["priced", "paper", "BTC", "1", "101", "USDT", "49"]
    assert (item["unrealized_pnl"], item["price"], item["note"]) == ("99", "200", None)
    assert item["price_age_s"] >= 5
    assert item["fees"] == {"BNB": "0.01", "USDT": "2"}
    assert item["fees_apart"] == [{"asset": "BNB", "amount": "0.01", "value": "6"}]
    assert item["total_pnl"] == "142"
    assert (item["mode"], item["strategy"], item["changes"]) == ("live", None, 2)
    assert item["booked_at"] == format_time(NOW + AN_HOUR)
    assert answer["holdings"] == [
        {
            "account": "priced",
            "venue": "paper",
            "asset": "BTC",
            "total": "11",
            "in_positions": "1",
            "cost_unknown": "10",
        }
    ]
    assert (answer["method"], answer["fees"], answer["at"]) == ("average", "included", None)

    apart = only(asked(api, account="priced", fees="apart", method="fifo"))
    assert (apart["average_cost"], apart["realized_pnl"], apart["unrealized_pnl"]) == ("100", "50", "100")
    assert {fee["asset"]: fee["value"] for fee in apart["fees_apart"]} == {"BNB": "6", "USDT": "2"}
    assert apart["total_pnl"] == "142"


def test_the_past_is_shown_as_it_was_and_has_no_price(api: Api) -> None:
    books = PositionBooks(api.engine)
    books.buy("1", "100", account="past", at=LONG_AGO)
    books.sell("1", "150", account="past", at=LONG_AGO + 2 * AN_HOUR)

    answer = asked(api, account="past", at=format_time(LONG_AGO + AN_HOUR))
    then, now = only(answer), only(asked(api, account="past"))

    assert (then["quantity"], then["average_cost"], then["realized_pnl"]) == ("1", "100", "0")
    assert (then["unrealized_pnl"], then["note"]) == (None, "No unrealized profit: prices of the past are not kept.")
    assert (answer["holdings"], answer["at"]) == (None, format_time(LONG_AGO + AN_HOUR))
    assert (now["quantity"], now["average_cost"], now["realized_pnl"]) == ("0", None, "50")
    assert (now["unrealized_pnl"], now["total_pnl"]) == ("0", "50")
    assert asked(api, account="past", at=format_time(LONG_AGO - AN_HOUR))["items"] == []


def test_without_a_price_nothing_is_guessed(api: Api) -> None:
    PositionBooks(api.engine).buy("1", "100", fee="1", fee_asset="BNB", account="unpriced")

    item = only(asked(api, account="unpriced"))

    assert (item["unrealized_pnl"], item["price"], item["total_pnl"]) == (None, None, None)
    assert item["note"] == "No unrealized profit: the venue has shown no price of BTC/USDT within a day."
    assert item["fees_apart"] == [{"asset": "BNB", "amount": "1", "value": None}]


def test_strategies_are_summed_unless_they_are_asked_for(api: Api, show_prices: Callable[[str], None]) -> None:
    show_prices("mixed")
    books = PositionBooks(api.engine)
    books.buy("1", "100", account="mixed", strategy="a")
    books.buy("3", "120", account="mixed", strategy="b")
    books.sell("1", "130", account="mixed")

    def shown(**parameters: str) -> list[tuple[Any, ...]]:
        items = asked(api, account="mixed", **parameters)["items"]
        return [(item["strategy"], item["quantity"], item["average_cost"], item["unrealized_pnl"]) for item in items]

    assert shown() == [(None, "3", None, "270")]
    assert shown(by="venue,account,strategy") == shown(by="strategy")
    assert shown(by="strategy") == [("", "-1", "130", "-70"), ("a", "1", "100", "100"), ("b", "3", "120", "240")]
    assert shown(strategy="b") == [(None, "3", "120", "240")]
    (summed,) = asked(api, account="mixed")["items"]
    assert "ask by strategy" in summed["note"]
    (short, *_) = asked(api, account="mixed", by="strategy")["items"]
    assert "whose cost is not known" in short["note"]


def test_the_hot_copy_says_what_it_is_and_the_database_answers_where_there_is_none(
    api: Api, redis_server: RedisServer
) -> None:
    books = PositionBooks(api.engine)
    books.buy("2", "100", fee="1", account="copied")
    never_copied = asked(api, venue="paper", account="nobody", source="hot")
    environ = {
        "STEADFILL_CONFIG": os.devnull,
        "STEADFILL_HOME": str(Path(api.engine.url.database or "").parent),
        "STEADFILL_BROKER_URL": redis_server.url,
        "STEADFILL_DATABASE_URL": str(api.engine.url),
    }
    runtime = Runtime(load_settings(environ))
    copy_everything(runtime)
    runtime.close()

    hot, true = (asked(api, venue="paper", account="copied", source=source) for source in ("hot", "database"))

    assert (never_copied["source"], never_copied["age_s"], never_copied["items"]) == ("database", None, [])
    assert (hot["source"], true["source"], true["age_s"]) == ("hot", "database", None)
    assert hot["age_s"] >= 0
    assert hot["items"] == true["items"] != []
    assert asked(api, venue="paper", account="copied", asset="ETH", source="hot")["items"] == []
    assert api.client.get("/v1/positions", params={"source": "hot"}).status_code == 422


def test_dry_runs_stand_apart(api: Api) -> None:
    books = PositionBooks(api.engine)
    books.buy("1", "100", account="modes")
    books.buy("1", "300", account="modes", venue="dry", mode=Mode.DRY_RUN)

    items = asked(api, account="modes", by="account")["items"]

    assert [(item["mode"], item["average_cost"], item["venue"]) for item in items] == [
        ("dry_run", "300", None),
        ("live", "100", None),
    ]


@pytest.mark.parametrize(
    ("parameters", "field"),
    [
        ({"by": "venue,colour"}, "by"),
        ({"method": "lifo"}, "method"),
        ({"fees": "gone"}, "fees"),
        ({"at": "yesterday"}, "at"),
        ({"at": "9000-01-01T00:00:00Z"}, "at"),
        ({"limit": "1"}, "limit"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_question_that_is_none_is_refused_by_name(api: Api, parameters: dict[str, str], field: str) -> None:
    answer = api.client.get("/v1/positions", params=parameters)
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == [field]
