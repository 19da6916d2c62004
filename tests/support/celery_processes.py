"""pytest-celery on local processes where there is no Docker engine, and on its containers where there is.

`celery_setup`, `celery_setup.worker.kill()`, `worker.restart()`, `celery_setup.ready(ping=True)` and the other names of
pytest-celery's public interface mean the same in both. A test chooses its tasks by overriding `default_worker_tasks`,
its settings by `default_worker_app`, its command and environment by `default_worker_container_cls`, as the plugin's
documentation says. Mark a test `kills_broker` to have a RabbitMQ of its own (five seconds more); Redis always is.
"""

from __future__ import annotations

import contextlib
import gc
import os
import shlex
import signal
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import docker
import pytest
import pytest_celery.api.base
import pytest_celery.api.container
import pytest_docker_tools.wrappers.container
from pytest_celery import (
    CELERY_RABBITMQ_BROKER,
    CELERY_REDIS_BROKER,
    CeleryTestBroker,
    CeleryTestContainer,
    CeleryWorkerContainer,
    RabbitMQContainer,
    RedisContainer,
)
from pytest_docker_tools.exceptions import ContainerFailed
from pytest_docker_tools.exceptions import TimeoutError as ToolsTimeoutError

from tests.support.processes import ROOT, Process
from tests.support.servers.rabbitmq import RabbitServer, takes_clients
from tests.support.servers.redis import RedisServer
from tests.support.waiting import eventually

#: How long a worker may take until it says "ready.", in seconds, on a busy machine.
WORKER_READY_S = 120


def engine_answers() -> bool:
    """Whether a Docker engine can run containers for this process. A `docker` binary alone proves nothing."""
    if "DOCKER_HOST" not in os.environ and not Path("/var/run/docker.sock").exists():
        return False
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # a client that finds no engine forgets its socket
        try:
            client = docker.from_env(timeout=5)
            client.ping()
            client.close()
        except docker.errors.DockerException:
            gc.collect()
            return False
    return True


def wait_for_callable(message: str, func: Callable[[], object], timeout: float = 30) -> None:
    """As the tools' own, which looks only once a second, and gives up too soon for a busy machine."""
    try:
        eventually(func, within_s=max(timeout, WORKER_READY_S), describe=message)
    except AssertionError as error:
        raise ToolsTimeoutError(str(error)) from error


class LocalContainer(CeleryTestContainer):
    """A process that answers as a container does. Mix it in before the class whose place it takes."""

    def __init__(self, process: Process | None, name: str) -> None:
        self.process = process
        self._name = name

    @property
    def id(self) -> str:
        """Also the host name of a worker's node name, as in a container."""
        return self._name

    @property
    def name(self) -> str:
        return self._name

    @property
    def status(self) -> str:
        return "running" if self.process is None or self.process.is_running else "exited"

    @property
    def attrs(self) -> dict[str, Any]:
        return {"Config": {"Hostname": "127.0.0.1"}}

    def reload(self) -> None:
        """The status is always looked up."""

    def logs(self) -> str:
        """All runs', as a container's. Empty for a server that is not ours."""
        return self.process.log.read_text(errors="replace") if self.process else ""

    def ready(self) -> bool:
        """Running, and since the last start said that it is ready."""
        if self.process is None:
            return True
        if not self.process.is_running:
            raise ContainerFailed(self, f"{self.name} ended with {self.process.exit_code}.\n{self.process.logs()}")
        prompt = self.ready_prompt
        self.process.wait_until(
            lambda: prompt is None or prompt in self._own().logs(), within_s=WORKER_READY_S, why=f"it says {prompt!r}"
        )
        return True

    def start(self) -> None:
        """Start the process; `ready` waits until it is of use."""
        self._own().start()

    def kill(self, signal: str | int | None = None) -> None:
        """SIGKILL ends all its processes, as a container's; another signal goes to the first one alone."""
        number = _signal(signal)
        if number == _signal("SIGKILL"):
            self._own().kill()
        else:
            self._own().send(number)

    def restart(self, timeout: float = 10) -> None:
        """End it (SIGTERM, after `timeout` seconds SIGKILL), start it again and wait until it is ready."""
        process = self._own()
        process.send(_signal("SIGTERM"))
        if process.is_running:
            with contextlib.suppress(subprocess.TimeoutExpired):  # the kill is for this case
                process.wait(within_s=timeout)
        process.kill()
        process.start()
        self.ready()

    def exec_run(self, cmd: str | list[str], **_: object) -> tuple[int, bytes]:
        """Run a command where the process runs: exit code and output."""
        process = self._own()
        done = subprocess.run(
            shlex.split(cmd) if isinstance(cmd, str) else cmd,
            cwd=process.cwd, env=process.env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60, check=False,
        )  # fmt: skip
        return done.returncode, done.stdout

    def remove(self, *_: object, **__: object) -> None:
        self.teardown()

    def teardown(self) -> None:
        if self.process is not None:
            self.process.kill()

    def _own(self) -> Process:
        if self.process is None:
            raise RuntimeError(f"{self.name} is shared, so it can't be killed: mark the test `kills_broker`.")
        return self.process


