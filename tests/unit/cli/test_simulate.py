"""``steadfill simulate``: files as they come, what is shown, exit statuses; never a deployment, never a surprise."""

from __future__ import annotations

import csv
import gzip
import io
import json
import random
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from cli.app import run
from cli.simulate_tape import read_tape
from models.clock import from_milliseconds

START_MS = 1_893_456_000_000
HEADER = "ts_ms,trade_id,price,qty,taker_side"


@pytest.fixture(autouse=True)
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """There is no deployment, and none is asked for."""
    monkeypatch.setenv("STEADFILL_HOME", str(tmp_path / "nowhere"))
    monkeypatch.setenv("STEADFILL_API_PORT", "no port")


@pytest.fixture
def walk(tmp_path: Path) -> Path:
    """Ten minutes of trades, four a second."""
    dice, price = random.Random(7), 10_000
    lines = [HEADER]
    for number in range(2400):
        price += dice.choice((-2, -1, 0, 1, 2))
        buys = dice.random() < 0.5
        lines.append(
            f"{START_MS + 250 * number},{number},{(price + buys) / 100:.8f},{dice.randrange(1, 300) / 100:.8f},"
            f"{'buy' if buys else 'sell'}"
        )
    file = tmp_path / "walk.csv"
    file.write_text("\n".join(lines) + "\n")
    return file


def simulated(capsys: pytest.CaptureFixture[str], *arguments: str, status: int = 0) -> str:
    assert run(["simulate", *arguments]) == status
    shown = capsys.readouterr()
    assert "Traceback" not in shown.err
    return shown.out if status == 0 else shown.err


