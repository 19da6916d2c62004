"""One streaming class of ccxt is imported without the others, and the package is whole for whoever asks it for more."""

from __future__ import annotations

import subprocess
import sys

import pytest

from exchanges.streams.ccxt_pro_import import NoStreams, can_stream, pro_class

ALONE = """
import sys
from exchanges.ccxt_import import exchange_class
from exchanges.streams.ccxt_pro_import import pro_class
found = pro_class("binance")
assert found().has["watchMyTrades"]
assert pro_class("binanceus").__mro__[1] is found
for package in ("ccxt", "ccxt.async_support", "ccxt.pro"):
    assert f"{package}.kraken" not in sys.modules, f"the other classes of {package} were imported too"
assert exchange_class("binance").__module__ == "ccxt.binance"
import ccxt
assert "binance" in ccxt.exchanges
assert issubclass(ccxt.InvalidOrder, ccxt.BaseError)
"""


def test_one_class_comes_alone() -> None:
    done = subprocess.run([sys.executable, "-c", ALONE], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", ["nobitex", "binanse", "__init__", "os.path", ""])
def test_what_does_not_stream_is_refused(name: str) -> None:
    assert not can_stream(name)
    with pytest.raises(NoStreams, match="streams = true"):
        pro_class(name)
