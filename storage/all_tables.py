"""Every table of the schema: importing this makes ``storage.metadata.metadata`` complete."""

from storage import (
    amendment_tables,
    cost_tables,
    dry_run_tables,
    event_tables,
    ledger_tables,
    message_tables,
    order_tables,
    protection_tables,
    schedule_tables,
    service_tables,
)
from storage.metadata import metadata

__all__ = [
    "amendment_tables",
    "cost_tables",
    "dry_run_tables",
    "event_tables",
    "ledger_tables",
    "message_tables",
    "metadata",
    "order_tables",
    "protection_tables",
    "schedule_tables",
    "service_tables",
]
