"""The command line against a running deployment: answers, exit statuses, sentences, JSON; and the examples."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from tests.support.processes import ROOT, Process, clean_environment, free_port
from tests.support.waiting import eventually

pytestmark = [pytest.mark.acceptance, pytest.mark.sqlite_embedded, pytest.mark.timeout(600)]

STEADFILL = [sys.executable, "-m", "cli.main"]
KEY = "a-key-of-this-test-only-0123456789"

#: nets under hangs, in seconds
SOON = 120.0
START_S = 180.0

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """One deployment for the module, behind an API key."""
    folder = tmp_path_factory.mktemp("cli")
    env = {
        "STEADFILL_CONFIG": os.devnull,
        "STEADFILL_HOME": str(folder / "home"),
        "STEADFILL_API_PORT": str(free_port()),
        "STEADFILL_API_KEYS": KEY,
        "STEADFILL_EXECUTION__MAX_AGE_S": "3600",  # nothing grows too old to be sent, however slow the machine
        "STEADFILL_VENUES__PAPER__PORT": str(free_port()),
        "STEADFILL_VENUES__PAPER__MARKET": "still",
    }
    with Process([*STEADFILL, "up"], log=folder / "up.log", env=env) as up:
        up.wait_until(lambda: " ready: " in up.logs(), within_s=START_S, why="up is ready")
        eventually(lambda: takes_orders(env), within_s=SOON, describe="orders can be taken")
        yield env
        up.stop(within_s=SOON)


def takes_orders(env: dict[str, str]) -> bool:
    findings = json.loads(command(env)("doctor", "--json").stdout)
    return all(finding["state"] != "fail" for finding in findings)


def command(env: dict[str, str]) -> Run:
    def run(*arguments: str | Path, stdin: str | bytes = "", **changes: str) -> subprocess.CompletedProcess[str]:
        text = stdin.encode() if isinstance(stdin, str) else stdin
        done = subprocess.run(
            [*STEADFILL, *map(str, arguments)],
            check=False,
            input=text,
            env={**clean_environment(), **env, **changes},
            cwd=ROOT,
            capture_output=True,
            timeout=SOON,
        )
        return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())

    return run


@pytest.fixture
def run(environment) -> Run:
    return command(environment)


@pytest.fixture
def name() -> str:
    return f"test-{uuid.uuid4().hex}"


def market_buy(name: str, **changes: str) -> list[str]:
    options = {"client-order-id": name, "symbol": "BTC/USDT", "side": "buy", "quantity": "0.01", **changes}
    return ["order", "place", *(part for option, value in options.items() for part in (f"--{option}", value))]


def resting(name: str) -> list[str]:
    return market_buy(name, price="40000")


def test_market_order_is_placed_watched_to_its_end_and_shown(run, name):
    placed = run(*market_buy(name, tag="desk=one"), "--json")
    watched = run("order", "watch", name)
    shown = run("order", "show", name, "--json")

    document = json.loads(shown.stdout)
    assert (placed.returncode, watched.returncode, shown.returncode) == (0, 0, 0), placed.stderr + watched.stderr
    assert json.loads(placed.stdout)["client_order_id"] == name
    assert "FILLED" in watched.stdout.splitlines()[-1]
    assert (document["status"], document["filled_quantity"], document["tags"]) == ("FILLED", "0.01", {"desk": "one"})
    assert len(document["fills"]) >= 1


def test_order_is_found_by_either_id_and_by_its_tag(run, name):
    ours = json.loads(run(*resting(name), "--tag", f"mark={name}", "--json").stdout)["id"]

    by_ours, by_client, prefixed = (run("order", "show", given, "--json") for given in (ours, name, f"client:{name}"))
    listed = json.loads(run("order", "list", "--tag", f"mark={name}", "--json").stdout)

    assert {json.loads(found.stdout)["id"] for found in (by_ours, by_client, prefixed)} == {ours}
    assert [item["id"] for item in listed["items"]] == [ours]
    run("order", "cancel", name)


def test_show_reads_well_with_and_without_timeline(run, name):
    run(*market_buy(name))
    run("order", "watch", name)

    shown, steps = run("order", "show", name), run("order", "show", name, "--timeline")

    assert all(word in shown.stdout for word in (name, "FILLED", "venue order id", "liquidity"))
    assert all(word in steps.stdout for word in ("RECEIVED", "PREPARED", "VALIDATED", "WORKING", "FILLED", "cause"))


def test_same_request_twice_is_one_order_and_another_under_its_id_is_refused(run, name):
    first, second = (json.loads(run(*resting(name), "--json").stdout)["id"] for _ in range(2))
    other = run(*market_buy(name, price="40000", quantity="0.02"), "--json")

    assert first == second
    assert other.returncode == 1
    assert json.loads(other.stdout)["code"] in other.stderr
    run("order", "cancel", name)


def test_resting_order_is_cancelled_and_once_more_does_no_harm(run, name):
    run(*resting(name))
    eventually(
        lambda: '"WORKING"' in run("order", "show", name, "--json").stdout, within_s=SOON, describe="the order rests"
    )

    first = run("order", "cancel", name)
    final = json.loads(run("order", "watch", name, "--json").stdout)[0]
    again = run("order", "cancel", name)

    assert (first.returncode, again.returncode, final["status"]) == (0, 0, "CANCELED"), first.stderr + again.stderr


def test_resting_order_is_amended_and_only_at_the_version_that_was_seen(run, name):
    run(*resting(name))
    eventually(
        lambda: '"WORKING"' in run("order", "show", name, "--json").stdout, within_s=SOON, describe="the order rests"
    )
    shown = json.loads(run("order", "show", name, "--json").stdout)

    stale = run("order", "amend", name, "--quantity", "0.003", "--if-version", str(shown["version"] + 1))
    taken = run("order", "amend", name, "--quantity", "0.003", "--if-version", str(shown["version"]), "--json")
    eventually(
        lambda: json.loads(run("order", "show", name, "--json").stdout)["quantity"] == "0.003",
        within_s=SOON,
        describe="the order is amended",
    )
    wrong = run("order", "amend", name, "--quantity", "0")
    nothing = run("order", "amend", name)

    assert (stale.returncode, taken.returncode, wrong.returncode, nothing.returncode) == (1, 0, 1, 2)
    assert "VERSION_MISMATCH" in stale.stderr
    assert json.loads(taken.stdout)["client_order_id"] == name
    run("order", "cancel", name)


def test_filled_order_can_not_be_cancelled(run, name):
    run(*market_buy(name))
    run("order", "watch", name)

    refused = run("order", "cancel", name)

    assert refused.returncode == 1
    assert "FILLED" in refused.stderr


REFUSED = [
    # (options over a market buy, what the sentence must name)
    ({"quantity": "1e400"}, ["quantity", "1e400"]),
    ({"quantity": "NaN"}, ["quantity", "NaN"]),
    ({"quantity": "0.000001"}, ["quantity", "0.000001", "0.00001"]),
    ({"quantity": "٣"}, ["quantity"]),
    ({"quantity": "1" * 5000}, ["quantity"]),
    ({"symbol": "BTC/USD"}, ["symbol", "BTC/USD"]),
    ({"symbol": "BTC/USDT:USDT"}, ["symbol", "spot"]),
    ({"side": "long"}, ["side", "long", "buy"]),
    ({"venue": "papr"}, ["venue", "papr", "paper"]),
    ({"account": "desk9"}, ["account", "desk9"]),
    ({"type": "limit"}, ["price"]),
    ({"price": "-1"}, ["price", "-1"]),
    ({"time-in-force": "DAY"}, ["time_in_force", "DAY"]),
    ({"expires-at": "tomorrow"}, ["expires_at", "tomorrow"]),
    ({"client-order-id": "not an id"}, ["client_order_id", "not an id"]),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "said"), REFUSED, ids=[str(row[0])[:40] for row in REFUSED])
def test_bad_request_is_refused_naming_field_rule_and_value(run, name, changes, said):
    refused = run(*market_buy(name, **changes))

    assert (refused.returncode, refused.stdout) == (1, "")
    assert all(part in refused.stderr for part in said), refused.stderr
    assert "Traceback" not in refused.stderr
    assert len(refused.stderr) < 2000


def test_order_comes_from_a_file_and_from_standard_input_with_its_digits(run, name, tmp_path):
    text = f'{{"client_order_id": "{name}", "venue": "paper", "symbol": "ETH/USDT", "side": "buy", "type": "limit", "quantity": 0.10, "price": 2000.00}}'
    (tmp_path / "order.json").write_text(text)

    from_file = json.loads(run("order", "place", tmp_path / "order.json", "--json").stdout)
    from_stdin = json.loads(run("order", "place", "-", "--json", stdin=text).stdout)

    assert from_file["id"] == from_stdin["id"]
    assert (from_file["requested_quantity"], from_file["price"]) == ("0.1", "2000")
    run("order", "cancel", name)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "JSON"),
        ("{", "JSON"),
        ("[1]", "object"),
        (b"\xff\xfe", "UTF-8"),
        ('{"venue": "paper", "kind": 1}', "kind"),
        (" " * 10_000_000, "bytes"),
    ],
    ids=["empty", "torn", "list", "no-text", "unknown-field", "huge"],
)
def test_file_that_is_no_request_is_refused(run, text, said):
    refused = run("order", "place", "-", stdin=text)

    assert refused.returncode == 1
    assert said in refused.stderr
    assert "Traceback" not in refused.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("order", "place"),
        ("order", "place", "--symbol", "BTC/USDT"),
        ("order", "place", "some.json", "--side", "buy"),
        ("order", "place", "--symbol", "BTC/USDT", "--side", "buy", "--quantity", "1", "--tag", "nopair"),
        ("order", "show"),
        ("order", "list", "--limit", "0"),
        ("order", "nope"),
        ("halt", "--account", "main"),
        ("nope",),
        ("doctor", "--nope"),
    ],
)
def test_bad_usage_is_exit_status_2(run, arguments):
    refused = run(*arguments)

    assert refused.returncode == 2
    assert "Error" in refused.stderr or "Usage" in refused.stderr
    assert "Traceback" not in refused.stderr


@pytest.mark.parametrize("command", ["show", "cancel", "watch"])
def test_order_that_does_not_exist_is_exit_status_1(run, command):
    missing = run("order", command, "no-such-order")

    assert missing.returncode == 1
    assert "no-such-order" in missing.stderr


def test_halt_keeps_orders_from_being_sent_until_resume(run, name):
    halted = run("halt", "--venue", "paper", "--reason", "a test")
    run(*market_buy(name))
    denied = json.loads(run("order", "watch", name, "--json").stdout)[0]
    resumed = run("resume", "--venue", "paper")
    run(*market_buy(f"{name}-2"))
    filled = json.loads(run("order", "watch", f"{name}-2", "--json").stdout)[0]

    assert (halted.returncode, resumed.returncode) == (0, 0)
    assert denied["status"] == "DENIED"
    assert [child["sent_at"] for child in denied["child_orders"] if child["sent_at"]] == []
    assert filled["status"] == "FILLED"


def test_balances_and_venues_are_shown_and_read_by_programs(run, name):
    run(*market_buy(name))
    run("order", "watch", name)

    balances, venues = (json.loads(run(what, "--json").stdout)["items"] for what in ("balances", "venues"))

    assert {item["asset"] for item in balances} >= {"BTC", "USDT"}
    assert [(venue["venue"], venue["account"]) for venue in venues] == [("paper", "main")]
    assert "USDT" in run("balances").stdout
    assert "closed" in run("venues").stdout


def test_positions_are_shown_as_table_json_and_csv_and_proven(run, name):
    run(*market_buy(name, symbol="ETH/USDT", quantity="0.2", tag=f"strategy={name}"))
    run("order", "watch", name)
    fills = json.loads(run("order", "show", name, "--json").stdout)["fills"]
    chosen = ("--strategy", name, "--by", "venue,account,strategy")

    (item,) = json.loads(run("positions", *chosen, "--json").stdout)["items"]
    table, rows = run("positions", *chosen).stdout, run("positions", *chosen, "--csv").stdout
    proven = run("positions", "--prove", "--json")

    assert item["asset"] == "ETH"
    quantity = sum(Decimal(fill["quantity"]) for fill in fills) - sum(
        Decimal(fill["fee"]) for fill in fills if fill["fee_asset"] == "ETH"
    )
    assert Decimal(item["quantity"]) == quantity
    assert Decimal(item["open_cost"]) == sum(Decimal(fill["quantity"]) * Decimal(fill["price"]) for fill in fills)
    assert name in table
    (row,) = csv.DictReader(io.StringIO(rows))
    assert (row["quantity"], row["average_cost"]) == (item["quantity"], item["average_cost"])
    assert (proven.returncode, json.loads(proven.stdout)) == (0, {"equal": True, "findings": []})
    assert run("positions", "--csv", "--json").returncode == 2


def test_ps_and_doctor_find_everything_well(run):
    pieces = json.loads(run("ps", "--json").stdout)
    doctor = run("doctor", "--json")

    findings = json.loads(doctor.stdout)
    roles = {piece["role"] for piece in pieces}
    assert roles == {"broker", "paper", "worker", "beat", "api"}
    assert all(set(piece) >= {"role", "pid", "since"} for piece in pieces)
    assert doctor.returncode == 0, doctor.stdout
    assert {finding["check"] for finding in findings} >= {
        "python",
        "configuration",
        "database",
        "broker",
        "api",
        "venues",
        "disk",
        "home",
    }
    assert KEY not in doctor.stdout + doctor.stderr


def test_wrong_key_is_refused_and_never_repeated(run):
    refused = run("order", "list", STEADFILL_API_KEYS="another-key-0123456789")

    assert refused.returncode == 1
    assert "another-key" not in refused.stderr
    assert "Traceback" not in refused.stderr


def test_no_api_is_told_with_the_way_to_start_it(run):
    refused = run("order", "list", STEADFILL_API_PORT=str(free_port()))

    assert refused.returncode == 1
    assert "steadfill up" in refused.stderr


def test_reader_that_leaves_causes_no_stack_trace(environment, run, name):
    run(*resting(name))
    shell = f"{sys.executable} -m cli.main order list --json | head -c 1"

    done = subprocess.run(
        ["bash", "-c", shell],
        check=False,
        env={**clean_environment(), **environment},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=SOON,
    )

    assert (done.stdout, done.stderr) == ("{", "")
    run("order", "cancel", name)


def test_ctrl_c_ends_a_watch_quietly(environment, run, name, tmp_path):
    run(*resting(name))
    with Process([*STEADFILL, "order", "watch", name], log=tmp_path / "watch.log", env=environment) as watch:
        watch.wait_until(lambda: name in watch.logs(), within_s=SOON, why="the order is shown")

        watch.send(signal.SIGINT)

        assert watch.wait(within_s=SOON) == 0
        assert "Traceback" not in watch.logs()
    run("order", "cancel", name)


def test_example_over_http_places_an_order_and_follows_it(environment):
    done = subprocess.run(
        [sys.executable, ROOT / "examples/enqueue_http.py"],
        check=False,
        env={
            **clean_environment(),
            "STEADFILL_API": f"http://127.0.0.1:{environment['STEADFILL_API_PORT']}",
            "STEADFILL_API_KEY": KEY,
        },
        capture_output=True,
        text=True,
        timeout=SOON,
    )

    assert done.returncode == 0, done.stderr
    assert "FILLED: 0.01 at " in done.stdout


def test_example_over_celery_is_told_of_every_change(environment, run, name, tmp_path):
    broker = {"STEADFILL_BROKER_URL": f"redis+socket://{environment['STEADFILL_HOME']}/valkey/valkey.sock"}
    request = json.loads((ROOT / "examples/place_order.json").read_text()) | {"client_order_id": name, "price": "40000"}
    (tmp_path / "order.json").write_text(json.dumps(request))
    receiver = [
        sys.executable,
        "-m",
        "celery",
        "--workdir",
        "examples",
        "-A",
        "notify_receiver",
        "worker",
        "-Q",
        "example.orders",
        "-P",
        "solo",
    ]
    with Process(
        [*receiver, "--without-mingle", "--without-gossip"], log=tmp_path / "receiver.log", env=broker
    ) as listening:
        sent = subprocess.run(
            [sys.executable, ROOT / "examples/enqueue_celery.py", tmp_path / "order.json"],
            check=False,
            env={**clean_environment(), **broker},
            capture_output=True,
            text=True,
            timeout=SOON,
        )
        assert sent.returncode == 0, sent.stderr
        listening.wait_until(
            lambda: f"{name} WORKING" in listening.logs(), within_s=SOON, why="word of the resting order"
        )

        run("order", "cancel", name)

        listening.wait_until(lambda: f"{name} CANCELED" in listening.logs(), within_s=SOON, why="word of the cancel")
