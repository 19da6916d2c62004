"""On which stacks a test runs."""

from __future__ import annotations

import pytest

from tests.support.stacks import STACKS

SQLITE, REDIS, RABBITMQ = STACKS


def on(*names: str) -> pytest.MarkDecorator:
    """These stacks in place of all three."""
    return pytest.mark.parametrize("running", names, indirect=True)
