"""The three deployments that the acceptance tests run on; only their URLs differ."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True, kw_only=True, slots=True)
class Stack:
    """A deployment's environment: empty servers of its own, nothing started yet."""

    #: One of STACKS.
    name: str
    #: STEADFILL_HOME always; STEADFILL_DATABASE_URL, _BROKER_URL and _REDIS_URL where they are not embedded.
    env: Mapping[str, str]

    @property
    def home(self) -> Path:
        """STEADFILL_HOME"""
        return Path(self.env["STEADFILL_HOME"])


STACKS = {
    "sqlite-embedded": (),
    "postgres-redis": ("postgres", "redis"),
    "postgres-rabbitmq": ("postgres", "rabbitmq", "redis"),
}


@pytest.fixture(params=list(STACKS))
def stack(request: pytest.FixtureRequest, tmp_path: Path) -> Stack:
    """Each of the three, one after the other. `@pytest.mark.parametrize("stack", [...], indirect=True)` picks some."""
    name: str = request.param
    servers = STACKS[name]
    env = {"STEADFILL_HOME": str(tmp_path / "home")}
    # A started server's URL is asked for only where the stack has it, so that the embedded one runs on a bare machine.
    if "postgres" in servers:
        env["STEADFILL_DATABASE_URL"] = request.getfixturevalue("postgres_url")
    if "redis" in servers:
        env["STEADFILL_REDIS_URL"] = env["STEADFILL_BROKER_URL"] = request.getfixturevalue("redis_url")
    if "rabbitmq" in servers:
        env["STEADFILL_BROKER_URL"] = request.getfixturevalue("rabbitmq_url")
    return Stack(name=name, env=env)