def documented(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    document = json.loads(simulated(capsys, *arguments, "--json"))
    assert isinstance(document, dict)
    return document


def written(tmp_path: Path, *lines: str, header: str = HEADER) -> str:
    file = tmp_path / "some.csv"
    file.write_text("\n".join([header, *lines]) + "\n")
    return str(file)


def test_every_algorithm_stands_side_by_side(walk: Path, capsys):
    document = documented(capsys, "--trades", str(walk), "--side", "buy", "--quantity", "20", "--symbol", "BTC/USDT")

    assert [item["algorithm"] for item in document["items"]] == ["single", "twap", "vwap", "pov", "adaptive"]
    assert all(item["quantity"] == "20" and item["base"] == "BTC" for item in document["items"])
    assert any("iceberg is left out" in note for note in document["notes"])
    assert len({item["arrival_price"] for item in document["items"]}) == 1
    # half of 599.75 s, in whole seconds, so that the other half is there to learn from
    assert document["order"]["start_at"] == "2030-01-01T00:05:00.750000Z"
    assert document["order"]["end_at"] == "2030-01-01T00:09:59.750000Z"
    assert document["model"]["tick"] == "0.01"
    assert document["model"]["lot"] == "0.01"


def test_a_limit_order_can_rest_and_so_be_an_iceberg(walk: Path, capsys):
    document = documented(
        capsys, "--trades", str(walk), "--side", "sell", "--quantity", "20", "--price", "100", "--cap", "1"
    )  # fmt: skip

    assert [item["algorithm"] for item in document["items"]] == [
        "single", "twap", "vwap", "iceberg", "pov", "adaptive",
    ]  # fmt: skip
    for item in document["items"]:
        fills = item["fills"]
        assert all(Decimal(fill["price"]) >= 100 for fill in fills)
        assert sum((Decimal(fill["quantity"]) for fill in fills), Decimal(0)) == Decimal(item["filled_quantity"])


def test_figures_are_those_of_the_cost_report(tmp_path: Path, capsys):
    file = written(
        tmp_path, f"{START_MS},1,100,1,", f"{START_MS + 1000},2,102,1,", f"{START_MS + 9000},3,103,2,",
        f"{START_MS + 20_000},4,104,1,",
    )  # fmt: skip

    document = documented(
        capsys, "--trades", file, "--side", "buy", "--quantity", "2", "--start", "2030-01-01T00:00:00.5Z",
        "--duration", "10", "--algorithm", '{"name": "twap", "slices": 2}', "--spread-bps", "0", "--impact", "0",
        "--fee-bps", "5",
    )  # fmt: skip

    (item,) = document["items"]
    # 1 at 100 at the start, 1 at 102 five seconds later; fees of 5 bps of 202
    assert item["average_price"] == "101"
    assert item["slippage_bps"] == "100"
    assert item["fees"] == "0.101"
    assert item["shortfall"]["total"] == "2.101"
    assert item["shortfall"]["bps"] == "105.05"
    # 1 at 102 and 2 at 103 traded meanwhile, and what was taken comes on top of it
    assert item["market"]["vwap"].startswith("102.66666")
    assert item["market"]["volume"] == "5"
    assert item["participation"] == "0.4"
    assert item["time_to_fill_s"] == "5"
    assert item["maker_share"] == "0"


@pytest.mark.parametrize("how", ["--json", "--csv", "--html", "table"])
def test_the_same_input_gives_the_same_output_byte_for_byte(walk: Path, capsys, how: str):
    arguments = ["--trades", str(walk), "--side", "buy", "--quantity", "20", "--price", "99.9"]
    arguments += {"--json": ["--json"], "--csv": ["--csv"], "--html": ["--html", "-"], "table": []}[how]

    assert simulated(capsys, *arguments) == simulated(capsys, *arguments)


def test_csv_has_a_row_each_and_html_loads_nothing(walk: Path, capsys, tmp_path: Path):
    arguments = ["--trades", str(walk), "--side", "buy", "--quantity", "20", "--symbol", "<b>/USDT"]

    rows = list(csv.DictReader(io.StringIO(simulated(capsys, *arguments, "--csv"))))
    assert [row["algorithm"] for row in rows] == ["single", "twap", "vwap", "pov", "adaptive"]
    assert rows[0]["status"] == "FILLED"

    page = tmp_path / "page.html"
    simulated(capsys, *arguments, "--html", str(page))
    text = page.read_text()
    assert text.count("<svg") == 2 + 2 * 5
    assert "<script" not in text
    assert "<b>" not in text
    assert "src=" not in text


def test_the_table_says_what_was_assumed(walk: Path, capsys):
    shown = simulated(capsys, "--trades", str(walk), "--side", "buy", "--quantity", "20", "--algorithm", "vwap")

    assert "vwap: the venue's volume history is not known: equal slices" in shown
    assert "the spread of" in shown
    assert "estimated from the trades before the start" in shown
    assert "One stretch of the past is one sample" in shown


def test_one_algorithm_twice_is_numbered(walk: Path, capsys):
    document = documented(
        capsys, "--trades", str(walk), "--side", "buy", "--quantity", "20",
        "--algorithm", '{"name":"twap","slices":2}', "--algorithm", '{"name":"twap","slices":4}',
    )  # fmt: skip

    assert [(item["algorithm"], item["slices"]) for item in document["items"]] == [("twap 1", 2), ("twap 2", 4)]


def test_the_duration_is_the_longest_that_an_algorithm_names(walk: Path, capsys):
    document = documented(
        capsys, "--trades", str(walk), "--side", "buy", "--quantity", "20", "--algorithm", "single",
        "--algorithm", '{"name":"twap","slices":2,"duration_s":"60"}',
    )  # fmt: skip

    assert document["order"]["start_at"] == "2030-01-01T00:08:59.750000Z"


def test_a_gzipped_file_is_the_same_file(walk: Path, capsys, tmp_path: Path):
    zipped = tmp_path / "walk.csv.gz"
    zipped.write_bytes(gzip.compress(walk.read_bytes()))
    arguments = ["--side", "buy", "--quantity", "20", "--csv"]

    assert simulated(capsys, "--trades", str(zipped), *arguments) == simulated(
        capsys, "--trades", str(walk), *arguments
    )


def test_a_candle_stands_for_four_trades(tmp_path: Path, capsys):
    file = written(
        tmp_path, f"{START_MS},10.0,12.0,9.0,11.0,0.40", f"{START_MS + 1000},11.0,11.5,8.0,8.5,0.0000003",
        f"{START_MS + 2000},8.5,8.5,8.5,8.5,0", header="ts_ms,o,h,l,c,v",
    )  # fmt: skip

    found = read_tape(file)
    past = found.tape

    # rising: down first; falling: up first; the hundred-millionths that four don't divide come last
    assert [past.decimal(price) for price in past.prices] == [
        Decimal(text) for text in ("10", "9", "12", "11", "11", "11.5", "8", "8.5")
    ]
    assert [past.decimal(size) for size in past.quantities] == [
        *[Decimal("0.1")] * 4, *[Decimal("7E-8")] * 3, Decimal("9E-8"),
    ]  # fmt: skip
    assert [(at // 1000 - START_MS) for at in past.at] == [0, 250, 500, 750, 1000, 1250, 1500, 1750]
    assert (found.kind, found.rows) == ("candles", 3)
    assert (found.tick, found.lot) == (Decimal("0.1"), Decimal("1E-7"))
    document = documented(capsys, "--trades", file, "--side", "buy", "--quantity", "1", "--duration", "1")
    assert any("four trades" in note for note in document["notes"])
    assert any("pov is left out" in note for note in document["notes"]), (
        "it is too short for one, and no reason to refuse"
    )


def test_columns_may_stand_anywhere_and_the_side_may_be_missing(tmp_path: Path):
    file = written(tmp_path, f"x,2.5,{START_MS},0.5", header="\ufeffother,qty,ts_ms,price")

    past = read_tape(file).tape

    assert past.first_at == from_milliseconds(START_MS)
    assert (past.decimal(past.prices[0]), past.decimal(past.quantities[0])) == (Decimal("0.5"), Decimal("2.5"))


def test_numbers_of_eighteen_digits_and_more_than_eight_bytes_are_exact(tmp_path: Path):
    fine = written(tmp_path, f"{START_MS},1,0.000000000000000001,99999999999999999999,buy")
    past = read_tape(fine).tape
    assert past.decimal(past.prices[0]) == Decimal("1E-18")
    assert past.decimal(past.quantities[0]) == Decimal(99999999999999999999)

    many = written(tmp_path, *(f"{START_MS},1,1,90000000000,buy" for _ in range(3)))
    assert read_tape(many).tape.traded[-1] == 270_000_000_000 * 10**8


@pytest.mark.parametrize(
    ("lines", "header", "said"),
    [
        ([], HEADER, "holds no trades"),
        ([], "a,b,c", "the first line must name the columns ts_ms,price,qty"),
        ([f"{START_MS},1,0,1,buy"], HEADER, "line 2: price must be above 0, got 0"),
        ([f"{START_MS},1,1e5,1,buy"], HEADER, "line 2: price must be a plain decimal, got 1e5"),
        ([f"{START_MS},1,1,-1,buy"], HEADER, "line 2: qty must be a plain decimal, got -1"),
        ([f"{START_MS},1,1,1_0,buy"], HEADER, "line 2: qty must be a plain decimal, got 1_0"),
        ([f"{START_MS},1,1,0.0000000000000000001,buy"], HEADER, "at most 18 digits after the point"),
        ([f"{START_MS},1,1,1,maker"], HEADER, "line 2: taker_side must be buy or sell"),
        ([f"{START_MS},1,1"], HEADER, "line 2: has fewer cells"),
        ([f"{START_MS},1,1,1,buy", f"{START_MS - 1},2,1,1,buy"], HEADER, "line 3: ts_ms must not fall"),
        ([f"{START_MS // 1000},1,1,1,buy"], HEADER, "must be milliseconds"),
        ([f"{START_MS * 1000},1,1,1,buy"], HEADER, "must be milliseconds"),
        (["soon,1,1,1,buy"], HEADER, "whole number of milliseconds"),
        ([f"{START_MS},1,2,1,3,1"], "ts_ms,o,h,l,c,v", "h must be the highest"),
        ([f"{START_MS},1,1,1,1,1"] * 2, "ts_ms,o,h,l,c,v", "that of the candle before"),
    ],
)  # fmt: skip
def test_files_that_can_not_be_read_are_a_sentence_and_1(tmp_path: Path, capsys, lines, header, said):
    file = written(tmp_path, *lines, header=header)

    assert said in simulated(capsys, "--trades", file, "--side", "buy", "--quantity", "1", status=1)


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"\xff\xfe\x00,", "no text in UTF-8"), (gzip.compress(b"ts_ms,price,qty", mtime=0)[:20], "damaged")],
)
def test_what_is_no_file_of_text_is_a_sentence_and_1(tmp_path: Path, capsys, content: bytes, said: str):
    file = tmp_path / "odd"
    file.write_bytes(content)

    assert said in simulated(capsys, "--trades", str(file), "--side", "buy", "--quantity", "1", status=1)


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["--trades", "/nowhere/trades.csv"], 1, "does not exist"),
        (["--trades", "/"], 1, "can't be read"),
        (["--start", "2020-01-01T00:00:00Z"], 1, "holds 2030-01-01T00:00:00.000000Z to"),
        (["--start", "2030-01-01T00:00:00Z"], 1, "behind its first trade"),
        (["--start", "2030-01-01T00:09:00Z", "--duration", "60"], 1, "--duration 59.75 or less"),
        (["--duration", "900"], 1, "a --duration of less than 599.75"),
        (["--quantity", "0.001"], 1, "must be at least the lot of 0.01"),
        (["--quantity", "0.02", "--algorithm", '{"name":"twap","slices":3}'], 1, "at most 2"),
        (["--quantity", "0.01", "--algorithm", '{"name":"twap","slices":3}'], 1, "can't be split"),
        (["--quantity", "0.01", "--min-notional", "50"], 1, "NOTIONAL_TOO_SMALL"),
        (["--side", "both"], 1, "must be buy or sell"),
        (["--type", "limit"], 1, "price is required"),
        (["--algorithm", "twop"], 1, "the nearest that would do is twap"),
        (["--algorithm", "iceberg"], 1, "must be limit for an iceberg"),
        (["--algorithm", '{"name":'], 1, "must be JSON"),
        (["--algorithm", '{"name":"pov","participation":1}'], 1, "below 1"),
        (["--fill-policy", "hope"], 1, "fill_policy.name must be"),
        (["--fill-policy", "{"], 2, "must be JSON"),
        (["--start", "noon"], 2, "RFC 3339"),
        (["--duration", "0"], 2, "must be above 0"),
        (["--duration", "99999999999999999999"], 2, "at most 2678400"),
        (["--recovery", "99999999999999999999"], 2, "at most 2678400"),
        (["--cap", "2"], 2, "at most 1"),
        (["--fee-bps", "-1"], 2, "--fee-bps must be"),
        (["--json", "--csv"], 2, "name one of them"),
        (["--html", "/nowhere/page.html"], 1, "can't be written"),
        (["--nope"], 2, "No such option"),
    ],
)
def test_bad_input_is_a_sentence_and_its_status(walk: Path, capsys, arguments: list[str], status: int, said: str):
    base = ["--trades", str(walk), "--side", "buy", "--quantity", "20"]

    assert said in simulated(capsys, *base, *arguments, status=status)


def test_a_rebate_is_a_negative_fee(tmp_path: Path, capsys):
    file = written(tmp_path, f"{START_MS},1,100,1,", f"{START_MS + 1000},2,98,1,", f"{START_MS + 2000},3,98,1,")

    document = documented(
        capsys, "--trades", file, "--side", "buy", "--quantity", "1", "--price", "99", "--cap", "1", "--duration", "1.5",
        "--start", "2030-01-01T00:00:00.5Z", "--maker-fee-bps", "-1", "--algorithm", "single",
    )  # fmt: skip

    (item,) = document["items"]
    assert (item["status"], item["average_price"]) == ("FILLED", "99")
    assert item["fees"] == "-0.0099"
    assert item["maker_share"] == "1"
