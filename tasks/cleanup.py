"""Cleanup: what nobody needs any more is forgotten."""

from datetime import timedelta

from storage import leases
from storage.early_cancels import forget_old_cancels
from storage.engine import write
from storage.events import forget_events
from tasks.runtime import Runtime
from tasks.step import step
from tasks.tracking_retention import forget_messages

#: names of leases, up to the colon, whose epoch fences nothing: a row per order would stay for ever
SHORT_LIVED = ("settle", "hint", "look")
KEPT = timedelta(days=1)


def cleanup(runtime: Runtime) -> str:
    with write(runtime.engine) as conn:
        forgotten = forget_old_cancels(conn, runtime.now())
        ended = leases.forget_ended(conn, SHORT_LIVED, runtime.now() - KEPT)
    changes = forget_events(runtime.engine, runtime.now() - timedelta(days=runtime.settings.events.keep_days))
    messages = forget_messages(runtime)
    return f"{forgotten} early cancels, {ended} leases, {changes} changes of the feed and {messages} messages forgotten"


cleanup_task = step("storage.cleanup")(cleanup)
