"""Where a value of the configuration came from."""

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

DEFAULT_FILE = "steadfill.toml"


class Origin:
    """Where a value came from, as an error names it."""

    def __init__(self, path: Path | None, from_environment: Mapping[str, Any], written: Mapping[str, Any]) -> None:
        self.folder = path.parent if path else Path.cwd()
        self.file = str(path) if path else f"the configuration (no {DEFAULT_FILE} here)"
        self._environment = from_environment
        self._written = copy.deepcopy(dict(written))

    def __call__(self, *keys: str | int) -> str:
        if keys[2:4] == ("accounts", "main") and _at(self._written, keys[:4]) is None:
            keys = keys[:2] + keys[4:]  # written as the venue's own keys
        if _at(self._environment, keys) is not None:
            return "STEADFILL_" + "__".join(str(key).upper() for key in keys)
        return f"{self.file}: {'.'.join(str(key) for key in keys)}"


def _at(data: Any, keys: tuple[str | int, ...]) -> Any:
    for key in keys:
        data = data.get(key) if isinstance(data, Mapping) else None
    return data
