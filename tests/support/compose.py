"""docker-compose.yml as Compose reads it, and its services as plain processes where no engine runs."""

from __future__ import annotations

import re
import socket
from collections.abc import Mapping
from typing import Any

import yaml

from tests.support.processes import ROOT

FILE = ROOT / "docker-compose.yml"
EXAMPLE = ROOT / ".env.example"

#: `$$`, or `${NAME}` with `:?message` or `:-default`
_REFERENCE = re.compile(r"\$(?:(?P<escaped>\$)|\{(?P<name>\w+)(?:(?P<how>:[?-])(?P<text>[^}]*))?\})")


class RequiredError(Exception):
    """A variable that the file demands is missing or empty; the message is the file's own."""


def load(environ: Mapping[str, str]) -> dict[str, Any]:
    """The file with its variables filled in. RequiredError for one that must be set and is not."""
    filled: dict[str, Any] = _filled(yaml.safe_load(FILE.read_text()), environ)
    return filled


def references() -> dict[str, bool]:
    """Every variable that the file asks for, and whether it refuses to start without it."""
    found: dict[str, bool] = {}
    for match in _REFERENCE.finditer(FILE.read_text()):
        if match["name"]:
            found[match["name"]] = found.get(match["name"], False) or match["how"] == ":?"
    return found


def example() -> dict[str, str]:
    """The variables of .env.example."""
    lines = [line for line in EXAMPLE.read_text().splitlines() if line and not line.startswith("#")]
    return dict(line.partition("=")[::2] for line in lines)


def as_process(
    service: Mapping[str, Any], *, instead: Mapping[str, str], environ: Mapping[str, str]
) -> tuple[list[str], list[str], dict[str, str]]:
    """A service's command, its health check and its environment for this machine.

    `instead` maps what names another container, a port or a folder of the image to what stands for it here; `environ`
    goes over the service's own environment.
    """
    env = {key: _translated(str(value), instead) for key, value in service.get("environment", {}).items()}
    command = [_translated(str(part), instead) for part in service["command"]]
    health = [_translated(str(part), instead) for part in service["healthcheck"].get("test", [])]
    kind, *test = health or ["NONE"]
    check = {"CMD": test, "CMD-SHELL": ["sh", "-c", *test], "NONE": []}[kind]
    here = {"PYTHONPATH": str(ROOT), "HOSTNAME": socket.gethostname()}
    return command, check, {**env, **here, **environ}


def _translated(text: str, instead: Mapping[str, str]) -> str:
    for there, here in instead.items():
        text = text.replace(there, here)
    return text


def _filled(node: Any, environ: Mapping[str, str]) -> Any:
    if isinstance(node, dict):
        return {key: _filled(value, environ) for key, value in node.items()}
    if isinstance(node, list):
        return [_filled(value, environ) for value in node]
    if not isinstance(node, str):
        return node

    def fill(match: re.Match[str]) -> str:
        if match["escaped"]:
            return "$"
        value = environ.get(match["name"], "")
        if not value and match["how"] == ":?":
            raise RequiredError(f"{match['name']}: {match['text']}")
        return value or (match["text"] or "" if match["how"] == ":-" else "")

    return _REFERENCE.sub(fill, node)
