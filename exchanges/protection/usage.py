"""How much of its rate a venue has counted, from the headers of its replies.

Sources: Binance "Limits", Bybit v5 "Rate Limit", Gate API v4 "Frequency limit rule", KuCoin "Rate Limit" (REST).
"""

from collections.abc import Mapping
from dataclasses import dataclass

from exchanges.retry_after import reply_time_s

MINUTE_S = 60.0
#: Binance's weight of what ccxt, and so the configuration, counts as one request
BINANCE_WEIGHT = 5.0
#: a reset that is further ahead is a mistake, or of another clock
LONGEST_RESET_S = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RateUsage:
    #: plain requests in the window so far, others' from the same address or key included
    used: float
    #: what the venue allows in the window; None where it does not say
    limit: float | None = None
    #: seconds until its count begins anew
    resets_in_s: float
    #: the count is of one endpoint only
    one_endpoint: bool = False


def rate_usage(headers: Mapping[str, str], now_s: float) -> RateUsage | None:
    """What the headers say; None where they say nothing. ``now_s`` (since the epoch) counts where no Date is given."""
    told = {name.lower(): value for name, value in headers.items()}
    now_s = reply_time_s(headers) or now_s
    used = _number(told, "x-mbx-used-weight-1m")
    if used is not None:
        return RateUsage(used=used / BINANCE_WEIGHT, resets_in_s=MINUTE_S - now_s % MINUTE_S)
    for limit_at, remaining_at, reset_at, kind in _REMAINING:
        limit, remaining, reset = (_number(told, name) for name in (limit_at, remaining_at, reset_at))
        if limit is None or remaining is None or reset is None or limit <= 0:
            continue
        resets_in_s = reset / 1000 if kind == "milliseconds left" else _epoch_s(reset) - now_s
        return RateUsage(
            used=max(0.0, limit - remaining),
            limit=limit,
            resets_in_s=min(max(resets_in_s, 0.0), LONGEST_RESET_S),
            one_endpoint=kind == "of one endpoint",
        )
    return None


#: names of the limit, of what is left and of the end of the window, and what kind of count that is
_REMAINING = (
    ("x-bapi-limit", "x-bapi-limit-status", "x-bapi-limit-reset-timestamp", "of one endpoint"),
    (
        "x-gate-ratelimit-limit",
        "x-gate-ratelimit-requests-remain",
        "x-gate-ratelimit-reset-timestamp",
        "of one endpoint",
    ),
    ("gw-ratelimit-limit", "gw-ratelimit-remaining", "gw-ratelimit-reset", "milliseconds left"),
)


def _epoch_s(value: float) -> float:
    """Some say seconds, some milliseconds."""
    return value / 1000 if value > 100_000_000_000 else value


def _number(told: Mapping[str, str], name: str) -> float | None:
    text = told.get(name, "").strip()
    return float(text) if text.isascii() and text.isdigit() and len(text) < 20 else None
