from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from exchanges.ccxt_session import UnknownExchange, make_exchange, pointed
from exchanges.config import Secret, VenueConfig
from exchanges.http_pool import ConnectionPool
from exchanges.http_session import WireSession
from exchanges.registry import Gateways, UnknownVenue

ROOT = Path(__file__).resolve().parents[3]
CONFIG = VenueConfig(name="paper", ccxt_id="binance", base_url="http://127.0.0.1:1", secret=Secret("canary"))


def test_a_gateway_is_made_once_and_shared_by_threads() -> None:
    gateways = Gateways([CONFIG])
    found: list[object] = []

    threads = [threading.Thread(target=lambda: found.append(gateways.get("paper"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len({id(gateway) for gateway in found}) == 1
    assert gateways.keys() == [("paper", "main")]
    gateways.close()
    assert gateways.get("paper") is not found[0]


@pytest.mark.parametrize(("venue", "account"), [("paper", "desk2"), ("nowhere", "main")])
def test_what_is_not_configured_is_named(venue: str, account: str) -> None:
    with pytest.raises(UnknownVenue, match=f"{account}.*{venue}"):
        Gateways([CONFIG]).get(venue, account)


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_child_makes_its_own_even_when_the_lock_was_held() -> None:
    gateways = Gateways([CONFIG])
    mine = gateways.get("paper")
    gateways._lock.acquire()
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        signal.alarm(20)  # a child that waits for the lock of a thread it does not have would wait for ever
        theirs = gateways.get("paper")
        os.write(writer, b"own" if theirs is not mine else b"same")
        os._exit(0)
    os.close(writer)
    os.waitpid(child, 0)
    gateways._lock.release()
    said = os.read(reader, 10)
    os.close(reader)

    assert said == b"own"
    assert gateways.get("paper") is mine


@pytest.mark.parametrize(
    "module",
    ["gateway", "evidence", "capabilities", "instruments", "registry", "config", "client_ids", "errors", "venue_clock"],
)
def test_what_the_api_needs_does_not_import_ccxt(module: str) -> None:
    code = f"import sys, exchanges.{module}; sys.exit('ccxt' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_a_secret_shows_itself_nowhere() -> None:
    shown = f"{CONFIG!r} {CONFIG} {CONFIG.secret!s} {CONFIG.secret:}" + repr(Gateways([CONFIG]).get("paper"))

    assert "canary" not in shown
    assert CONFIG.secret.reveal() == "canary"
    assert CONFIG.secrets() == ("canary",)
    with pytest.raises(TypeError):
        pickle.dumps(CONFIG.secret)


def test_urls_are_pointed_with_their_paths_and_templates() -> None:
    urls = {"a": {"b": "https://{hostname}/api/v5"}, "c": "https://api.venue.com", "d": None}

    assert pointed(urls, "http://127.0.0.1:9100/") == {
        "a": {"b": "http://127.0.0.1:9100/api/v5"},
        "c": "http://127.0.0.1:9100",
        "d": None,
    }


@pytest.mark.parametrize(
    "ccxt_id", ["binance", "bybit", "okx", "kraken", "coinbase", "kucoin", "gate", "bitget", "mexc"]
)
def test_an_instance_asks_nobody_and_waits_for_nothing_of_its_own(ccxt_id: str) -> None:
    config = VenueConfig(name="x", ccxt_id=ccxt_id, base_url="http://127.0.0.1:1")
    exchange = make_exchange(config, WireSession(ConnectionPool(max_idle=1)), None)

    assert exchange.number is str
    assert exchange.enableRateLimit is False
    assert exchange.options["maxRetriesOnFailure"] == 0
    assert exchange.has["fetchCurrencies"] is False
    assert "https://" not in str(exchange.urls["api"])
    assert exchange.parse_json('{"a": 0.12345678901234567890}') == {"a": "0.12345678901234567890"}


def test_an_exchange_that_ccxt_does_not_know_is_named() -> None:
    with pytest.raises(UnknownExchange, match="binanze"):
        make_exchange(VenueConfig(name="x", ccxt_id="binanze"), WireSession(ConnectionPool(max_idle=1)), None)
