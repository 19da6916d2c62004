"""Where the configuration comes from, and who could read its secrets."""

import difflib
import stat
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ops.doctor.finding import Finding
from settings import DEFAULT_FILE, Settings

#: an API key shorter than this can be guessed
KEY_LENGTH = 20

_SECRET_NAMES = ("api_key", "secret", "password", "api_keys", "sentry_dsn")


def sources(environ: Mapping[str, str]) -> Iterator[Finding]:
    file = _file(environ)
    names = sorted(name for name in environ if name.startswith("STEADFILL_") and environ[name])
    place = f"the file {file}" if file.is_file() else f"no file ({file} does not exist)"
    variables = f"; set in the environment: {', '.join(names)}" if names else "; no variable of ours is set"
    yield Finding(check="configuration", state="ok", message=f"read from {place}{variables}")
    known = ["STEADFILL_CONFIG", *(f"STEADFILL_{field.upper()}" for field in Settings.model_fields)]
    for name in names:
        if name.split("__")[0] not in known:
            close = difflib.get_close_matches(name, known, n=1)
            hint = f"Did you mean {close[0]}?" if close else "Unset it, or correct its name."
            yield Finding(
                check="configuration", state="warn", message=f"{name} is no variable that Steadfill reads.", advice=hint
            )


def secrets(settings: Settings, environ: Mapping[str, str]) -> Iterator[Finding]:
    """Files that hold keys and that others can read, API keys that can be guessed."""
    file = _file(environ)
    watched = []
    if file.is_file():
        written = list(_secrets_in(tomllib.loads(file.read_text(encoding="utf-8"))))
        watched = [file.parent / Path(value[5:].strip()).expanduser() for value in written if value.startswith("file:")]
        if any(not value.startswith(("file:", "env:")) for value in written):
            watched.append(file)
    for path in watched:
        if stat.S_IMODE(path.stat().st_mode) & (stat.S_IRWXG | stat.S_IRWXO):
            yield Finding(
                check="secrets",
                state="warn",
                message=f"{path} holds a key and other users may read it.",
                advice=f"chmod 600 {path}",
            )
        else:
            yield Finding(check="secrets", state="ok", message=f"{path} is for its owner only")
    if any(len(key.get_secret_value()) < KEY_LENGTH for key in settings.api_keys):
        yield Finding(
            check="secrets",
            state="warn",
            message=f"an API key has fewer than {KEY_LENGTH} characters.",
            advice="Make one with: python -c 'import secrets; print(secrets.token_urlsafe(32))'",
        )


def _file(environ: Mapping[str, str]) -> Path:
    return Path(environ.get("STEADFILL_CONFIG") or DEFAULT_FILE).expanduser().absolute()


def _secrets_in(value: Any, name: str = "") -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, part in value.items():
            yield from _secrets_in(part, key)
    elif isinstance(value, list):
        for part in value:
            yield from _secrets_in(part, name)
    elif isinstance(value, str) and name in _SECRET_NAMES:
        yield value
