"""Triggers that hold the promises against raw SQL: one file per subject and database, installed by every upgrade."""
