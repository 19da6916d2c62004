"""Several keys of an account, from the configuration to the alert of one that the venue refuses."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from exchanges.key_ring import KeySetAside
from settings import load_settings
from storage import schema
from storage.alerts import list_alerts
from storage.engine import read
from tasks.key_alerts import KIND, alert_key_set_aside
from tasks.runtime import Runtime
from tests.contract.dialects.dialect import KEY, SECRET
from tests.contract.test_several_keys import OTHER, ManyKeysAtBinance

pytestmark = pytest.mark.integration


@pytest.fixture
def venue() -> Iterator[ManyKeysAtBinance]:
    made = ManyKeysAtBinance()
    yield made
    made.close()


@pytest.fixture
def runtime(tmp_path: Path, venue: ManyKeysAtBinance) -> Iterator[Runtime]:
    config = tmp_path / "given.toml"
    config.write_text(
        f"""
        [venues.b]
        ccxt_id = "binance"
        base_url = "{venue.server.url}"
        timeout_ms = 60000
        keys = [{{ api_key = "{KEY}", secret = "{SECRET}" }}, {{ api_key = "{OTHER}", secret = "{SECRET}" }}]
        """
    )
    made = Runtime(load_settings({"STEADFILL_CONFIG": str(config), "STEADFILL_HOME": str(tmp_path)}))
    schema.upgrade(made.settings.database_url)
    yield made
    made.close()


def test_configured_keys_share_the_load(runtime: Runtime, venue: ManyKeysAtBinance) -> None:
    for _ in range(4):
        runtime.gateways.get("b").balances()

    assert Counter(venue.used) == {KEY: 2, OTHER: 2}


def test_a_refused_key_is_alerted_once_and_nowhere_written(runtime: Runtime, venue: ManyKeysAtBinance) -> None:
    venue.refused = {OTHER}

    for _ in range(5):
        assert runtime.gateways.get("b").balances()

    with read(runtime.engine) as conn:
        (alert,) = list_alerts(conn)
    assert (alert["kind"], alert["severity"], alert["count"]) == (KIND, "warning", 1)
    assert alert["detail"] == {"venue": "b", "account": "main", "key": 2, "of": 2}
    shown = json.dumps([str(value) for value in alert.values()])
    assert not any(secret in shown for secret in (KEY, OTHER, SECRET))


def test_an_alert_that_can_not_be_recorded_stops_nobody(tmp_path: Path) -> None:
    settings = load_settings({"STEADFILL_CONFIG": "/dev/null", "STEADFILL_HOME": str(tmp_path)})
    runtime = Runtime(settings)  # its database has no tables
    told = KeySetAside(venue="b", account="main", number=1, of=2, message="no")

    alert_key_set_aside(runtime.engine, runtime.now(), told)

    runtime.close()
