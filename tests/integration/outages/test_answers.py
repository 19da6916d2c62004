"""How the API bounds a wait, and what counts as an absent broker: without a server."""

from __future__ import annotations

import asyncio
import threading

import pytest
import redis
from amqp import NotFound, RecoverableConnectionError
from kombu.exceptions import OperationalError

from api.work import Work
from models.errors import Unavailable
from tests.support.waiting import eventually
from workflows import publish

pytestmark = [pytest.mark.integration]


def test_callers_behind_a_thread_that_hangs_are_answered_and_what_was_not_begun_is_never_done() -> None:
    work, go_on, done = Work(threads=1, answer_within_s=0.2), threading.Event(), []
    begun = threading.Event()

    def hang() -> None:
        begun.set()
        go_on.wait(200)

    async def ask() -> list[BaseException | None]:
        answers: list[BaseException | None] = []
        while not begun.is_set():  # a machine that stands still gives it up before a thread has begun on it
            answers = await asyncio.gather(work.run(hang), return_exceptions=True)
        behind = work.run(lambda: done.append("behind")), work.run(lambda: done.append("further behind"))
        answers += await asyncio.gather(*behind, return_exceptions=True)
        go_on.set()
        work._answer_within_s = 60.0
        assert await work.run(lambda: "again") == "again"
        return answers  # type: ignore[return-value]

    answers = asyncio.run(ask())
    work.close()

    assert [type(answer) for answer in answers] == [Unavailable] * 3
    assert {answer.code for answer in answers if isinstance(answer, Unavailable)} == {"OUTCOME_UNKNOWN"}
    assert done == []


def test_threads_that_hang_count_until_they_end() -> None:
    work, go_on = Work(threads=2, answer_within_s=0.1), threading.Event()
    begun: list[None] = []

    def hang() -> None:
        begun.append(None)
        go_on.wait(200)

    async def ask() -> int:
        while len(begun) < 2:  # what was given up before a thread began on it hangs nowhere
            await asyncio.gather(*(work.run(hang) for _ in range(2 - len(begun))), return_exceptions=True)
        hanging = work._taken
        go_on.set()
        while work._taken:  # noqa: ASYNC110 - what is awaited is a number
            await asyncio.sleep(0.01)
        return hanging

    assert asyncio.run(asyncio.wait_for(ask(), 60)) == 2
    eventually(lambda: work._taken == 0, within_s=60, describe="nobody counts any more")
    work.close()


def caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "away"),
    [
        (ConnectionRefusedError(), True),
        (TimeoutError(), True),
        (OperationalError("gone"), True),
        (redis.ConnectionError(), True),
        (redis.ResponseError("OOM command not allowed when used memory > 'maxmemory'."), True),
        (redis.ResponseError("MISCONF Errors writing to the AOF file: No space left on device"), True),
        (redis.ReadOnlyError("You can't write against a read only replica."), True),
        (redis.ResponseError("WRONGTYPE Operation against a key holding the wrong kind of value"), False),
        (ValueError("a bug"), False),
    ],
)
def test_what_counts_as_an_absent_broker_and_what_as_a_row_that_it_does_not_take(error: Exception, away: bool) -> None:
    # The errors of the transport are those of the broker that this process is configured for.
    errors = (OperationalError, OSError, redis.ConnectionError)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(publish, "_connection_errors", lambda: errors)
        assert publish._is_away(error) is away


@pytest.mark.parametrize(
    ("error", "again"),
    [
        (NotFound("no exchange 'steps'"), True),
        (caused(OperationalError(), RecoverableConnectionError("closed by the broker")), True),
        (caused(OperationalError(), ConnectionResetError()), True),
        (caused(OperationalError(), TimeoutError()), False),
        (caused(OperationalError(), redis.TimeoutError()), False),
        (ValueError("a bug"), False),
    ],
)
def test_only_what_a_fresh_connection_may_cure_is_tried_at_once(error: Exception, again: bool) -> None:
    assert publish._may_go_better(error) is again
