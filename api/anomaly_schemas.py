"""The shapes of anomalies and watched series, for the API's description only."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from api.schemas import DecimalString, Time

Kind = Literal["fee_bps", "slippage_bps", "ack_ms", "fill_ms", "balance_bps"]


class _Shape(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _Series(_Shape):
    kind: Kind
    venue: str
    account: str
    subject: str = Field(description="a symbol, a symbol and a liquidity; empty: the account")
    unit: Literal["bps", "ms"] = Field(description="of median, scale, drift and tolerance")


class Anomaly(_Series):
    """A series that moved away from what was usual for it, and stayed away."""

    id: int
    found_at: Time
    direction: Literal["up", "down"]
    median: DecimalString = Field(description="what was usual")
    scale: DecimalString = Field(description="how far its points usually were from that, on the side of the move")
    drift: DecimalString = Field(description="median distance of the run's latest points from what was usual")
    tolerance: DecimalString
    cusum: DecimalString = Field(description="in scales")
    points: int = Field(description="in the run")
    beyond: int = Field(description="of them, beyond the tolerance")
    first_at: Time = Field(description="when the run began")
    last_at: Time
    order_id: str = Field(description="whose point told")


class Anomalies(_Shape):
    items: list[Anomaly]


class Series(_Series):
    points: int = Field(description="seen so far")
    learning: int | None = Field(description="points that the baseline has so far; null: it is learned")
    median: DecimalString | None
    scale_up: DecimalString | None
    scale_down: DecimalString | None
    cusum_up: DecimalString = Field(description="in scales")
    cusum_down: DecimalString
    last_at: Time


class WatchedSeries(_Shape):
    items: list[Series]
