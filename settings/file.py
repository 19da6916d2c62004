"""``steadfill.toml``: which file it is, what it holds, and what goes over it."""

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from settings.errors import ConfigurationError
from settings.origin import DEFAULT_FILE


def configuration_file(environ: Mapping[str, str]) -> Path | None:
    named = environ.get("STEADFILL_CONFIG")
    if named == os.devnull:
        return None  # how a parent process tells its children that there is no file
    path = Path(named or DEFAULT_FILE).expanduser().absolute()
    if path.is_file():
        return path
    if named:
        raise ConfigurationError(
            f"STEADFILL_CONFIG names {path}, and there is no such file. Correct the variable, or unset it to use "
            f"{DEFAULT_FILE} in the current folder or the defaults."
        )
    return None


def read_file(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} is no TOML: {error}. Correct that place and start again.") from None
    except OSError as error:
        raise ConfigurationError(f"{path} can't be read: {error.strerror}. Make it readable for this user.") from None


def merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    result = dict(below)
    for key, value in above.items():
        both = isinstance(value, Mapping) and isinstance(result.get(key), Mapping)
        result[key] = merged(result[key], value) if both else value
    return result


def home_of(value: object, environ: Mapping[str, str]) -> Path:
    user = environ.get("HOME") or str(Path.home())
    text = str(value) if value else "~/.local/share/steadfill"
    return Path(user + text[1:] if text == "~" or text.startswith("~/") else text).resolve()
