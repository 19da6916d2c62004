"""What of a log comes to the console."""

from __future__ import annotations

import json

import pytest

from ops.tail import LINE_LENGTH, LINES_PER_WINDOW, Tail, last_lines, worth_showing


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ('{"event": "order taken", "level": "info", "logger": "x.error"}', ""),
        ('{"event": "no answer", "level": "warning", "venue": "paper"}', "warning: no answer venue=paper"),
        ("[2026-01-01 00:00:00,000: ERROR/MainProcess] lost", "[2026-01-01 00:00:00,000: ERROR/MainProcess] lost"),
        ("Traceback (most recent call last):", "Traceback (most recent call last):"),
        ("ValueError: no", "ValueError: no"),
        ("worker: Warm shutdown", ""),
        ("{torn", ""),
        ("ERROR " + "x" * 500, ("ERROR " + "x" * 500)[:LINE_LENGTH]),
    ],
)
def test_only_trouble_is_worth_showing(line, shown):
    assert worth_showing(line) == shown


def test_storm_of_errors_is_cut_and_the_log_named(tmp_path):
    log = tmp_path / "piece.log"
    tail = Tail(log)
    log.write_text("ERROR again\n" * 50)

    lines = tail.lines(everything=False)
    log.write_text(log.read_text() + "ERROR again\n" * 50)

    assert len(lines) == LINES_PER_WINDOW + 1
    assert str(log) in lines[-1]
    assert tail.lines(everything=False) == []


def test_half_a_line_waits_for_its_end_and_a_log_set_aside_begins_anew(tmp_path):
    log = tmp_path / "piece.log"
    log.write_text("old\n")
    tail = Tail(log)
    with log.open("a") as sink:
        sink.write("one\ntw")
    first = tail.lines(everything=True)
    with log.open("a") as sink:
        sink.write("o\n")
    second = tail.lines(everything=True)
    log.write_text("new\n")

    assert (first, second, tail.lines(everything=True)) == (["one"], ["two"], ["new"])


def test_last_lines_of_a_log_that_is_not_there(tmp_path):
    (tmp_path / "log").write_text("\n".join(json.dumps(number) for number in range(50)))

    assert last_lines(tmp_path / "log", 2) == ["48", "49"]
    assert last_lines(tmp_path / "none", 2) == []
