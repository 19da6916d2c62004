"""What every step has in common: ids by keyword, retries by policy, an outcome instead of silence."""

import functools
import inspect
import time
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import structlog
from celery import Task

from exchanges.evidence import Evidence, VenueError
from failpoints import failpoint
from models.retry import Trouble
from storage.engine import is_unavailable
from storage.orders import Stale
from tasks.app import app
from tasks.outcomes import MovedOn, PutOff
from tasks.runtime import Runtime, get_runtime

log = structlog.get_logger()

#: a longer wait goes back to a row instead of holding a worker
LONGEST_NAP_S = 0.2

_TROUBLES = {
    Evidence.NOT_SENT: Trouble.NOT_SENT,
    Evidence.RATE_LIMITED: Trouble.RATE_LIMITED,
    Evidence.CLOCK: Trouble.CLOCK,
}


def trouble_of(error: VenueError) -> Trouble:
    """The kind of trouble that a failed read at a venue is."""
    return _TROUBLES.get(error.evidence, Trouble.VENUE_READ)


def retry_delay_s(runtime: Runtime, trouble: Trouble, retries: int) -> float | None:
    """Seconds until the next try, or None when the policy allows no more."""
    policy = runtime.retry_policies[trouble]
    return policy.delay_s(retries, runtime.chance()) if policy.allows(retries) else None


P = ParamSpec("P")
R = TypeVar("R")


def patiently(function: Callable[P, R]) -> Callable[P, R]:
    """Run a step again when the database refused for now, by policy; every step may be begun anew at any time."""

    @functools.wraps(function)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        retries = 0
        while True:
            try:
                return function(*args, **kwargs)
            except Exception as error:
                if not is_unavailable(error):
                    raise
                delay = retry_delay_s(get_runtime(), Trouble.DATABASE, retries)
                if delay is None:
                    raise
                retries += 1
                time.sleep(delay)

    return wrapped


def step(name: str, **limits: int) -> Callable[[Callable[..., str]], Task]:
    """Register ``function(runtime, *, …ids) -> outcome`` as the Celery task ``name``.

    ``limits``: ``soft_time_limit`` and ``time_limit`` in seconds, where the usual ones are too short for it.

    Keywords that the function does not know are dropped, so that two versions can run side by side. Stale rows
    are an outcome: somebody else went on with them.
    """

    def register(function: Callable[..., str]) -> Task:
        known = _keyword_only(function)
        patient = patiently(function)

        @app.task(name=name, bind=True, **limits)
        @functools.wraps(function)
        def run(task: Task, **kwargs: Any) -> str:
            ids = {key: value for key, value in kwargs.items() if key in known}
            started = time.perf_counter()
            failpoint("step.begun")
            try:
                outcome = patient(get_runtime(), **ids)
            except Stale as error:
                outcome = MovedOn(f"moved on: {error}")
            if isinstance(outcome, PutOff):
                task.request.chain = None
            failpoint("step.done")
            log.info(name, outcome=outcome, ms=round((time.perf_counter() - started) * 1000, 1), **ids)
            return outcome

        return run

    return register


def _keyword_only(function: Callable[..., str]) -> frozenset[str]:
    code = inspect.unwrap(function).__code__
    first = code.co_argcount
    return frozenset(code.co_varnames[first : first + code.co_kwonlyargcount])
