"""Venues that speak as the real ones do, for the suite in ``tests/contract/conformance``.

To add one: write ``<ccxt_id>.py`` here with a subclass of ``Dialect`` (see ``dialect.py``; ``binance.py`` is the shortest
example) and end it with ``DIALECT = ThatClass``. Give ``ccxt_id``, ``dedupe``, ``routes()`` (each address that the ccxt
class asks, with the operation it is), ``unsigned()`` (check key, signature and time as the venue does), ``refusal()`` (the
venue's code for each ``Reason``), ``without_id()``, ``unsure()`` (its words for a timeout of its own), ``too_often()``.
Handlers read ``self.book``, which knows all and speaks no dialect (``seen()``, ``find()``, ``place()`` …), and write what
the venue's public documentation says, the fields that ccxt does not read included where they are few. What the venue
can't do is said in ``exchanges.capabilities`` and by the class attributes of ``Dialect``: the suite expects exactly that.
A request without a route, or a handler that raises, fails the test with its traceback.

Then name it below and run ``.venv/bin/python -m pytest -q -n 0 tests/contract/conformance -k <ccxt_id>``. Every venue in
``exchanges.capabilities`` has one, and one venue that is not there, for the careful defaults.
"""

from __future__ import annotations

import importlib

from tests.contract.dialects.dialect import Dialect

_NAMES = ("paper", "binance", "bybit", "okx", "kraken", "coinbase", "kucoin", "gate", "bitget", "nobitex", "mexc")
#: by name; a broken module breaks its own tests only: nothing is imported before it is asked for
DIALECTS: dict[str, str] = {name: f"{__name__}.{name}" for name in _NAMES}


def dialect(name: str) -> type[Dialect]:
    found: type[Dialect] = importlib.import_module(DIALECTS[name]).DIALECT
    return found
