"""What a test does when its server cannot be had: a loud skip, and a failure in CI."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest


class UnavailableError(Exception):
    """One way of getting a server does not work here; the message says why."""


def in_ci() -> bool:
    """Whether this run decides about a change, so that nothing may be left out."""
    return os.environ.get("CI", "").lower() not in {"", "0", "false", "no"}


def give_up(server: str, variable: str, tried: list[str]) -> NoReturn:
    """Skip the test, or fail it in CI, with every way that was tried."""
    message = (
        f"{server.upper()} IS MISSING, so this test proves nothing here. Tried: {'; '.join(tried)}. Set {variable}."
    )
    if in_ci():
        pytest.fail(f"{message} In CI that is a failure.", pytrace=False)
    pytest.skip(message)
