"""One class of ccxt is imported without the others, and the package is whole for whoever asks it for more."""

import subprocess
import sys

import pytest

from exchanges.ccxt_import import NoSuchExchange, exchange_class

ALONE = """
import sys
from exchanges.ccxt_import import exchange_class
binance = exchange_class("binance")
assert binance().id == "binance"
assert "ccxt.kraken" not in sys.modules, "the other classes were imported too"
import ccxt
assert "binance" in ccxt.exchanges
assert ccxt.binance is binance
assert issubclass(ccxt.InvalidOrder, ccxt.BaseError)
"""


def test_one_class_comes_alone_and_the_rest_on_demand() -> None:
    done = subprocess.run([sys.executable, "-c", ALONE], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr


def test_a_class_of_our_own_is_made_like_those_of_ccxt() -> None:
    made = exchange_class("nobitex")()
    assert made.id == "nobitex"
    assert made.has["createOrder"]
    assert made.urls["api"] == {"rest": "https://apiv2.nobitex.ir"}
    made.set_sandbox_mode(True)
    assert made.urls["api"] == {"rest": "https://testnetapiv2.nobitex.ir"}


@pytest.mark.parametrize(
    "name", ["binanse", "base", "abstract", "os.path", "", "binance.binance", "static_dependencies"]
)
def test_what_is_no_exchange_is_refused_by_name(name: str) -> None:
    with pytest.raises(NoSuchExchange, match="ccxt_id"):
        exchange_class(name)
