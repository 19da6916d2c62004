"""Streams in the configuration: off unless asked for, and never with keys on their way to another place than orders."""

from __future__ import annotations

from pathlib import Path

import pytest

from ops.roles import pieces
from settings import ConfigurationError, Settings, load_settings

KEYS = "api_key = 'k'\nsecret = 's'\n"


@pytest.fixture
def load(tmp_path: Path):
    def load_text(text: str) -> Settings:
        file = tmp_path / "steadfill.toml"
        file.write_text(text)
        return load_settings({"STEADFILL_CONFIG": str(file), "STEADFILL_HOME": str(tmp_path / "home")})

    return load_text


def roles(settings: Settings) -> list[str]:
    return [piece.role for piece in pieces(settings, only=("paper", "stream", "api"))]


def test_nothing_streams_unless_it_is_asked_for_and_no_process_is_started_for_it(load):
    settings = load("")
    assert not settings.venues["paper"].streams
    assert "stream" not in roles(settings)


def test_the_built_in_venue_streams_at_its_own_port(load):
    settings = load("[venues.paper]\nport = 9177\nstreams = true\n")
    assert settings.venues["paper"].streams_at == "ws://127.0.0.1:9177"
    assert roles(settings) == ["paper", "stream", "api"]


@pytest.mark.parametrize(
    ("venue", "at"),
    [
        ("ccxt_id = 'binance'\n", None),
        ("ccxt_id = 'binance'\nws_url = 'wss://proxy.example/'\n", "wss://proxy.example"),
        ("ccxt_id = 'kraken'\nbase_url = 'http://127.0.0.1:1'\nws_url = 'ws://127.0.0.1:1'\n", "ws://127.0.0.1:1"),
    ],
    ids=["its-own", "elsewhere", "both"],
)
def test_where_a_venue_streams(load, venue, at):
    assert load(f"[venues.v]\n{venue}streams = true\n{KEYS}").venues["v"].streams_at == at


@pytest.mark.parametrize(
    ("venue", "words"),
    [
        ("ccxt_id = 'binance'\nbase_url = 'http://127.0.0.1:1'\n", "no ws_url"),
        ("ccxt_id = 'binance'\ndry_run = true\n", "dry_run"),
        ("ccxt_id = 'nobitex'\n", "no streams for nobitex"),
        ("ccxt_id = 'binance'\nws_url = 'http://127.0.0.1:1'\n", "ws://127.0.0.1:9100"),
        ("ccxt_id = 'binance'\nstream_poll_ms = 60001\n", "stream_poll_ms"),
        (f"ccxt_id = 'binance'\nstream_books = {['BTC/USDT'] * 21}\n", "stream_books"),
    ],
    ids=["base-url-alone", "dry-run", "no-class", "no-websocket", "too-seldom", "too-many-books"],
)
def test_what_can_not_be_streamed_is_refused_with_a_sentence(load, venue, words):
    with pytest.raises(ConfigurationError, match=r"venues\.v") as refused:
        load(f"[venues.v]\n{venue}streams = true\n{KEYS}")
    assert words in str(refused.value)
