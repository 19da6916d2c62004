"""Times as the outside sees them: RFC 3339 in UTC with microseconds."""

import re
from datetime import UTC, datetime

_RFC3339 = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(\.\d{1,9})?([Zz]|[+-]\d{2}:\d{2})", re.ASCII)


def parse_time(value: object) -> datetime:
    """Read an RFC 3339 time with a zone; digits under a microsecond are dropped. Raises ValueError with the rule."""
    if not isinstance(value, str) or not _RFC3339.fullmatch(value):
        raise ValueError("must be an RFC 3339 time with a zone, such as 2030-01-31T12:00:00Z")
    text = re.sub(r"(\.\d{6})\d+", r"\1", value.upper().replace(" ", "T"))
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ValueError("must be a time that exists") from error


def format_time(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def format_time_or_none(at: datetime | None) -> str | None:
    return None if at is None else format_time(at)


def milliseconds(at: datetime) -> int:
    """Milliseconds since the Unix epoch, as venues count time."""
    return micros(at) // 1000


def micros(at: datetime) -> int:
    """Microseconds since the Unix epoch, exact (a float of seconds is not)."""
    delta = at - _EPOCH
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds


def from_micros(value: int) -> datetime:
    seconds, rest = divmod(value, 1_000_000)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest)


def from_milliseconds(value: int) -> datetime:
    return from_micros(value * 1000)


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
