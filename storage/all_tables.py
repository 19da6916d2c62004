"""Every table of the schema: importing this makes ``storage.metadata.metadata`` complete."""

from storage import (
    amendment_tables,
    cleanup_tables,
    cost_tables,
    dry_run_tables,
    event_tables,
    journal_tables,
    ledger_tables,
    message_tables,
    movement_tables,
    order_tables,
    position_tables,
    protection_tables,
    reconciliation_tables,
    schedule_tables,
    seal_tables,
    service_tables,
    stream_tables,
)
from storage.metadata import metadata

__all__ = [
    "amendment_tables",
    "cleanup_tables",
    "cost_tables",
    "dry_run_tables",
    "event_tables",
    "journal_tables",
    "ledger_tables",
    "message_tables",
    "metadata",
    "movement_tables",
    "order_tables",
    "position_tables",
    "protection_tables",
    "reconciliation_tables",
    "schedule_tables",
    "seal_tables",
    "service_tables",
    "stream_tables",
]
