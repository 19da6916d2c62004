"""The shape of what venues showed last, for the API's description only."""

from pydantic import BaseModel, ConfigDict, Field

from api.schemas import DecimalString, Time


class _Shape(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _Aged(_Shape):
    age_s: float = Field(description="seconds since the venue was asked for it")


class ShownQuote(_Aged):
    bid: DecimalString | None
    ask: DecimalString | None
    at: Time = Field(description="on the venue's clock")


class ShownBook(_Aged):
    bids: list[tuple[DecimalString, DecimalString]] = Field(description="price and quantity, best price first")
    asks: list[tuple[DecimalString, DecimalString]]
    at: Time = Field(description="on the venue's clock")


class ShownBalance(_Shape):
    asset: str
    free: DecimalString
    used: DecimalString = Field(description="locked by open orders, ours and others'")


class ShownBalances(_Aged):
    items: list[ShownBalance]


class ShownInstrument(_Aged):
    model_config = ConfigDict(extra="allow")

    tick: DecimalString
    lot: DecimalString
    min_quantity: DecimalString
    min_notional: DecimalString
    fetched_at: Time


class ShownMarket(_Shape):
    """What the venue showed last, each with its age; null where it was not asked for within a day."""

    venue: str
    account: str
    symbol: str
    instrument: ShownInstrument | None
    quote: ShownQuote | None
    book: ShownBook | None
    balances: ShownBalances | None = Field(description="as the venue said; `/v1/balances` is what our books hold")
