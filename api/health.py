"""Health: whether this process lives, and whether orders can be taken."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from weakref import WeakSet

from fastapi import APIRouter
from sqlalchemy import Engine
from starlette.requests import Request
from starlette.responses import Response

from api import describe
from api.context import Context, context_for
from api.problems import JsonResponse
from api.streams import stream_component
from exchanges.instruments import InstrumentCache
from models.clock import format_time
from models.errors import Unavailable
from storage.backup.heads import journal_state
from storage.engine import is_unavailable, ping, read
from storage.halts import active_halts
from storage.schema import SchemaProblem, check
from storage.seals import chain_state
from storage.verifications import last_verification
from tasks.app import app

router = APIRouter()

#: whoever asks for the health of a deployment waits a few seconds at most
BROKER_PATIENCE_S = 2.0
BROKER_AWAY = "the broker does not answer; orders are taken and wait for it"

#: Sealing takes seconds. What waits for longer has nobody who seals it; orders go on all the same.
SEALED_WITHIN = timedelta(minutes=15)

#: One look at a time: behind a black hole it hangs for longer than anybody waits, and a second one would as well.
_looks = ThreadPoolExecutor(1, thread_name_prefix="broker-look")

#: databases whose schema was found sound: it does not change under a running process, so one look is enough
_sound: WeakSet[Engine] = WeakSet()


@router.get("/health/live", **describe.LIVE)
async def live(request: Request) -> Response:
    """The process answers. It touches nothing else, so that a database that is gone does not get it restarted."""
    del request
    return JsonResponse({"status": "ok"})


@router.get("/health", **describe.HEALTH)
async def health(request: Request) -> Response:
    """The state of each component; 503 where orders can't be taken."""
    context = context_for(request)
    broker = asyncio.create_task(_broker())
    try:
        components = await context.work.run(lambda: components_of(context))
    except Unavailable as error:
        components = {"database": _component("down", error.message)}
    components["broker"] = await broker
    states = {component["status"] for component in components.values()}
    worst = next((state for state in ("down", "degraded") if state in states), "ok")
    return JsonResponse({"status": worst, "components": components}, 503 if worst == "down" else 200)


def components_of(context: Context) -> dict[str, dict[str, Any]]:
    """``down`` is what keeps orders from being taken; ``degraded`` what keeps them waiting."""
    database = _database(context)
    if database["status"] == "down":
        return {"database": database}
    streams = stream_component(context.runtime)
    return {
        "database": database,
        "instruments": _instruments(context),
        "halts": _halts(context),
        "ledger": _ledger(context),
        **_journal(context),
        **({} if streams is None else {"streams": _component(*streams)}),
    }


def _component(status: str, detail: str) -> dict[str, Any]:
    return {"status": status, "detail": detail}


def _database(context: Context) -> dict[str, Any]:
    engine = context.runtime.engine
    try:
        if engine in _sound:
            ping(engine)
        else:
            check(engine)
            _sound.add(engine)
    except SchemaProblem as problem:
        return _component("down", str(problem))
    except Exception as error:
        if not is_unavailable(error):
            raise
        return _component("down", "the database does not answer")
    return _component("ok", engine.dialect.name)


async def _broker() -> dict[str, Any]:
    """Without it orders are taken all the same, and wait in the outbox: so nobody waits for its word here."""
    look = asyncio.get_running_loop().run_in_executor(_looks, _ask_broker)
    try:
        async with asyncio.timeout(BROKER_PATIENCE_S):
            return await look
    except TimeoutError:
        return _component("degraded", BROKER_AWAY)


def _ask_broker() -> dict[str, Any]:
    options = ("read_timeout", "write_timeout") if app.conf.broker_url.startswith("amqp") else ("socket_timeout",)
    patience = dict.fromkeys(options, BROKER_PATIENCE_S)
    try:
        with app.connection_for_write(transport_options=patience) as connection:
            connection.ensure_connection(max_retries=1, interval_start=0, timeout=BROKER_PATIENCE_S)
            transport = str(connection.transport.driver_name)
    except Exception:  # noqa: BLE001 - each transport raises its own
        return _component("degraded", BROKER_AWAY)
    return _component("ok", transport)


def _halts(context: Context) -> dict[str, Any]:
    with read(context.runtime.engine) as conn:
        halts = active_halts(conn)
    if halts:
        return _component("degraded", "; ".join(halt.sentence() for halt in halts))
    return _component("ok", "none")


def _ledger(context: Context) -> dict[str, Any]:
    """How far the books are sealed, and what the last verification said: published here, so that it can be noted."""
    with read(context.runtime.engine) as conn:
        state, last = chain_state(conn), last_verification(conn)
    sealed = f"sealed up to {state.head.head}" if state.head else "nothing sealed yet"
    detail = f"{sealed}; {state.waiting} entries wait for their seal"
    if last is not None and last.failures:
        at = format_time(last.finished_at)
        return _component("degraded", f"{detail}; {last.failures} checks failed at {at}: run `steadfill verify`")
    if state.oldest_at is not None and context.runtime.now() - state.oldest_at > SEALED_WITHIN:
        return _component("degraded", f"{detail}, the oldest since {format_time(state.oldest_at)}: does a worker run?")
    verified = f"; verified at {format_time(last.finished_at)}" if last is not None else ""
    return _component("ok", f"{detail}{verified}")


def _journal(context: Context) -> dict[str, dict[str, Any]]:
    """On SQLite: whether what is committed now could be replayed on a backup, were the file lost."""
    runtime = context.runtime
    if runtime.engine.dialect.name != "sqlite":
        return {}
    if not runtime.settings.backup.journal:
        return {"journal": _component("ok", "none is kept, as `[backup] journal = false` has it")}
    found = journal_state(runtime.engine, runtime.settings.backup_folder)
    if found.problem is not None:
        advice = "what was committed since the last backup has no copy; beat begins a new one within the hour, `steadfill up` at once"
        return {"journal": _component("degraded", f"{found.problem}: {advice}")}
    return {"journal": _component("ok", found.sentence())}


def _instruments(context: Context) -> dict[str, Any]:
    """Without instruments an order can't be judged; they come from the venue by way of a worker."""
    cache = context.runtime.instruments
    missing = [venue for venue in sorted(context.runtime.settings.venues) if not _known(cache, venue)]
    if not missing:
        ages = [cache.age_s(venue, context.runtime.now()) or 0.0 for venue in context.runtime.settings.venues]
        return _component("ok", f"known for every venue, the oldest for {max(ages, default=0.0):.0f} s")
    detail = f"not known yet for {', '.join(missing)}: a worker fetches them as soon as the venue answers"
    return _component("down" if len(missing) == len(context.runtime.settings.venues) else "degraded", detail)


def _known(cache: InstrumentCache, venue: str) -> bool:
    if not cache.known(venue):
        cache.get(venue, "")  # looks into what the processes share
    return cache.known(venue)
