"""What was committed since the last backup, on SQLite: appended to a file of its own before each commit (decision 27)."""
