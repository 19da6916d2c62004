"""docker-compose.yml without an engine: the schema, what it promises, and every service's command as a real process."""

from __future__ import annotations

import json
import subprocess
import tomllib
from contextlib import ExitStack
from functools import partial
from importlib import resources
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import pytest

from tests.support import compose
from tests.support.processes import ROOT, Process, clean_environment, free_port
from tests.support.servers.rabbitmq import RabbitServer
from tests.support.waiting import eventually

pytestmark = [pytest.mark.acceptance]

#: What .env would hold.
FILLED_IN = {
    **compose.example(),
    **{name: f"made-up-{name.lower()}" for name, must in compose.references().items() if must},
}
FILLED_IN["FLOWER_BASIC_AUTH"] = "operator:made-up"

SERVERS = ("postgres", "redis", "rabbitmq")
ONE_SHOT = ("migrate",)

#: What no piece of a healthy deployment has to say.
TROUBLE = ("Traceback", "CRITICAL", '"level": "critical"', "Failed to")

#: Seconds for the health check of a service to pass, with all the others starting beside it.
HEALTHY_WITHIN_S = 180


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    found: dict[str, Any] = compose.load(FILLED_IN)["services"]
    return found


def test_the_file_fits_the_compose_schema() -> None:
    packaged = resources.files("check_jsonschema") / "builtin_schemas" / "vendor" / "compose-spec.json"
    schema = json.loads(packaged.read_text())
    validator = jsonschema.validators.validator_for(schema)(schema)

    errors = [f"{error.json_path}: {error.message}" for error in validator.iter_errors(compose.load(FILLED_IN))]

    assert errors == []


def test_every_piece_of_the_deployment_has_a_service(services: dict[str, Any]) -> None:
    workers = {f"worker-{queue}" for queue in ("orders", "steps", "venue", "urgent", "housekeeping")}

    assert set(services) == {*SERVERS, "migrate", "api", "beat", "flower", "paper", *workers}


def test_every_queue_has_a_worker_of_its_own(services: dict[str, Any]) -> None:
    from tasks.queues import QUEUES

    consumed = [command[command.index("-Q") + 1] for command in _commands(services) if "-Q" in command]

    assert sorted(consumed) == sorted(QUEUES)


def test_every_service_has_limits_a_health_check_and_a_restart_policy(services: dict[str, Any]) -> None:
    for name, service in services.items():
        limits = service["deploy"]["resources"]["limits"]
        assert set(limits) == {"cpus", "memory"}, name
        if name in ONE_SHOT:
            assert (service["restart"], service["healthcheck"]) == ("no", {"disable": True})
        else:
            assert service["restart"] == "unless-stopped", name
            assert service["healthcheck"]["test"], name


def test_ports_are_published_on_the_loopback_interface_only(services: dict[str, Any]) -> None:
    published = {port for service in services.values() for port in service.get("ports", [])}

    assert published
    assert [port for port in published if not port.startswith("127.0.0.1:")] == []


def test_what_is_depended_on_exists_and_can_become_healthy(services: dict[str, Any]) -> None:
    for name, service in services.items():
        for needed, how in service.get("depends_on", {}).items():
            expected = "service_completed_successfully" if needed in ONE_SHOT else "service_healthy"
            assert how["condition"] == expected, f"{name} needs {needed}"
            assert needed in services


def test_state_is_kept_in_declared_volumes(services: dict[str, Any]) -> None:
    kept = {name: service["volumes"][0].partition(":")[0] for name, service in services.items() if "volumes" in service}

    assert kept == {name: name for name in (*SERVERS, "paper", "beat")}
    assert set(compose.load(FILLED_IN)["volumes"]) == set(kept)


def test_our_own_services_run_without_privileges(services: dict[str, Any]) -> None:
    for name in services.keys() - set(SERVERS):
        service = services[name]
        assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"]), name
        assert service["security_opt"] == ["no-new-privileges:true"], name


def test_servers_keep_what_they_acknowledged(services: dict[str, Any]) -> None:
    redis = " ".join(services["redis"]["command"])

    assert services["postgres"]["environment"]["POSTGRES_INITDB_ARGS"] == "--data-checksums"
    assert "--appendonly yes" in redis
    assert "--maxmemory-policy noeviction" in redis


@pytest.mark.parametrize("name", sorted(name for name, required in compose.references().items() if required))
def test_nothing_starts_while_a_secret_is_empty(name: str) -> None:
    with pytest.raises(compose.RequiredError, match=rf"{name}: set it in \.env"):
        compose.load({**FILLED_IN, name: ""})


def test_the_example_names_every_variable_and_no_secret() -> None:
    example = compose.example()

    assert set(example) == set(compose.references())
    assert {name: example[name] for name, required in compose.references().items() if required and example[name]} == {}


