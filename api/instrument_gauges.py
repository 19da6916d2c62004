"""How old the instruments are that orders are judged by."""

from collections.abc import Iterable

from storage.engine import is_unavailable
from tasks.runtime import Runtime
from telemetry.metrics import Gauge


def read_instrument_ages(runtime: Runtime) -> Iterable[Gauge]:
    """Of each venue of which any are known; nothing while the database is away."""
    ages: dict[tuple[str, ...], float] = {}
    try:
        for venue in runtime.settings.venues:
            runtime.instruments.all_of(venue)
            age_s = runtime.instruments.age_s(venue, runtime.now())
            if age_s is not None:
                ages[(venue,)] = age_s
    except Exception as error:
        if not is_unavailable(error):
            raise
        return
    yield Gauge(
        name="steadfill_instruments_age_seconds",
        help="Time since the venue was asked for its instruments",
        label_names=("venue",),
        values=ages,
    )