class LocalRedis(LocalContainer, RedisContainer):
    """A private Redis in the place of its container."""

    def __init__(self, server: RedisServer) -> None:
        super().__init__(server.process, "local-redis")
        self.server = server

    @property
    def url(self) -> str:
        return self.server.url

    @property
    def host_url(self) -> str:
        return self.server.url

    @property
    def port(self) -> int:
        return int(self.server.url.rpartition(":")[2].partition("/")[0])

    def ready(self) -> bool:
        eventually(self.server.answers, within_s=WORKER_READY_S, describe="Redis answers PING")
        return True


class LocalRabbitMQ(LocalContainer, RabbitMQContainer):
    """A virtual host of RabbitMQ in the place of its container."""

    def __init__(self, server: RabbitServer) -> None:
        super().__init__(server.process, "local-rabbitmq")
        self._url = server.create_vhost()

    @property
    def url(self) -> str:
        return self._url

    @property
    def host_url(self) -> str:
        return self._url

    @property
    def port(self) -> int:
        return int(self._url.rpartition(":")[2].partition("/")[0])

    @property
    def vhost(self) -> str:
        return self._url.rpartition("/")[2]

    def ready(self) -> bool:
        eventually(lambda: takes_clients(self._url), within_s=WORKER_READY_S, describe="RabbitMQ takes clients")
        return True


def local_worker(
    container_cls: type[CeleryWorkerContainer],
    *,
    command: list[str],
    env: Mapping[str, str],
    content: Mapping[str, bytes],
    folder: Path,
    name: str,
) -> LocalContainer:
    """A worker as a process, in a folder that holds what the container's volume would."""
    for file, text in content.items():
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_bytes(text)
    program = [sys.executable, "-m", "celery"] if command[0] == "celery" else [command[0]]
    arguments = [part.replace("%h", name) for part in command[1:]]
    environment = {**env, "PYTHONPATH": os.pathsep.join((str(folder), str(ROOT)))}
    worker_cls = type(f"Local{container_cls.__name__}", (LocalContainer, container_cls), {})
    worker: LocalContainer = worker_cls(
        Process([*program, *arguments], log=folder / "worker.log", env=environment, cwd=folder), name
    )
    return worker


def _signal(wanted: str | int | None) -> signal.Signals:
    if wanted is None:
        return signal.SIGKILL
    return signal.Signals[wanted] if isinstance(wanted, str) else signal.Signals(wanted)


@pytest.fixture(params=[CELERY_RABBITMQ_BROKER, CELERY_REDIS_BROKER])
def celery_broker(request: pytest.FixtureRequest) -> Iterator[CeleryTestBroker]:
    """Both brokers, in an order that xdist's workers agree on; the plugin's own is a set."""
    broker: CeleryTestBroker = request.getfixturevalue(request.param)
    yield broker
    broker.teardown()


if not engine_answers():
    for module in (pytest_celery.api.base, pytest_celery.api.container, pytest_docker_tools.wrappers.container):
        module.wait_for_callable = wait_for_callable

    @pytest.fixture
    def default_redis_broker(private_redis: RedisServer) -> LocalRedis:
        return LocalRedis(private_redis)

    @pytest.fixture
    def default_redis_backend(redis_server: RedisServer) -> LocalRedis:
        redis_server.flush()
        backend = LocalRedis(redis_server)
        backend.process = None  # the whole run's: a test's end must not end it
        return backend

    @pytest.fixture
    def default_rabbitmq_broker(request: pytest.FixtureRequest) -> LocalRabbitMQ:
        kills_it = request.node.get_closest_marker("kills_broker") is not None
        return LocalRabbitMQ(request.getfixturevalue("private_rabbitmq" if kills_it else "rabbitmq_server"))

    @pytest.fixture
    def default_worker_container(
        default_worker_container_cls: type[CeleryWorkerContainer],
        default_worker_command: list[str],
        default_worker_env: dict[str, str],
        default_worker_initial_content: dict[str, bytes],
        tmp_path: Path,
    ) -> Iterator[LocalContainer]:
        folder = tmp_path / "worker"
        folder.mkdir()
        worker = local_worker(
            default_worker_container_cls, command=default_worker_command, env=default_worker_env,
            content=default_worker_initial_content, folder=folder, name=f"p{os.getpid():x}-{os.urandom(2).hex()}",
        )  # fmt: skip
        worker.start()
        worker.ready()
        yield worker
        worker.teardown()
