"""For every layer: the servers and stacks as fixtures, the end of what tests started, and pytest-celery where needed."""

from __future__ import annotations

import importlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from hypothesis import HealthCheck, settings

pytest_plugins = ["tests.support.servers.fixtures", "tests.support.stacks"]

# Run in the background of a shell, pytest would hand on an ignored SIGINT, and no Ctrl-C could end what it starts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

TESTS = Path(__file__).parent

# A machine that stands still for a moment breaks no promise, so nothing has a deadline. `make test` tries the same
# examples each time, so that what fails there is the change's doing; `make test-all` thinks of new ones.
settings.register_profile(
    "steadfill",
    deadline=None,
    derandomize=os.environ.get("STEADFILL_TESTS") != "all",
    suppress_health_check=[HealthCheck.too_slow],
    print_blob=True,
)
settings.load_profile("steadfill")

# Where no process has set up its logs, structlog draws a traceback with the values of every local: seconds of work each.
structlog.configure(
    processors=[
        structlog.processors.add_log_level,
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback),
    ]
)

#: These layers never start a Celery worker through pytest-celery, whose import costs two seconds a process.
WITHOUT_CELERY_PLUGIN = tuple(TESTS / layer for layer in ("unit", "contract", "bench", "integration/orders"))


def pytest_configure(config: pytest.Config) -> None:
    """Load pytest-celery and our local processes for it, unless only quick layers were asked for."""
    if config.getoption("help", default=False) or config.getoption("version", default=0):
        return
    asked = [(config.invocation_params.dir / argument.partition("::")[0]).resolve() for argument in config.args]
    if all(any(path.is_relative_to(layer) for layer in WITHOUT_CELERY_PLUGIN) for path in asked):
        return
    for plugin in ("docker_tools", "celery"):
        config.pluginmanager.unblock(plugin)
        config.pluginmanager.load_setuptools_entrypoints("pytest11", name=plugin)
    config.option.reuse_containers = False  # docker_tools comes too late to add its command line option
    # After the plugin, whose fixtures it overrides.
    config.pluginmanager.register(importlib.import_module("tests.support.celery_processes"), "celery_processes")


@pytest.fixture(scope="session", autouse=True)
def _watch_temporary_folder(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Servers that a deployment starts for itself work below its home, which tests put under tmp_path."""
    from tests.support import processes

    processes.base_temp = tmp_path_factory.getbasetemp()


@pytest.hookimpl(wrapper=True)
def pytest_sessionfinish(session: pytest.Session) -> Iterator[None]:
    """After the last fixture: nothing that a test started may go on."""
    from tests.support.processes import end_all

    yield
    left = end_all()
    if left:
        print(f"\nTests left {len(left)} processes running, which were killed now: {left}")
