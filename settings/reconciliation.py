"""``[reconciliation]``: when our books are compared with the venues, and what is corrected by itself."""

import re
from decimal import Decimal

from pydantic import Field, field_validator

from settings.section import Section

#: no nightly run
NEVER = "never"

_TIME = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]", re.ASCII)


class AssetTolerance(Section):
    """``[reconciliation.assets.USDT]``: what differs from the common tolerance; amounts in the asset."""

    dust: Decimal | None = Field(default=None, ge=0, allow_inf_nan=False)
    absolute: Decimal | None = Field(default=None, ge=0, allow_inf_nan=False)
    relative: Decimal | None = Field(default=None, ge=0, le=1, allow_inf_nan=False)
    daily_absolute: Decimal | None = Field(default=None, ge=0, allow_inf_nan=False)
    daily_relative: Decimal | None = Field(default=None, ge=0, le=1, allow_inf_nan=False)


class Reconciliation(Section):
    #: UTC, ``HH:MM``, or ``never``
    nightly_at: str = "00:30"
    #: seconds between two comparisons of open orders; 0: none
    orders_every_s: int = Field(default=60, ge=0, le=86_400)
    #: seconds from the first look to the second; only what stands in both is a break
    second_look_s: float = Field(default=10, ge=0.1, le=3_600)
    #: days of trades that a first run reads; later ones read from the run before on, and never further back than this
    backfill_days: int = Field(default=7, ge=1, le=365)
    #: rounding of a venue, in any asset
    dust: Decimal = Field(default=Decimal("0.00000001"), ge=0, allow_inf_nan=False)
    #: the largest difference that is corrected by itself: the larger of an amount in the asset and a share of the balance
    absolute: Decimal = Field(default=Decimal(0), ge=0, allow_inf_nan=False)
    relative: Decimal = Field(default=Decimal("0.00001"), ge=0, le=1, allow_inf_nan=False)
    #: all such corrections of 24 hours in one asset together, likewise
    daily_absolute: Decimal = Field(default=Decimal(0), ge=0, allow_inf_nan=False)
    daily_relative: Decimal = Field(default=Decimal("0.00005"), ge=0, le=1, allow_inf_nan=False)
    #: by asset, what is other than above
    assets: dict[str, AssetTolerance] = Field(default_factory=dict)

    @field_validator("nightly_at")
    @classmethod
    def _time_of_day(cls, value: str) -> str:
        if value != NEVER and not _TIME.fullmatch(value):
            raise ValueError("must be a time of day in UTC, HH:MM, or never")
        return value
