"""Copies of the database that can be trusted: made online, checked, listed with their digests, rotated, restored."""
