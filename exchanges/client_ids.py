"""The client id as each venue wants it. Pure; shaping twice changes nothing."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from exchanges.aliases import speaks_as


@dataclass(frozen=True, slots=True, kw_only=True)
class IdShape:
    #: put before every id
    prefix: str = ""
    #: what the venue takes, the prefix included
    pattern: re.Pattern[str]


class UnfitClientId(ValueError):
    """The id can't be sent to this venue: a defect of whoever made it."""


#: what every venue met so far takes
_ANYWHERE = IdShape(pattern=re.compile(r"[A-Za-z0-9]{1,18}"))

SHAPES: Mapping[str, IdShape] = {
    "binance": IdShape(pattern=re.compile(r"[.A-Z:/a-z0-9_-]{1,36}")),
    "bybit": IdShape(pattern=re.compile(r"[A-Za-z0-9_-]{1,36}")),
    "okx": IdShape(pattern=re.compile(r"[A-Za-z0-9]{1,32}")),
    "kraken": IdShape(
        pattern=re.compile(r"[A-Za-z0-9]{1,18}|[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|[0-9a-fA-F]{32}")
    ),
    "coinbase": IdShape(pattern=re.compile(r"[A-Za-z0-9_-]{1,64}")),
    "kucoin": IdShape(pattern=re.compile(r"[A-Za-z0-9_-]{1,40}")),
    # ccxt adds the prefix itself only when the first letter is no t, and never when it looks an order up.
    "gate": IdShape(prefix="t-", pattern=re.compile(r"t-[A-Za-z0-9._-]{1,28}")),
    "bitget": IdShape(pattern=re.compile(r"[A-Za-z0-9_-]{1,40}")),
    # It says only how long; letters, digits and hyphens are what its users are known to send.
    "nobitex": IdShape(pattern=re.compile(r"[A-Za-z0-9-]{1,32}")),
}


def pattern(ccxt_id: str) -> str:
    """What ``ccxt_id`` takes as a client id, as a regular expression."""
    return SHAPES.get(speaks_as(ccxt_id), _ANYWHERE).pattern.pattern


def shape(ccxt_id: str, common_id: str) -> str:
    """``common_id`` (18 alphanumerics fit everywhere) as ``ccxt_id`` takes it. Raises UnfitClientId."""
    form = SHAPES.get(speaks_as(ccxt_id), _ANYWHERE)
    shaped = common_id if common_id.startswith(form.prefix) else form.prefix + common_id
    if not form.pattern.fullmatch(shaped):
        raise UnfitClientId(
            f"{ccxt_id} takes no client id such as {shaped[:64]!r}: it must match {form.pattern.pattern}"
        )
    return shaped
