"""``steadfill doctor``: what is configured and reachable, in which versions, and what to do where it is not."""

from collections.abc import Iterator, Mapping

from rich.text import Text

from ops import terminal
from ops.doctor import configuration, machine, services, venues
from ops.doctor.finding import Finding
from settings import ConfigurationError, load_settings

__all__ = ["Finding", "examine", "report"]

_STYLES = {"ok": "green", "warn": "yellow", "fail": "bold red"}


def examine(environ: Mapping[str, str]) -> list[Finding]:
    """Every check, in order. A configuration that can't be read ends the examination: the rest would test a guess."""
    return list(_findings(environ))


def _findings(environ: Mapping[str, str]) -> Iterator[Finding]:
    yield from machine.versions()
    yield from configuration.sources(environ)
    try:
        settings = load_settings(environ)
    except ConfigurationError as error:
        for sentence in str(error).splitlines():
            yield Finding(check="configuration", state="fail", message=sentence, advice="")
        return
    yield Finding(check="configuration", state="ok", message="every value is valid")
    yield from configuration.secrets(settings, environ)
    yield from machine.home(settings)
    yield from machine.backups(settings)
    yield from services.database(settings)
    yield from services.broker(settings)
    yield from services.redis(settings)
    yield from services.api(settings)
    yield from venues.modes(settings)
    yield from venues.venues(settings)


def report(findings: list[Finding]) -> None:
    rows = [
        (
            Text(finding.state, style=_STYLES[finding.state]),
            finding.check,
            f"{finding.message} {finding.advice}".strip(),
        )
        for finding in findings
    ]
    terminal.show_table(("", "check", "finding"), rows)
