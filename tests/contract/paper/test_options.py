"""Settings: what the command line and the configuration accept, and the sentence for what they don't."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from exchanges.paper.config import AccountConfig, BadConfig, PaperConfig
from tests.support.paper import ROOT

BAD: dict[str, tuple[dict[str, Any], str]] = {
    "no home": ({"home": None}, "home: is required"),
    "unknown setting": ({"prot": 1}, "prot: no such setting"),
    "port of words": ({"port": "http"}, "port: must be a whole number from 0 to 65535"),
    "unknown symbol": ({"symbols": "BTCEUR"}, "symbols: 'BTCEUR' is not known"),
    "no symbol": ({"symbols": []}, "symbols: must name at least one"),
    "fee over ten percent": ({"fee_taker": "0.2"}, "fee_taker: must be a share of at most 0.1"),
    "speed of zero": ({"speed": 0}, "speed: must be over 0"),
    "unknown dedupe": ({"dedupe": "sometimes"}, "dedupe: must be one of open, always, never"),
    "unknown market": ({"market": "moon"}, "market: must be one of walk, still"),
    "bad plan": ({"faults": [{"kind": "explode"}]}, "faults: fault 0: kind must be one of"),
    "missing plan file": ({"faults": "/nowhere.json"}, "faults: .*No such file"),
    "two accounts with one key": (
        {"accounts": [{"name": n, "key": "k", "secret": "s"} for n in "ab"]},
        "accounts: every account needs a key of its own",
    ),
    "inexact instrument": (
        {
            "symbols": [
                {
                    "base": "A",
                    "quote": "B",
                    "tick": "0.00001",
                    "lot": "0.0001",
                    "min_notional": "1",
                    "price": "1",
                    "depth": "1",
                }
            ]
        },
        "symbols: AB: tick 0.00001 times lot 0.0001 must be",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_setting_that_can_not_be_used_is_named_with_its_rule(tmp_path: Path, case: str) -> None:
    settings, sentence = BAD[case]

    with pytest.raises(BadConfig, match=sentence):
        PaperConfig.from_mapping({"home": str(tmp_path), **settings})


def test_settings_of_a_toml_table_are_taken(tmp_path: Path) -> None:
    config = PaperConfig.from_mapping(
        {
            "paper": True,
            "home": tmp_path,
            "port": 0,
            "symbols": "BTC/USDT, DOGE/USDT",
            "fee_maker": "0.0002",
            "speed": 10,
        }
    )

    assert [instrument.symbol for instrument in config.instruments] == ["BTCUSDT", "DOGEUSDT"]
    assert (config.fee_maker_e8, config.fee_taker_e8, config.speed) == (20_000, 100_000, 10.0)


def test_keys_and_secrets_show_in_no_repr_and_no_error(tmp_path: Path) -> None:
    assert "canary" not in repr(AccountConfig(name="a", key="canary-key", secret="canary-secret"))
    with pytest.raises(BadConfig) as refused:
        PaperConfig.from_mapping({"home": tmp_path, "accounts": '"canary-secret"'})
    assert "canary" not in str(refused.value)


def paper(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "exchanges.paper", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)


def test_help_lists_the_options() -> None:
    answer = paper("--help")

    assert answer.returncode == 0
    assert all(option in answer.stdout for option in ("--replay", "--faults", "--dedupe", "--home", "--speed"))


def test_bad_option_ends_with_a_sentence_and_code_2(tmp_path: Path) -> None:
    answer = paper("--home", str(tmp_path), "--faults", json.dumps([{"kind": "explode"}]))

    assert answer.returncode == 2
    assert answer.stderr.startswith("The paper venue can't start with these settings: faults:")
    assert "Traceback" not in answer.stderr


def test_taken_port_ends_with_a_sentence(venue: Any, tmp_path: Path) -> None:
    answer = paper("--home", str(tmp_path / "other"), "--port", str(venue.port))

    assert answer.returncode == 2
    assert f"can't run on 127.0.0.1:{venue.port}" in answer.stderr
    assert "Traceback" not in answer.stderr
