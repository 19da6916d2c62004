"""Which series are watched, in which unit, and by how much each may move before anybody is told."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum


class SeriesKind(StrEnum):
    """What a series measures. Its points come in the order of what they tell of."""

    #: a fill's fee in basis points of its value; by symbol and liquidity
    FEE_BPS = "fee_bps"
    #: an order's average price against its arrival price in basis points, positive is worse; by symbol
    SLIPPAGE_BPS = "slippage_bps"
    #: milliseconds from the intent to send to the venue's answer; by venue account
    ACK_MS = "ack_ms"
    #: milliseconds from the venue's answer to the first fill on our books, of orders that don't rest; by venue account
    FILL_MS = "fill_ms"
    #: what a venue says of an asset less what our books say, in basis points of the larger; by asset, a point a full
    #: reconciliation
    BALANCE_BPS = "balance_bps"


#: the unit of each kind's points, baseline, scale and drift
UNITS: Mapping[SeriesKind, str] = {
    SeriesKind.FEE_BPS: "bps",
    SeriesKind.SLIPPAGE_BPS: "bps",
    SeriesKind.ACK_MS: "ms",
    SeriesKind.FILL_MS: "ms",
    SeriesKind.BALANCE_BPS: "bps",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesKey:
    kind: SeriesKind
    venue: str
    account: str
    #: what the series is of, within the account: a symbol, a symbol and a liquidity; empty: the account
    subject: str = ""

    def __str__(self) -> str:
        return " ".join(part for part in (self.kind.value, self.venue, self.account, self.subject) if part)


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """When a series has moved. All three must hold: tolerance, persistence, CUSUM."""

    #: in the unit of the series: a drift up to this is nobody's concern
    tolerance: Decimal
    #: the same as a share of the baseline; the larger of both counts
    relative_tolerance: Decimal = Decimal(0)
    #: points of the run that must be beyond the tolerance
    persistence: int = 8
    #: points that a baseline is learned from; until then the series is warming up and silent
    training: int = 100
    #: scales: what of each point's distance from the baseline is let go, so that noise adds up to nothing
    allowance: Decimal = Decimal(1)
    #: scales: the sum of distances at which the series has moved
    threshold: Decimal = Decimal(15)
    #: scales: a point farther off counts as this far, so that no single one is enough
    clip: Decimal = Decimal(4)

    def __post_init__(self) -> None:
        if self.tolerance <= 0 or self.relative_tolerance < 0 or min(self.allowance, self.threshold, self.clip) <= 0:
            raise ValueError("tolerance, allowance, threshold and clip must be above 0, relative_tolerance not below")
        if self.persistence < 1 or self.training < 2:
            raise ValueError("persistence must be at least 1 point and training at least 2")
