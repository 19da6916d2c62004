"""Where orders, evidence and books are kept: one schema on PostgreSQL and SQLite."""
