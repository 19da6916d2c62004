"""``[anomalies]``: how far fees, slippage and delays may move from what is usual before it is an anomaly."""

from decimal import Decimal

from pydantic import Field, field_validator

from settings.section import Section, exactly


class Anomalies(Section):
    #: false: no series is read
    watch: bool = True
    #: points that a series' baseline is learned from
    training: int = Field(default=100, ge=20, le=1_000)
    #: points beyond the tolerance that it takes
    persistence: int = Field(default=8, ge=2, le=1_000)
    #: basis points of a fill's value
    fee_bps: Decimal = Field(default=Decimal("0.5"), gt=0, le=10_000, allow_inf_nan=False)
    #: basis points of the arrival price
    slippage_bps: Decimal = Field(default=Decimal(3), gt=0, le=10_000, allow_inf_nan=False)
    #: milliseconds; and at least half of what is usual
    ack_ms: Decimal = Field(default=Decimal(100), gt=0, le=3_600_000, allow_inf_nan=False)
    #: milliseconds; and at least half of what is usual
    fill_ms: Decimal = Field(default=Decimal(500), gt=0, le=3_600_000, allow_inf_nan=False)

    #: basis points of the balance
    balance_bps: Decimal = Field(default=Decimal("0.1"), gt=0, le=10_000, allow_inf_nan=False)

    @field_validator("fee_bps", "slippage_bps", "ack_ms", "fill_ms", "balance_bps", mode="before")
    @classmethod
    def _by_their_digits(cls, value: object) -> object:
        return exactly(value)
