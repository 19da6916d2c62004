"""How long a venue wants to be left alone, from the headers of its reply."""

from collections.abc import Mapping
from email.utils import parsedate_to_datetime

#: a header that asks for more is taken as a mistake of the sender: a day
MAX_RETRY_AFTER_S = 86_400.0


def retry_after_s(headers: Mapping[str, str], now_s: float = 0.0) -> float | None:
    """``Retry-After`` as seconds from now, given as seconds or as a date; None when absent or unreadable.

    A date counts from the reply's own ``Date``, so that our clock does not matter; without one from ``now_s``.
    """
    value = _get(headers, "Retry-After").strip()
    if not value:
        return None
    if value.replace(".", "", 1).isascii() and value.replace(".", "", 1).isdigit():
        return min(float(value), MAX_RETRY_AFTER_S)
    until, now_s = _epoch_s(value), reply_time_s(headers) or now_s
    if until is None or not now_s:
        return None
    return min(max(0.0, until - now_s), MAX_RETRY_AFTER_S)


def reply_time_s(headers: Mapping[str, str]) -> float | None:
    """The reply's ``Date`` in seconds since the epoch."""
    return _epoch_s(_get(headers, "Date"))


def _epoch_s(text: str) -> float | None:
    try:
        return parsedate_to_datetime(text).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None


def _get(headers: Mapping[str, str], name: str) -> str:
    return next((value for key, value in headers.items() if key.lower() == name.lower()), "")
