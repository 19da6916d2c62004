"""Where a page that a command has drawn goes."""

import sys
from pathlib import Path

from cli.errors import CommandError
from cli.output import console


def write_page(file: str, page: str) -> None:
    """``-`` is standard output. Raises CommandError."""
    if file == "-":
        sys.stdout.write(page)
        return
    try:
        Path(file).write_text(page, encoding="utf-8")
    except OSError as error:
        raise CommandError(
            f"{file} can't be written: {error.strerror}. Nothing was reported; name another file, or - for standard output."
        ) from None
    console().print(f"The report is in {file}.")
