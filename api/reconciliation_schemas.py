"""The shapes of reconciliation, for the API's description only."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from api.schemas import Time

Kind = Literal["balance", "order", "position"]
Severity = Literal["dust", "tolerance", "critical"]
Action = Literal["correct", "wait", "freeze", "report"]
Status = Literal["open", "corrected", "accepted", "posted", "ignored", "gone"]


class _Shape(BaseModel):
    model_config = ConfigDict(extra="forbid")


class BreakLine(_Shape):
    """A difference between our books and the venue that stood in two looks."""

    id: str
    kind: Kind
    venue: str
    account: str
    asset: str | None
    order_id: str | None
    venue_order_id: str | None
    ours: str | None
    cached: str | None = Field(description="the hot copy; null where there is none")
    theirs: str | None
    difference: str | None = Field(description="theirs - ours")
    severity: Severity
    action: Action
    status: Status
    symbol: str | None
    child_id: str | None
    message: str
    frozen: bool = Field(description="new sends that touch it are stopped")
    found_at: Time
    seen_at: Time


class RunBreak(BreakLine):
    """With the figures of the run; the status is that of now."""

    new: bool = Field(description="this run found it first")


class RunAccount(_Shape):
    venue: str
    account: str
    stage: Literal["pending", "looked", "done", "failed", "skipped"]
    message: str
    figures: dict[str, int]


class RunLine(_Shape):
    id: str
    status: Literal["running", "done", "failed"]
    scope: Literal["full", "orders"]
    by: str
    started_at: Time
    finished_at: Time | None


class ReconciliationRun(RunLine):
    accounts: list[RunAccount]
    breaks: list[RunBreak]


class ReconciliationRuns(_Shape):
    items: list[RunLine]
    next_cursor: str | None = Field(description="of the next page; null after the last")


class ReconciliationStarted(_Shape):
    id: str


class ReconciliationRequest(_Shape):
    """Without venue and account: every venue account."""

    venue: str | None = None
    account: str | None = None


class BreakDecision(_Shape):
    at: Time
    by: str
    note: str


class Posted(_Shape):
    at: Time
    asset: str
    amount: str = Field(description="what it added to our total; 0 where it only became available")
    automatic: bool
    by: str
    reason: str
    entry_id: int


class BreakShown(BreakLine):
    run_id: str
    decision: BreakDecision | None
    posted: list[Posted]


class Breaks(_Shape):
    items: list[BreakLine]
    next_cursor: str | None = Field(description="of the next page; null after the last")


class BreakDecisionRequest(_Shape):
    note: str | None = Field(default=None, max_length=1000)
    by: str | None = Field(default=None, max_length=64)


class BreakPostRequest(_Shape):
    amount: str = Field(
        description="added to what our books own of the asset; below zero: taken away", examples=["-0.5"]
    )
    reason: str = Field(min_length=1, max_length=1000)
    by: str | None = Field(default=None, max_length=64)
