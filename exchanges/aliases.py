"""Classes of ccxt that are another class under a second name: how they speak is the same, what the venue promises may not be.

Such a class holds addresses and a description, and inherits every request and every reading from its parent. So what is
known of the protocol holds for it. What the parent's venue promises (that it enforces deadlines, keeps client ids apart,
amends in place) holds only where that venue's own documentation names the address as one of its own.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields

from exchanges.capability import Capabilities

#: What the venue promises. Without its word the most careful value holds; all other fields tell how the class speaks.
PROMISES = frozenset(
    {
        "enforces_deadline",
        "rate_limit_is_rejection",
        "client_ids_unique",
        "acknowledges_only",
        "amend",
        "amend_size",
        "amend_keeps_id",
        "amend_deadline",
        "amended_at",
        "native_iceberg",
        "iceberg_param",
        "iceberg_params",
        "tells_movements",
        "transfer_types",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Alias:
    name: str
    #: the class that it inherits from, an entry of the table
    of: str
    #: the parent's documentation names this address among its own: it is one service, and its promises hold
    one_service: bool
    #: where that is said, or the documentation of its own that nobody has compared
    source: str
    notes: tuple[str, ...] = ()


ALIASES: Mapping[str, Alias] = {
    "binanceus": Alias(name="Binance.US", of="binance", one_service=False, source="https://docs.binance.us/"),
    "bybiteu": Alias(
        name="Bybit EU",
        of="bybit",
        one_service=True,
        source="https://bybit-exchange.github.io/docs/v5/guide",
        notes=("Its API is for applications of API brokers only, says Bybit.",),
    ),
    "bybitid": Alias(
        name="Bybit Indonesia",
        of="bybit",
        one_service=True,
        source="https://bybit-exchange.github.io/docs/v5/guide",
    ),
    "gateeu": Alias(
        name="Gate EU", of="gate", one_service=False, source="https://www.gate.com/docs/developers/apiv4/en/"
    ),
    "myokx": Alias(name="MyOKX (EEA)", of="okx", one_service=False, source="https://my.okx.com/docs-v5/en/"),
    "okxus": Alias(name="OKX (US)", of="okx", one_service=False, source="https://app.okx.com/docs-v5/en/"),
}


def speaks_as(ccxt_id: str) -> str:
    """The class under whose name the tables tell how ``ccxt_id`` speaks; itself unless it is an alias."""
    alias = ALIASES.get(ccxt_id)
    return ccxt_id if alias is None else alias.of


def inherited(alias: Alias, parent: Capabilities) -> Capabilities:
    """What of ``parent`` holds for ``alias``."""
    if alias.one_service:
        return parent
    kept = {field.name for field in fields(Capabilities)} - PROMISES
    return Capabilities(**{name: getattr(parent, name) for name in kept})
