"""Databases that fail in the middle of an order's way; the order's steps run in the test's own process."""

from __future__ import annotations

from tests.integration.orders.conftest import (
    database_url,
    engine,
    migrated_sqlite,
    open_a_desk,
    paper,
)

__all__ = ["database_url", "engine", "migrated_sqlite", "open_a_desk", "paper"]
