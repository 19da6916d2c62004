"""One class of ccxt without the hundred others.

``import ccxt`` runs the package's ``__init__``, which imports every exchange: 35 MB and half a second more in each worker.
Here the package is entered into ``sys.modules`` unrun, so that ``ccxt.binance`` imports what it needs itself. Whoever asks
the package for anything else (``ccxt.exchanges``, ``ccxt.NetworkError``) has it run then, and finds it complete.
"""

import importlib
import importlib.util
import sys
from importlib.metadata import version
from types import ModuleType
from typing import Any

PACKAGE = "ccxt"
#: classes of our own in ccxt's manner, for venues that it has none for: name -> module
OWN = {"nobitex": "exchanges.nobitex.exchange"}
#: classes that are content with an api_key, which is a token: there is no secret to sign with
TOKEN_ONLY = frozenset({"nobitex"})


class NoSuchExchange(LookupError):
    """ccxt has no class of this name."""


def exchange_class(ccxt_id: str) -> Any:
    """The class ``ccxt.<ccxt_id>``, or ours of that name. Raises NoSuchExchange."""
    _enter_unrun()
    if ccxt_id in OWN:
        return getattr(importlib.import_module(OWN[ccxt_id]), ccxt_id)
    name = f"{PACKAGE}.{ccxt_id}"
    if not ccxt_id.isidentifier() or importlib.util.find_spec(name) is None:
        raise NoSuchExchange(
            f"ccxt {version(PACKAGE)} has no exchange {ccxt_id[:80]!r}: see ccxt_id in the configuration"
        )
    found = getattr(importlib.import_module(name), ccxt_id, None)
    if not (isinstance(found, type) and hasattr(found, "describe")):
        raise NoSuchExchange(f"{ccxt_id!r} is a part of ccxt and no exchange: see ccxt_id in the configuration")
    return found


def part(name: str) -> ModuleType:
    """A module of ccxt that is no exchange, such as ``base.errors``."""
    _enter_unrun()
    return importlib.import_module(f"{PACKAGE}.{name}")


def _enter_unrun() -> None:
    if PACKAGE in sys.modules:
        return
    spec = importlib.util.find_spec(PACKAGE)
    assert spec is not None
    assert spec.loader is not None
    package = importlib.util.module_from_spec(spec)
    package.__getattr__ = lambda name: _run_and_get(package, name)  # type: ignore[method-assign]
    sys.modules[PACKAGE] = package


def _run_and_get(package: ModuleType, name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(name)
    del package.__getattr__
    assert package.__spec__ is not None
    assert package.__spec__.loader is not None
    package.__spec__.loader.exec_module(package)
    return getattr(package, name)
