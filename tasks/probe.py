"""Probe: a venue whose breaker is open is asked something harmless, so that no customer's order is the probe.

Beat looks every two seconds, and rescue's threads every five where beat stands still; one process probes, under a lease.
"""

from contextlib import suppress

import structlog

from exchanges.gateway import Gateway
from exchanges.protection.lanes import in_lane
from exchanges.registry import UnknownVenue
from models.vocabulary import Mode
from risk.breaker import Breaker
from risk.lane import Lane
from storage.breakers import list_breakers
from storage.engine import read
from tasks.app import app
from tasks.queues import URGENT
from tasks.runtime import Runtime
from tasks.step import step

log = structlog.get_logger()

#: A hint that is not taken up within this time has a younger one behind it.
HINT_EXPIRES_S = 10


def look_at_breakers(runtime: Runtime) -> str:
    """Have each venue account probed whose probe is due; no venue is waited for here."""
    due = [place for place, breaker in _known(runtime).items() if breaker.is_probe_due(runtime.now())]
    sent = 0
    for venue, account in due:
        with suppress(UnknownVenue):  # one that is configured no more
            runtime.protection.breakers.get(venue, account)
            kwargs = {"venue": venue, "account": account}
            app.send_task(
                "venues.probe", kwargs=kwargs, queue=URGENT, expires=HINT_EXPIRES_S, ignore_result=True, retry=False
            )
            sent += 1
    return f"{sent} venue accounts are probed"


@in_lane(Lane.URGENT)
def probe(runtime: Runtime, *, venue: str, account: str) -> str:
    """Ask, if that is still due and nobody else does; any answer closes the breaker, a refusal too."""
    try:
        breaker = runtime.protection.breakers.get(venue, account)
    except UnknownVenue as error:
        return str(error)
    gateway = runtime.gateways.get(venue, account)
    dry_run = runtime.settings.venues[venue].mode is Mode.DRY_RUN
    said = breaker.probe(lambda: _ask(gateway, dry_run=dry_run))
    log.info("a breaker was probed", venue=venue, account=account, outcome=said)
    return said


def _ask(gateway: Gateway, *, dry_run: bool) -> object:
    """What changes nothing, and takes the whole way that orders take: signed where anything is signed."""
    return gateway.instruments() if dry_run else gateway.balances()


def _known(runtime: Runtime) -> dict[tuple[str, str], Breaker]:
    with read(runtime.engine) as conn:
        return dict(list_breakers(conn))


look_task = step("venues.look")(look_at_breakers)
probe_task = step("venues.probe")(probe)
