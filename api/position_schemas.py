"""The shape of positions, for the API's description only."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from api.schemas import DecimalString, Time
from models.vocabulary import Mode


class _Shape(BaseModel):
    model_config = ConfigDict(extra="forbid")


class FeeApart(_Shape):
    asset: str
    amount: DecimalString = Field(description="below zero is a rebate")
    value: DecimalString | None = Field(description="in the cost asset; null while no price of it is known")


class Position(_Shape):
    """One base and one cost asset, summed over what `by` does not name."""

    account: str | None = Field(description="null where it is summed over")
    venue: str | None = Field(description="null where it is summed over")
    asset: str
    quantity: DecimalString = Field(description="what fills brought, fees in the asset taken off; below zero is short")
    average_cost: DecimalString | None = Field(
        description="cost asset per unit, 18 significant digits; null where nothing is open, or long and short are summed"
    )
    cost_asset: str
    realized_pnl: DecimalString = Field(description="in the cost asset, of what was closed")
    open_cost: DecimalString = Field(description="what is open was bought for; below zero: sold short for")
    unrealized_pnl: DecimalString | None = Field(description="at `price`; null, and `note` says why, without one")
    price: DecimalString | None = Field(description="the middle of the quote that the venue showed last")
    price_age_s: float | None = Field(description="seconds since that quote was asked for")
    total_pnl: DecimalString | None = Field(
        description="realized and unrealized, less the fees apart; null while one is not known"
    )
    fees: dict[str, DecimalString] = Field(description="all that was ever paid, by asset; below zero is a rebate")
    fees_apart: list[FeeApart] = Field(description="those that neither cost, profit nor quantity contain")
    strategy: str | None = Field(description="empty: orders without that tag; null where it is summed over")
    mode: Mode
    changes: int = Field(description="fills that made it")
    booked_at: Time = Field(description="when the last of them was booked")
    traded_at: Time = Field(description="when the last of them traded, by the venue")
    note: str | None = Field(description="what a reader must know of these figures")


class Holding(_Shape):
    account: str
    venue: str
    asset: str
    total: DecimalString = Field(description="what our books have")
    in_positions: DecimalString = Field(description="what our fills brought of it")
    cost_unknown: DecimalString = Field(
        description="the rest: taken over, deposited, withdrawn, or used as money or fee in other trades"
    )


class Positions(_Shape):
    items: list[Position]
    holdings: list[Holding] | None = Field(description="null with `at`, `strategy` or `cost_asset`, and of the copy")
    method: Literal["average", "fifo"]
    fees: Literal["included", "apart"]
    at: Time | None
    source: Literal["database", "hot"] = Field(description="where it was read: a copy is never the truth")
    age_s: float | None = Field(
        description="of a copy: seconds since all of it was last compared with the database; what moves is copied within a second"
    )
