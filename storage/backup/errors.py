"""What can go wrong with a backup; every message says what it means and what to do."""


class BackupError(Exception):
    """Nothing was kept or changed. The text says why and what to do."""


class Corrupt(BackupError):
    """The database's file, or a backup's, is not what was written."""
