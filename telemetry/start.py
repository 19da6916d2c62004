"""What each process does first: remember its secrets, then log, then report."""

import sys
from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import unquote, urlsplit

from pydantic import BaseModel, SecretStr

from telemetry.logging import configure_logging
from telemetry.redact import remember
from telemetry.release import release
from telemetry.sentry import init_sentry


def start_telemetry(
    settings: BaseModel, *, role: str, sentry_dsn: SecretStr | None, unmonitored_beat_tasks: Iterable[str] = ()
) -> None:
    """Logs as JSON, or for a person where standard error is a terminal; Sentry where a DSN is configured."""
    remember(*secrets_of(settings))
    configure_logging(json=not sys.stderr.isatty())
    init_sentry(
        sentry_dsn.get_secret_value() if sentry_dsn is not None else None,
        role=role,
        release=f"steadfill@{release()}",
        unmonitored_beat_tasks=tuple(unmonitored_beat_tasks),
    )


def secrets_of(value: object) -> Iterator[str]:
    """Every secret in a configuration: what is typed as one, and the passwords in URLs."""
    if isinstance(value, SecretStr):
        yield value.get_secret_value()
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from secrets_of(getattr(value, name))
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from secrets_of(item)
    elif isinstance(value, (list, tuple, set, frozenset)):
        for item in value:
            yield from secrets_of(item)
    elif isinstance(value, str) and "://" in value:
        password = urlsplit(value).password
        if password is not None:
            yield password
            yield unquote(password)
