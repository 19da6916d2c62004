"""The table of schedules: how far the slices of a large order are planned, and when the next wave is."""

from sqlalchemy import Boolean, Column, ForeignKey, Index, Integer, Table, Text, text

from storage.metadata import metadata
from storage.types import Json, Timestamp

#: One row for each order whose algorithm is not `single`; its slices are rows of `child_orders`.
schedules = Table(
    "schedules",
    metadata,
    Column("order_id", Text, ForeignKey("orders.id"), primary_key=True),
    #: when its time begins; null until the first wave is planned, unless the request names it
    Column("start_at", Timestamp),
    #: waves planned so far; a plan is written by an update that names the wave it follows
    Column("wave", Integer, nullable=False),
    #: the number that the next slice gets
    Column("next_slice", Integer, nullable=False),
    #: the first place of the algorithm's grid that no slice was planned for
    Column("next_slot", Integer, nullable=False),
    #: when the latest wave was planned
    Column("looked_at", Timestamp),
    #: when the next one is; null: when something ends at the venue
    Column("look_at", Timestamp),
    #: nothing more is planned: what is left stays unsent
    Column("is_over", Boolean, nullable=False),
    #: what the algorithm remembers and says of itself: estimates, volume answered so far
    Column("notes", Json, nullable=False),
    Index(
        "ix_schedules_look_at",
        "look_at",
        sqlite_where=text("look_at IS NOT NULL"),
        postgresql_where=text("look_at IS NOT NULL"),
    ),
)
