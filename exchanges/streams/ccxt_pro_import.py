"""One class of ccxt that streams, without the hundred others; see ``exchanges.ccxt_import`` for why.

Three packages are entered unrun here: ``ccxt``, ``ccxt.async_support`` and ``ccxt.pro``. Their members are found one by one.
"""

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from exchanges.ccxt_import import PACKAGE, part

ASYNC, PRO = f"{PACKAGE}.async_support", f"{PACKAGE}.pro"


class NoStreams(LookupError):
    """ccxt has no streams for this exchange."""


def can_stream(ccxt_id: str) -> bool:
    """Whether ccxt has a class of this name that streams. Imports nothing."""
    package = importlib.util.find_spec(PACKAGE)
    folders = package.submodule_search_locations if package is not None else None
    if not folders or not ccxt_id.isidentifier() or ccxt_id.startswith("_"):
        return False
    return Path(next(iter(folders)), "pro", f"{ccxt_id}.py").is_file()


def pro_class(ccxt_id: str) -> Any:
    """The class ``ccxt.pro.<ccxt_id>``. Raises NoStreams."""
    if not can_stream(ccxt_id):
        raise NoStreams(f"ccxt has no streams for {ccxt_id[:80]!r}: remove streams = true, and the venue is polled")
    _enter_packages()
    return getattr(sys.modules[PRO], ccxt_id)


def _enter_packages() -> None:
    if PRO in sys.modules:
        return
    errors, base = part("base.errors"), part("base.exchange")
    package = sys.modules[PACKAGE]
    # What the WebSocket client asks the package for: asked for anything else, it would run whole.
    for name, found in {**_classes(errors), "Exchange": base.Exchange}.items():
        package.__dict__.setdefault(name, found)
    for name in (ASYNC, PRO):
        if name not in sys.modules:
            setattr(package, name.rpartition(".")[2], _unrun(name))


def _classes(module: ModuleType) -> dict[str, Any]:
    return {name: found for name, found in vars(module).items() if isinstance(found, type)}


def _unrun(name: str) -> ModuleType:
    spec = importlib.util.find_spec(name)
    assert spec is not None
    package = importlib.util.module_from_spec(spec)
    package.__getattr__ = lambda member: _member(package, member)  # type: ignore[method-assign]
    sys.modules[name] = package
    return package


def _member(package: ModuleType, name: str) -> Any:
    """A class, where the package itself would hold the class and not its module."""
    if name.startswith("__") or importlib.util.find_spec(f"{package.__name__}.{name}") is None:
        raise AttributeError(name)
    module = importlib.import_module(f"{package.__name__}.{name}")
    found = getattr(module, name, module)
    setattr(package, name, found)
    return found
