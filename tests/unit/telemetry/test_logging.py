"""One line an event, whoever logs; secrets are struck out after exceptions have become text."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from telemetry import redact as redaction
from telemetry.logging import configure_logging
from telemetry.redact import REDACTED, remember

CANARY = "canary-secret-value"


@pytest.fixture(autouse=True)
def _as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(redaction, "_remembered", redaction._Remembered())
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level
    structlog.reset_defaults()


def fail() -> None:
    secret = CANARY
    raise RuntimeError(f"the venue answered badly to apiKey={secret}")


@pytest.mark.parametrize("form", ["json", "console"])
@pytest.mark.parametrize("library", ["structlog", "stdlib"])
def test_an_exception_is_one_event_without_secrets(form: str, library: str) -> None:
    stream = io.StringIO()
    configure_logging(json=form == "json", stream=stream)
    remember(CANARY)

    try:
        fail()
    except RuntimeError:
        if library == "structlog":
            structlog.get_logger("steadfill").exception("send.failed", order_id="abc", secret=CANARY, note=CANARY)
        else:
            logging.getLogger("steadfill").exception("send.failed %s", CANARY)

    text = stream.getvalue()
    assert CANARY not in text
    assert "RuntimeError: the venue answered badly" in text
    assert REDACTED in text
    assert "send.failed" in text
    if form == "json":
        (line,) = text.splitlines()
        event = json.loads(line)
        assert event["level"] == "error"
        assert event["logger"] == "steadfill"
        assert event["timestamp"].endswith("Z")


def test_what_is_under_the_level_costs_no_line() -> None:
    stream = io.StringIO()
    configure_logging(json=True, level="warning", stream=stream)

    structlog.get_logger("a").info("quiet")
    logging.getLogger("b").info("quiet")

    assert stream.getvalue() == ""


def test_configuring_again_does_not_double_the_lines() -> None:
    first, second = io.StringIO(), io.StringIO()
    configure_logging(json=True, stream=first)
    configure_logging(json=True, stream=second)

    logging.getLogger("uvicorn.error").warning("once")

    assert first.getvalue() == ""
    assert len(second.getvalue().splitlines()) == 1


def test_what_json_does_not_know_is_written_as_text() -> None:
    stream = io.StringIO()
    configure_logging(json=True, stream=stream)

    structlog.get_logger("a").info("odd", value={1, 2}, error=ValueError("x"), data=b"\xff")

    assert json.loads(stream.getvalue())["error"] == "x"
