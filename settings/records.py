"""``[messages]`` and ``[events]``: what is remembered, and for how long."""

from pydantic import Field

from settings.section import Section


class Messages(Section):
    """``[messages]``: what is known of messages, and when one counts as poison."""

    #: deliveries on which a message may kill its worker or stay without an end; then it is a dead letter
    max_deliveries: int = Field(default=5, ge=2, le=15)
    #: days that an ended message is remembered; dead letters stay
    keep_days: int = Field(default=7, ge=1, le=3_650)
    #: false: nothing is recorded of ordinary messages; poison is counted and dead letters are kept all the same
    track: bool = True
    #: milliseconds that a process collects what happened before it writes it down
    flush_ms: int = Field(default=150, ge=1, le=10_000)


class Events(Section):
    """``[events]``: the feed of changes."""

    #: after so many days a change is deleted from the feed; the order itself stays
    keep_days: int = Field(default=30, ge=1, le=3_650)
