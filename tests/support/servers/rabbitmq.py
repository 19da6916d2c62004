"""RabbitMQ for tests: from the environment, this machine's own, or an installed binary."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import amqp

from tests.support.processes import LOG_TAIL, Process, answers, clean_environment, free_port, scratch_dir
from tests.support.servers.missing import UnavailableError, give_up
from tests.support.waiting import eventually

VARIABLE = "STEADFILL_TEST_RABBITMQ_URL"
PREFIX = "steadfill-test"

#: Debian's wrapper in /usr/sbin runs only as root or rabbitmq; the script under it runs as anyone.
SCRIPTS = (Path("/usr/lib/rabbitmq/bin"), Path("/opt/rabbitmq/sbin"), Path("/usr/local/sbin"))

#: One call for a virtual host and the rights on it: each start of the control tool costs a second.
ADD_VHOST = """
Name = <<"{name}">>, ok = rabbit_vhost:add(Name, <<"tests">>),
ok = rabbit_auth_backend_internal:set_permissions(<<"guest">>, Name, <<".*">>, <<".*">>, <<".*">>, <<"tests">>).
"""
#: A server that ends so often does not run on this machine.
MOST_STARTS = 10

DELETE_VHOSTS = '[catch rabbit_vhost:delete(Name, <<"tests">>) || Name <- [{names}]], ok.'
LIST_VHOSTS = 'io:format("~s~n", [lists:join(" ", [binary_to_list(Name) || Name <- rabbit_vhost:list_names()])]).'


@dataclass(kw_only=True)
class RabbitServer:
    """A server on which this run has virtual hosts of its own."""

    #: `amqp://user:password@host:port`, without a virtual host.
    base_url: str = field(repr=False)
    #: Where it came from, for messages.
    origin: str
    #: The server's own process where the tests started it, else None: then it must not be killed.
    process: Process | None = None
    #: The control tool and the environment that lets it reach the server; None where the server is only lent.
    control: tuple[Path, dict[str, str]] | None = field(default=None, repr=False)
    #: The virtual host of a server that is only lent.
    lent_vhost: str = "/"
    _made: list[str] = field(default_factory=list)

    def create_vhost(self) -> str:
        """A new, empty virtual host; its URL. On a lent server (from the environment) the one it was lent with."""
        if self.control is None:
            return f"{self.base_url}/{self.lent_vhost}"
        name = f"{PREFIX}-{os.getpid()}-{os.urandom(4).hex()}"
        self.eval(ADD_VHOST.format(name=name))
        self._made.append(name)
        return f"{self.base_url}/{name}"

    def eval(self, erlang: str) -> str:
        """Have the server evaluate an expression, for what its protocol can't do; what it printed."""
        if self.control is None:
            raise RuntimeError(f"{self.origin} can't be controlled from here.")
        tool, environment = self.control
        done = subprocess.run(
            [tool, "-q", "eval", " ".join(erlang.split())],
            env=environment, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        if done.returncode != 0 or "{error" in done.stdout:
            raise UnavailableError(f"{tool} answered: {(done.stderr or done.stdout).strip()[-500:]}")
        return done.stdout

    def kill(self) -> None:
        """SIGKILL to the whole server."""
        self._own().kill()

    def start(self) -> None:
        """Start it (again) and wait until it takes clients; URLs and durable queues stay.

        As long as something of the killed server is left its name is taken, and the new one ends: it is started again.
        """
        url, process, starts = f"{self.base_url}//", self._own(), 0

        def takes() -> bool:
            nonlocal starts
            if not process.is_running:
                if starts == MOST_STARTS:
                    raise UnavailableError(f"RabbitMQ ended {starts} times.\n{process.logs()[-LOG_TAIL:]}")
                starts += 1
                process.start()
            return takes_clients(url)

        eventually(takes, within_s=180, describe=lambda: f"RabbitMQ takes clients\n{process.logs()[-LOG_TAIL:]}")

    def restart(self) -> None:
        """Kill and start."""
        self.kill()
        self.start()

    def close(self) -> None:
        """End it if it is ours, delete our virtual hosts if it is not."""
        if self.process is not None:
            self.process.kill()
        elif self._made:
            self._delete(self._made)

    def delete_orphans(self) -> None:
        """Delete virtual hosts of runs on this machine that were killed."""
        names = [name for name in self.eval(LIST_VHOSTS).split() if name.startswith(f"{PREFIX}-")]
        gone = [name for name in names if not Path("/proc", name.removeprefix(f"{PREFIX}-").partition("-")[0]).exists()]
        if gone:
            self._delete(gone)

    def _delete(self, names: list[str]) -> None:
        self.eval(DELETE_VHOSTS.format(names=", ".join(f'<<"{name}">>' for name in names)))

    def _own(self) -> Process:
        if self.process is None:
            raise RuntimeError(f"{self.origin} is not ours to kill: use start_private() for a test that does that.")
        return self.process


def find_rabbitmq() -> RabbitServer:
    """The first server that can be had; skips the test (fails it in CI) when there is none."""
    tried = []
    for way in (_from_environment, _machines_own, start_private):
        try:
            return way()
        except UnavailableError as reason:
            tried.append(str(reason))
    return give_up("RabbitMQ", VARIABLE, tried)


def takes_clients(url: str) -> bool:
    """Whether a client can log in."""
    from kombu import Connection

    try:
        with Connection(url, connect_timeout=10) as connection:
            connection.connect()
    except (OSError, amqp.AMQPError):
        return False
    return True


def start_private() -> RabbitServer:
    """A server of our own that a test may kill, with an epmd of its own."""
    scripts = next((folder for folder in SCRIPTS if (folder / "rabbitmq-server").exists()), None)
    epmd = shutil.which("epmd") or next(map(str, Path("/usr/lib/erlang").glob("erts-*/bin/epmd")), None)
    if scripts is None or epmd is None:
        raise UnavailableError("no installed RabbitMQ (it has no wheel)")
    home, port, epmd_port = scratch_dir("rabbitmq"), free_port(), free_port()
    environment = {
        **clean_environment(), **_dirs(home), "HOME": str(home), "ERL_EPMD_PORT": str(epmd_port),
        "ERL_EPMD_ADDRESS": "127.0.0.1", "RABBITMQ_NODENAME": f"{PREFIX}-{port}@localhost",
        "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1", "RABBITMQ_NODE_PORT": str(port),
        "RABBITMQ_DIST_PORT": str(free_port()), "RABBITMQ_LOGS": "-",
        "RUNNING_UNDER_SYSTEMD": "1",  # makes the script become the server instead of watching it
    }  # fmt: skip
    (home / "enabled_plugins").write_text("[].\n")
    (home / "rabbitmq.conf").write_text("vm_memory_high_watermark.relative = 0.2\ndisk_free_limit.absolute = 50MB\n")
    Process([epmd, "-port", str(epmd_port), "-address", "127.0.0.1"], log=home / "epmd.log", cwd=home).start()
    eventually(lambda: answers(epmd_port), within_s=120, describe="epmd answers")
    process = Process([scripts / "rabbitmq-server"], log=home / "rabbitmq.log", env=environment, cwd=home)
    server = RabbitServer(
        base_url=f"amqp://guest:guest@127.0.0.1:{port}",
        origin=f"started from {scripts}",
        process=process,
        control=(scripts / "rabbitmqctl", environment),
    )
    server.start()
    return server


def _dirs(home: Path) -> dict[str, str]:
    return {
        "RABBITMQ_MNESIA_BASE": str(home / "mnesia"),
        "RABBITMQ_LOG_BASE": str(home / "log"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(home / "enabled_plugins"),
        "RABBITMQ_CONFIG_FILE": str(home / "rabbitmq.conf"),
        "RABBITMQ_CONF_ENV_FILE": str(home / "rabbitmq-env.conf"),
        "RABBITMQ_PID_FILE": str(home / "rabbitmq.pid"),
    }


def _from_environment() -> RabbitServer:
    url = os.environ.get(VARIABLE)
    if not url:
        raise UnavailableError(f"{VARIABLE} is not set")
    if not takes_clients(url):
        raise UnavailableError(f"the server of {VARIABLE} takes no clients")
    scheme, _, rest = url.partition("://")
    authority, _, vhost = rest.partition("/")
    return RabbitServer(base_url=f"{scheme}://{authority}", origin=VARIABLE, lent_vhost=vhost or "/")


def _machines_own() -> RabbitServer:
    base_url = "amqp://guest:guest@127.0.0.1:5672"
    if not takes_clients(f"{base_url}//"):
        raise UnavailableError("nobody takes clients as guest on port 5672")
    tool = shutil.which("rabbitmqctl") or shutil.which("rabbitmqctl", path="/usr/sbin:/usr/lib/rabbitmq/bin")
    if tool is None:
        raise UnavailableError("port 5672 answers, but without rabbitmqctl there is no virtual host of our own")
    server = RabbitServer(
        base_url=base_url, origin="this machine's own server on port 5672", control=(Path(tool), clean_environment())
    )
    server.delete_orphans()
    return server
