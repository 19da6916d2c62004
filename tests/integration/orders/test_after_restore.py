"""After a restore nothing is sent and nothing is ended; sending goes on once everything is reconciled."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from models.reconciliation import AccountStage
from storage.engine import read, write
from storage.halts import ALL, INCOMPLETE_RESTORE, RESTORE, Halt, active_halts, set_halt
from storage.reconciliations import accounts_of, conclude_run, list_runs, move_account
from tasks.commit import commit
from tests.support.runtime import Desk
from workflows import nightly
from workflows.after_restore import finish_restore


class _Nobody:
    def hand_over(self, posting: object) -> None:
        pass


@pytest.fixture(autouse=True)
def _unpublished(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nightly, "publisher_of", lambda _: _Nobody())


def halted(desk: Desk, by: str) -> None:
    with write(desk.engine) as conn:
        set_halt(conn, Halt(venue=ALL, account=ALL, reason="restored from a backup", by=by, since=desk.runtime.now()))


def end_run(desk: Desk, stage: AccountStage) -> None:
    """As the looks at every account of the newest run would end."""
    with write(desk.engine) as conn:
        run = list_runs(conn, 1)[0]
        for account in accounts_of(conn, run.id):
            assert move_account(conn, account, stage, now=desk.runtime.now())
        assert conclude_run(conn, run.id, desk.runtime.now())


def standing(desk: Desk) -> list[str]:
    with read(desk.engine) as conn:
        return [halt.by for halt in active_halts(conn)]


def test_an_order_waits_until_all_is_reconciled_and_is_then_sent(desk: Desk) -> None:
    halted(desk, RESTORE)
    order_id = desk.place()

    assert "again in 1 s" in desk.until_sent(order_id)
    assert desk.sends(order_id) == []
    assert desk.order(order_id).status == "VALIDATED"
    assert finish_restore(desk.runtime).endswith(" begins")
    assert "is running" in finish_restore(desk.runtime)
    end_run(desk, AccountStage.SKIPPED)
    assert finish_restore(desk.runtime) == "resumed"

    assert standing(desk) == []
    desk.runtime.advance(1)
    assert commit(desk.runtime, order_id=order_id).startswith("accepted as")


def test_a_run_that_could_not_ask_is_repeated_and_lifts_nothing(desk: Desk) -> None:
    halted(desk, RESTORE)
    finish_restore(desk.runtime)
    end_run(desk, AccountStage.FAILED)

    assert "is failed" in finish_restore(desk.runtime)
    desk.runtime.advance(31)
    assert finish_restore(desk.runtime).endswith(" begins")

    assert standing(desk) == [RESTORE]


def test_where_a_person_halted_a_person_resumes(desk: Desk) -> None:
    halted(desk, "a person")
    halted(desk, RESTORE)  # the first of a scope stays

    assert finish_restore(desk.runtime) == "nothing was restored"
    assert standing(desk) == ["a person"]


def test_where_something_may_be_missing_all_is_reconciled_and_a_person_resumes(desk: Desk) -> None:
    halted(desk, INCOMPLETE_RESTORE)

    assert finish_restore(desk.runtime).endswith(" begins")
    end_run(desk, AccountStage.SKIPPED)
    for _ in range(2):
        assert finish_restore(desk.runtime).endswith("a person looks at it and resumes")

    assert standing(desk) == [INCOMPLETE_RESTORE]
    with read(desk.engine) as conn:
        assert len(list_runs(conn, 10)) == 1


def test_an_order_of_a_person_s_halt_is_denied_as_ever(desk: Desk) -> None:
    halted(desk, "a person")
    order_id = desk.place()
    desk.until_sent(order_id)

    ended: Mapping[str, Any] = desk.document(order_id)
    assert (ended["status"], ended["reason"]["code"]) == ("DENIED", "HALTED")
