"""What stands behind the entries of ``capabilities``: where it was read, and what a customer of the venue should know."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueNotes:
    name: str
    #: the documentation that the entry was written from
    source: str
    #: sentences for those who trade there
    notes: tuple[str, ...] = ()


NOTES: Mapping[str, VenueNotes] = {
    "binance": VenueNotes(
        name="Binance",
        source="https://developers.binance.com/docs/binance-spot-api-docs/rest-api",
        notes=(
            "A client id is taken again as soon as the first order with it is filled: only proven absence allows a repeat.",
            "A new order may be missing from its answers for a moment (`visibility_lag_ms`).",
        ),
    ),
    "bybit": VenueNotes(
        name="Bybit",
        source="https://bybit-exchange.github.io/docs/v5/intro",
        notes=(
            "For a unified trading account; on a classic one a market buy is refused before it leaves.",
            "Its histories reach over seven days a question; older ones take several.",
        ),
    ),
    "okx": VenueNotes(
        name="OKX",
        source="https://www.okx.com/docs-v5/en/",
        notes=(
            "Its own icebergs are algo orders in lists of their own, so each part of an iceberg is an order of its own here.",
        ),
    ),
    "kraken": VenueNotes(
        name="Kraken",
        source="https://docs.kraken.com/api/docs/rest-api/add-order",
        notes=(
            "Nonces must rise: give each deployment a key of its own.",
            "Its `deadline` bounds how late a create may reach the matching engine.",
        ),
    ),
    "coinbase": VenueNotes(
        name="Coinbase Advanced",
        source="https://docs.cdp.coinbase.com/advanced-trade/reference",
        notes=(
            "A repeated client id returns the first order.",
            "Orders can't be looked up by client id; the lists of the time since are read instead.",
        ),
    ),
    "kucoin": VenueNotes(
        name="KuCoin",
        source="https://www.kucoin.com/docs-new/rest/spot-trading/orders/add-order",
        notes=("The high-frequency spot account is used (`hf`).",),
    ),
    "gate": VenueNotes(
        name="Gate",
        source="https://www.gate.com/docs/developers/apiv4/en/",
        notes=(
            "Client ids carry `t-` in front at the venue.",
            "By client id it finds pending orders only; ended ones are found in its lists.",
        ),
    ),
    "bitget": VenueNotes(
        name="Bitget",
        source="https://www.bitget.com/api-doc/spot/intro",
        notes=("The classic spot account is used, not the unified one.",),
    ),
    "nobitex": VenueNotes(
        name="Nobitex",
        source="https://apidocs.nobitex.ir/",
        notes=(
            "Not in ccxt: the class is ours, see [nobitex.md](nobitex.md).",
            "It shows trades of the last three days.",
        ),
    ),
}
