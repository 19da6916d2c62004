"""The built-in venue's own keys in a ``[venues.NAME]``."""

from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from settings.section import Section

PAPER_PORT = 9100


class PaperVenue(Section):
    """The built-in venue's own keys; ``docs/paper-venue.md`` tells what each does. What is None keeps its default."""

    #: true: ``up`` starts this venue, on this port of the loopback interface
    paper: bool = False
    port: int = Field(default=PAPER_PORT, ge=1, le=65_535)
    #: of its market and of its faults
    seed: int = 1
    #: a trades file to replay instead of the random walk
    replay: Path | None = None
    #: market seconds per second
    speed: float = Field(default=1.0, gt=0, le=1_000_000)
    #: a plan, or the file that holds one
    faults: list[dict[str, Any]] | str | None = None
    market: Literal["walk", "still"] | None = None
    symbols: tuple[str, ...] | None = None
    fee_maker: Decimal | None = None
    fee_taker: Decimal | None = None
    dedupe: Literal["open", "always", "never"] | None = None
    #: request weight per minute, and open orders per account and symbol
    weight_limit: int | None = Field(default=None, ge=0)
    max_open_orders: int | None = Field(default=None, ge=1)
    #: orders can be amended in place
    amend: bool | None = None
    clock_offset_ms: int | None = None
    #: also survive the loss of the machine, at several ms per order
    fsync: bool | None = None

    def paper_options(self) -> dict[str, Any]:
        """What the venue's server is told, as JSON values."""
        return self.model_dump(mode="json", include=set(PaperVenue.model_fields) - {"paper"}, exclude_none=True)
