"""Exit statuses that the commands owe: 0 done, 1 refused, 2 bad usage; and no stack trace."""

from __future__ import annotations

import sys

import pytest

from cli.app import run
from ops import __main__ as machine


@pytest.mark.parametrize(("good", "status"), [(True, 0), (False, 1)])
def test_demo_ends_with_its_verdict(monkeypatch, good, status):
    monkeypatch.setattr("ops.demo.run.demo", lambda **_: good)
    monkeypatch.setattr(sys, "argv", ["ops", "demo"])

    assert machine.main() == status


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["--help"], 0),
        (["order", "--help"], 0),
        (["order", "list", "--nope"], 2),
        (["nope"], 2),
        (["order", "place"], 2),
        (["order", "place", "/nowhere/order.json"], 1),
    ],
)
def test_commands_end_with_their_status(arguments, status, capsys):
    assert run(arguments) == status
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["up", "--only", "kitchen"], ["demo", "--orders", "3"], ["db", "nope"]])
def test_bad_usage_of_the_machine_is_2(monkeypatch, arguments):
    monkeypatch.setattr(sys, "argv", ["ops", *arguments])

    assert machine.main() == 2


@pytest.mark.parametrize("command", [["ps"], ["doctor"], ["db", "upgrade"], ["up"]])
def test_bad_configuration_is_a_sentence_and_1(monkeypatch, capsys, command):
    monkeypatch.setenv("STEADFILL_API_PORT", "http")
    monkeypatch.setattr(sys, "argv", ["ops", *command])

    assert machine.main() == 1
    shown = capsys.readouterr()
    assert "STEADFILL_API_PORT must be" in shown.out + shown.err
