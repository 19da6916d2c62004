"""Alert records and their channels."""
