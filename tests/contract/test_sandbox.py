"""``sandbox = true``: every request goes to the venue's own test environment, or the configuration is refused."""

from __future__ import annotations

from typing import Any

import pytest

from exchanges.ccxt_session import NoSandbox, assert_sandbox, make_exchange
from exchanges.config import Secret, VenueConfig
from exchanges.http_pool import ConnectionPool
from exchanges.http_session import WireSession
from models.vocabulary import Mode

#: where the spot requests of each venue's test environment go, as the venues' documentation says; okx's and bitget's is a header
TEST_HOSTS = {
    "binance": "testnet.binance.vision",
    "bybit": "api-testnet.bybit.com",
    "gate": "api-testnet.gateapi.io",
    "hitbtc": "api.demo.hitbtc.com",
    "nobitex": "testnetapiv2.nobitex.ir",
}
HEADERS = {"okx": ("www.okx.com", "x-simulated-trading"), "bitget": ("api.bitget.com", "PAPTRADING")}
WITHOUT = ["kraken", "coinbase", "kucoin", "mexc"]
#: ccxt's method that asks for a spot balance
SPOT = {
    "binance": "private_get_account",
    "bybit": "private_get_v5_account_wallet_balance",
    "gate": "private_spot_get_accounts",
    "hitbtc": "private_get_spot_balance",
    "nobitex": "fetch_balance",
    "okx": "private_get_account_balance",
    "bitget": "private_spot_get_v2_spot_account_assets",
}


class Left(Exception):
    """A request would have left here."""


def exchange(ccxt_id: str, **changes: Any) -> Any:
    values = {"api_key": Secret("k" * 16), "secret": Secret("s" * 16), "password": Secret("p"), "mode": Mode.SANDBOX}
    config = VenueConfig(name=ccxt_id, ccxt_id=ccxt_id, **{**values, **changes})
    return make_exchange(config, WireSession(ConnectionPool(max_idle=1)), None)


def request_of(made: Any) -> tuple[str, dict[str, str]]:
    """Address and headers of a request for a spot balance, which does not leave."""
    caught: list[tuple[str, dict[str, str]]] = []

    def fetch(url: str, method: str, headers: dict[str, str] | None, body: object) -> None:
        del method, body
        caught.append((url, made.prepare_request_headers(headers)))
        raise Left

    made.fetch = fetch
    with pytest.raises(Left):
        getattr(made, SPOT[made.id])()
    return caught[0]


@pytest.mark.parametrize("ccxt_id", TEST_HOSTS)
def test_spot_requests_go_to_the_test_environment(ccxt_id: str) -> None:
    assert request_of(exchange(ccxt_id))[0].startswith(f"https://{TEST_HOSTS[ccxt_id]}/")
    assert TEST_HOSTS[ccxt_id] not in request_of(exchange(ccxt_id, mode=Mode.LIVE))[0]


@pytest.mark.parametrize("ccxt_id", HEADERS)
def test_or_carry_the_header_that_stands_for_it(ccxt_id: str) -> None:
    host, header = HEADERS[ccxt_id]

    url, headers = request_of(exchange(ccxt_id))
    _, live = request_of(exchange(ccxt_id, mode=Mode.LIVE))

    assert url.startswith(f"https://{host}/")
    assert headers[header] == "1"
    assert header not in live


@pytest.mark.parametrize("ccxt_id", WITHOUT)
def test_a_venue_without_one_is_refused_with_what_to_do(ccxt_id: str) -> None:
    with pytest.raises(NoSandbox, match=f"{ccxt_id} has no sandbox.*dry_run = true"):
        assert_sandbox(ccxt_id)
    with pytest.raises(NoSandbox):
        exchange(ccxt_id)


@pytest.mark.parametrize("ccxt_id", [*TEST_HOSTS, *HEADERS])
def test_a_venue_that_has_one_may_be_configured_so(ccxt_id: str) -> None:
    assert_sandbox(ccxt_id)


def test_a_base_url_stands_above_it() -> None:
    made = exchange("binance", base_url="http://127.0.0.1:9100")

    assert request_of(made)[0].startswith("http://127.0.0.1:9100/")
