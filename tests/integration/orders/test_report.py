"""``steadfill report`` on a database with real orders and no process running: every way to show it, and what it refuses."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cli.app import run
from tests.integration.orders.conftest import ON_SQLITE
from tests.support.order_ids import newest_first
from tests.support.runtime import Desk

Report = Callable[..., tuple[int, str, str]]


@pytest.fixture
def report(
    desk: Desk, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Report:
    """``report("--json")``: exit status, output, errors."""
    for name in [name for name in os.environ if name.startswith("STEADFILL_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("STEADFILL_CONFIG", os.devnull)
    monkeypatch.setenv("STEADFILL_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("STEADFILL_DATABASE_URL", database_url)

    def call(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        status = run(["report", *arguments])
        out, err = capsys.readouterr()
        return status, out, err

    return call


def _filled(desk: Desk, **changes: Any) -> str:
    order_id = desk.place(**changes)
    desk.work(order_id)
    return order_id


def test_one_order_is_reported_by_either_id(desk: Desk, report: Report) -> None:
    order_id = _filled(desk, client_order_id="mine", decision_price="61000")

    status, out, _ = report(order_id, "--json")
    by_client = report("mine", "--json")
    table = report("mine")

    document = json.loads(out)
    assert (status, by_client[1]) == (0, out)
    assert (document["order_id"], document["status"], document["fill_rate"]) == (order_id, "FILLED", "1")
    assert document["slippage_bps"] == desk.document(order_id)["slippage_bps"]
    assert document["shortfall"]["opportunity"] == "0"
    assert document["market"]["vwap"] is None
    assert table[0] == 0
    assert all(word in table[1] for word in ("mine", "FILLED", "arrival price", "opportunity", "not known yet"))


def test_orders_are_listed_with_their_sum(desk: Desk, report: Report) -> None:
    ids = [_filled(desk), _filled(desk, quantity="0.02")]

    listed, table = json.loads(report("--json")[1]), report()[1]

    assert [item["order_id"] for item in listed["items"]] == newest_first(ids)
    (total,) = listed["total"]
    assert (total["orders"], total["quote"], total["counted"]["slippage_bps"]) == (2, "USDT", 2)
    assert listed["more"] is False
    assert "BTC/USDT" in table


def test_orders_are_grouped_by_what_is_asked_for(desk: Desk, report: Report) -> None:
    for desk_name, symbol in (("one", "BTC/USDT"), ("one", "BTC/USDT"), ("two", "ETH/USDT")):
        _filled(desk, symbol=symbol, tags={"desk": desk_name})

    by_both = json.loads(report("--by", "symbol", "--by", "tag:desk", "--json")[1])
    filtered = json.loads(report("--by", "venue", "--tag", "desk=one", "--symbol", "BTC/USDT", "--json")[1])
    table = report("--by", "day", "--by", "algorithm")[1]

    assert by_both["by"] == ["symbol", "tag:desk"]
    assert [(item["by"], item["orders"]) for item in by_both["items"]] == [
        ({"symbol": "BTC/USDT", "tag:desk": "one"}, 2),
        ({"symbol": "ETH/USDT", "tag:desk": "two"}, 1),
    ]
    assert [(item["by"], item["orders"]) for item in filtered["items"]] == [({"venue": "paper"}, 2)]
    assert "single" in table


@ON_SQLITE
def test_the_newest_are_shown_and_that_there_are_more(desk: Desk, report: Report) -> None:
    ids = [_filled(desk) for _ in range(3)]

    listed, table = json.loads(report("--limit", "2", "--json")[1]), report("--limit", "2")[1]

    assert ([item["order_id"] for item in listed["items"]], listed["more"]) == (newest_first(ids)[:2], True)
    assert "there are more" in table


@ON_SQLITE
def test_csv_is_read_by_a_spreadsheet(desk: Desk, report: Report) -> None:
    order_id = _filled(desk)

    orders = list(csv.DictReader(io.StringIO(report("--csv")[1])))
    groups = list(csv.DictReader(io.StringIO(report("--by", "symbol", "--csv")[1])))

    assert [(row["order_id"], row["filled_quantity"]) for row in orders] == [(order_id, "0.01")]
    assert [(row["symbol"], row["orders"]) for row in groups] == [("BTC/USDT", "1")]


@ON_SQLITE
def test_a_page_is_written_to_a_file_or_to_standard_output(desk: Desk, report: Report, tmp_path: Path) -> None:
    order_id = _filled(desk)
    file = tmp_path / "report.html"

    status, said, _ = report(order_id, "--html", str(file))

    page = file.read_text()
    assert (status, str(file) in said) == (0, True)
    assert page.startswith("<!doctype html>")
    assert page.count("<svg") == 2
    assert report(order_id, "--html", "-")[1] == page
    assert "<svg" in report("--by", "symbol", "--html", "-")[1]
    assert order_id not in report("--html", "-")[1]


@ON_SQLITE
def test_a_fee_in_a_third_asset_is_valued_by_a_price_for_it(desk: Desk, report: Report) -> None:
    order_id = _filled(desk)

    unpriced, priced = (
        json.loads(report(order_id, "--json", *more)[1]) for more in ((), ("--fee-price", "BNB/USDT=600"))
    )

    assert unpriced == priced, "its fee is in BTC, which has a value already"
    assert report(order_id, "--fee-price", "BNB=600")[0] == 2


@ON_SQLITE
def test_nothing_that_matches_is_said_and_no_error(desk: Desk, report: Report) -> None:
    desk.place()

    assert report() == (0, "No order that ended matches.\n", "")
    assert report("--by", "symbol")[1] == "No order that ended matches.\n"
    assert report("--csv")[1] == ""
    assert json.loads(report("--json")[1]) == {"items": [], "total": [], "more": False}
    assert report("--html", "-")[0] == 0


@ON_SQLITE
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--by", "symbl"), "did you mean symbol?"),
        (("--by", "tag:"), "tag:KEY"),
        (("--since", "yesterday"), "--since must be an RFC 3339 time"),
        (("--json", "--csv"), "name one of them"),
        (("--json", "--html", "-"), "name one of them"),
        (("--tag", "nopair"), "NAME=VALUE"),
        (("--fee-price", "BNB/USDT=x"), "ASSET/QUOTE=PRICE"),
        (("an-order", "--by", "symbol"), "a named order stands for itself"),
        (("an-order", "--symbol", "BTC/USDT"), "a named order stands for itself"),
        (("--limit", "0"), "--limit"),
    ],
)
def test_bad_usage_is_exit_status_2(report: Report, arguments: tuple[str, ...], said: str) -> None:
    status, out, err = report(*arguments)

    assert (status, out) == (2, "")
    assert said in " ".join(err.replace("│", " ").split())


@ON_SQLITE
def test_an_order_that_does_not_exist_is_exit_status_1(report: Report) -> None:
    status, out, err = report("no-such-order")

    assert (status, out) == (1, "")
    assert "no-such-order" in err


@ON_SQLITE
def test_a_file_that_can_not_be_written_is_told(desk: Desk, report: Report, tmp_path: Path) -> None:
    status, _, err = report("--html", str(tmp_path))

    assert (status, str(tmp_path) in err, "Traceback" in err) == (1, True, False)


@ON_SQLITE
def test_a_database_that_is_not_there_is_told_and_not_made(
    report: Report, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("STEADFILL_DATABASE_URL")

    status, _, err = report()

    assert (status, "steadfill up" in err) == (1, True)
    assert not (tmp_path / "home").exists()


@ON_SQLITE
@pytest.mark.parametrize(
    "url", ["sqlite:///{folder}/empty.db", "postgresql+psycopg://me:a-password@127.0.0.1:1/none"], ids=["empty", "away"]
)
def test_a_database_that_can_not_be_read_is_told(
    report: Report, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, url: str
) -> None:
    monkeypatch.setenv("STEADFILL_DATABASE_URL", url.format(folder=tmp_path))

    status, out, err = report()

    assert (status, out) == (1, "")
    assert "Traceback" not in err
    assert "a-password" not in err