def test_the_image_holds_every_package_and_nothing_else() -> None:
    packages = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["root_packages"])
    let_through = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}

    assert let_through == {*packages, "celeryconfig.py", "requirements/run.txt"}


def test_the_image_runs_as_an_unprivileged_user_from_hashed_packages() -> None:
    lines = (ROOT / "Dockerfile").read_text().splitlines()

    assert "USER steadfill" in lines
    assert any("--require-hashes -r /tmp/run.txt" in line for line in lines)
    assert any(line.startswith("HEALTHCHECK") for line in lines)


@pytest.mark.rabbitmq
@pytest.mark.timeout(900)
def test_the_composed_deployment_becomes_healthy_and_fills_an_order(
    services: dict[str, Any], tmp_path: Path, postgres_url: str, redis_url: str, rabbitmq_server: RabbitServer
) -> None:
    api, paper, flower = free_port(), free_port(), free_port()
    key = FILLED_IN["STEADFILL_API_KEYS"]
    urls = {
        "STEADFILL_DATABASE_URL": postgres_url,
        "STEADFILL_BROKER_URL": rabbitmq_server.create_vhost(),
        "STEADFILL_REDIS_URL": redis_url,
        "STEADFILL_API_HOST": "127.0.0.1",
        "STEADFILL_API_PORT": str(api),
        "STEADFILL_EXECUTION__MAX_AGE_S": "3600",  # nothing grows too old to be sent, however slow the machine
    }
    instead = {
        "//paper:": "//127.0.0.1:",
        "9100": str(paper),
        "5555": str(flower),
        ":8080": f":{api}",
        "0.0.0.0": "127.0.0.1",
    }
    running: dict[str, tuple[Process, list[str]]] = {}

    with ExitStack() as ended:
        for name in sorted(services.keys() - set(SERVERS), key=lambda name: name not in ONE_SHOT):
            home = tmp_path / name
            here = {**instead, "/var/lib/steadfill": str(home)}
            command, check, env = compose.as_process(services[name], instead=here, environ=urls)
            env.pop("FLOWER_BROKER_API", None)  # the management plugin is the image's, not this machine's
            home.mkdir()
            process = ended.enter_context(Process(command, log=home / "process.log", env=env, cwd=home))
            if name in ONE_SHOT:
                assert process.wait(within_s=180) == 0, process.logs()
            else:
                running[name] = (process, check)

        for name, (process, check) in running.items():
            process.wait_until(partial(_passes, check, process), within_s=HEALTHY_WITHIN_S, why=f"{name} is healthy")
        _an_order_is_filled(f"http://127.0.0.1:{api}", key)
        _flower_shows_its_steps_to_who_has_the_password(f"http://127.0.0.1:{flower}")
        for name, (process, _) in running.items():
            process.stop(within_s=180)
            for trouble in TROUBLE:
                assert trouble not in process.logs(), f"{name} logged {trouble!r}:\n{process.logs()}"


def _commands(services: dict[str, Any]) -> list[list[str]]:
    return [service["command"] for service in services.values() if isinstance(service.get("command"), list)]


def _passes(check: list[str], process: Process) -> bool:
    done = subprocess.run(
        check,
        env={**clean_environment(), **process.env},
        cwd=process.cwd,
        capture_output=True,
        timeout=120,
        check=False,
    )
    return done.returncode == 0


def _flower_shows_its_steps_to_who_has_the_password(base_url: str) -> None:
    user, _, password = FILLED_IN["FLOWER_BASIC_AUTH"].partition(":")
    assert httpx.get(f"{base_url}/tasks", timeout=60).status_code == 401
    steps = {"orders.prepare", "orders.validate", "orders.commit", "orders.settle"}
    with httpx.Client(base_url=base_url, auth=(user, password), timeout=60) as client:
        assert client.get("/tasks").status_code == 200

        def shown() -> set[str]:
            return {task["name"] for task in client.get("/api/tasks").json().values()}

        eventually(lambda: steps <= shown(), within_s=120, describe=lambda: f"Flower shows the steps, not {shown()}")


def _an_order_is_filled(base_url: str, key: str) -> None:
    order = {"client_order_id": "compose-1", "venue": "paper", "symbol": "BTC/USDT", "side": "buy", "type": "market"}
    with httpx.Client(base_url=base_url, headers={"Authorization": f"Bearer {key}"}, timeout=60) as client:

        def send() -> httpx.Response:
            return client.post("/v1/orders", json={**order, "quantity": "0.01"})

        def document() -> dict[str, Any]:
            found: dict[str, Any] = client.get("/v1/orders/client:compose-1").json()
            return found

        # 503 until the instruments have been read from the venue for the first time
        eventually(lambda: send().status_code in {200, 201}, within_s=120, describe=lambda: f"accepted: {send().text}")
        eventually(lambda: document()["status"] == "FILLED", within_s=120, describe=lambda: f"filled: {document()}")
