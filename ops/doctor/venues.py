"""The venues: in which mode, whether they answer, how far their clock is from ours, whether and for what they take our keys."""

from collections.abc import Generator, Iterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from models.vocabulary import Mode
from ops.doctor import keys
from ops.doctor.finding import Finding
from settings import Settings

if TYPE_CHECKING:
    from exchanges.gateway import Gateway

MILLISECOND = timedelta(milliseconds=1)


def venues(settings: Settings) -> Iterator[Finding]:
    from exchanges.registry import Gateways
    from storage.dry_run import DatabaseDryRuns
    from tasks.runtime import Runtime

    if not settings.venues:
        yield Finding(
            check="venues",
            state="warn",
            message="no venue is configured.",
            advice="Add a [venues.NAME] section to steadfill.toml.",
        )
    runtime = Runtime(settings)
    gateways = Gateways(runtime.venue_configs(), dry_runs=DatabaseDryRuns(runtime.engine))
    try:
        for name, venue in settings.venues.items():
            if not venue.accounts:
                message = f"{name} has no keys, so nothing can be ordered there."
                yield Finding(
                    check="venues", state="warn", message=message, advice=f"Set api_key and secret in [venues.{name}]."
                )
            yield from _unlisted(name, venue.ccxt_id)
            if venue.mode is Mode.DRY_RUN:
                message = f"{name} is a dry run: orders are filled on paper against its live book, and nothing is sent"
                yield Finding(check="venues", state="ok", message=message)
            if venue.mode is Mode.SANDBOX:
                message = f"{name} is a sandbox: orders go to the venue's test environment"
                yield Finding(check="venues", state="ok", message=message)
        for config in runtime.venue_configs():
            venue = settings.venues[config.name]
            # Also where an account's mode is in dispute: what is looked at here is the venue.
            gateway = gateways.get(config.name, config.account)
            answers = yield from _clock(gateway, limit_ms=venue.clock_skew_ms, paper=venue.paper)
            if not answers or venue.mode is Mode.DRY_RUN:
                continue
            yield from keys.looked_at(config, rights=venue.mode is Mode.LIVE and not venue.paper)
    finally:
        gateways.close()
        runtime.close()


def modes(settings: Settings) -> Iterator[Finding]:
    """Accounts that are configured for another mode than their books are of; nothing while there is no usable database."""
    from sqlalchemy.exc import SQLAlchemyError

    from ops.modes import mode_conflicts
    from storage.engine import make_engine

    if settings.embedded_database and not Path(settings.home, "steadfill.db").exists():
        return
    engine = make_engine(settings.database_url)
    try:
        for sentence in mode_conflicts(settings, engine):
            yield Finding(check="modes", state="fail", message=f"{sentence}.")
    except (SQLAlchemyError, OSError):
        return  # another check says what is wrong with the database
    finally:
        engine.dispose()


def _unlisted(name: str, ccxt_id: str) -> Iterator[Finding]:
    from exchanges.aliases import ALIASES
    from exchanges.capabilities import CAPABILITIES

    alias = ALIASES.get(ccxt_id)
    if ccxt_id in CAPABILITIES or (alias is not None and alias.one_service):
        return
    if alias is not None:
        yield Finding(
            check="venues",
            state="warn",
            message=(
                f"{name} is {alias.name}, spoken to as {alias.of} is; what {alias.of} promises is not taken over for it: a "
                "send without an answer is never repeated and waits for a person, and it amends nothing in place."
            ),
            advice="Begin with small orders, and see docs/venues.md.",
        )
        return
    yield Finding(
        check="venues",
        state="warn",
        message=(
            f"{name} is spoken to by ccxt's class {ccxt_id}, of which nothing more is known, so the most careful values "
            "hold: a send without an answer is never repeated and waits for a person; market buys, icebergs and "
            "amendments in place are refused; a list that fills a page counts as not read; requests are timed by this "
            "machine's clock."
        ),
        advice="Begin with small orders, and see docs/venues.md.",
    )


def _clock(gateway: "Gateway", *, limit_ms: int, paper: bool) -> Generator[Finding, None, bool]:
    """Whether it answers at all."""
    from exchanges.clock_skew import measure_skew
    from exchanges.evidence import VenueError
    from tasks.clock_skew import advice

    name = f"{gateway.venue}/{gateway.account}"
    try:
        skew = measure_skew(gateway.time)
    except VenueError as error:
        if paper:
            yield Finding(
                check="venues", state="warn", message=f"{name} does not run.", advice="Start it with `steadfill up`."
            )
        else:
            yield Finding(
                check="venues",
                state="fail",
                message=f"{name} does not answer: {error.message.rstrip('.')}.",
                advice="Check the network, base_url, and the venue's status page.",
            )
        return False
    text = f"{name} answers in {skew.took / MILLISECOND:.0f} ms; its clock and ours are {skew.apart_ms} ms apart"
    if skew.at_least > limit_ms * MILLISECOND:
        message = f"{text}, more than clock_skew_ms {limit_ms}."
        yield Finding(check="venues", state="warn", message=message, advice=advice(gateway))
    else:
        yield Finding(check="venues", state="ok", message=text)
    return True
