"""Every row."""

from __future__ import annotations

from tests.contract.evidence_rows import binance, bitget, bybit, coinbase, everywhere, gate, kraken, kucoin, okx
from tests.contract.evidence_rows.row import Row

#: by codes and words of the venues themselves
OWN: list[Row] = [
    *binance.ROWS,
    *bybit.ROWS,
    *okx.ROWS,
    *kraken.ROWS,
    *coinbase.ROWS,
    *kucoin.ROWS,
    *gate.ROWS,
    *bitget.ROWS,
]
ROWS: list[Row] = [*OWN, *everywhere.ROWS]
