"""A breaker shared by real processes: failures are counted together, one probes, each move is on record and alerted."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import Engine, text

from api.state_gauges import read_gauges
from models.clock import from_micros
from risk.breaker import Breaker, BreakerPolicy, BreakerStatus, Failed, ProbeEnded, ProbeWanted, Reset
from storage.alerts import list_alerts
from storage.breakers import DatabaseBreakers, list_transitions
from storage.engine import read, write
from tests.integration.protection.conftest import AtOnce

NOW_US = 1_900_000_000_000_000
SECOND_US = 1_000_000
POLICY = BreakerPolicy()
PLACE = ("paper", "main")
LEASE_S = 10


def open_it(engine: Engine) -> DatabaseBreakers:
    """At NOW_US."""
    store = DatabaseBreakers(engine)
    for _ in range(POLICY.failure_threshold):
        store.apply(*PLACE, Failed(message="HTTP 502"), policy=POLICY, now=from_micros(NOW_US))
    return store


def moves(engine: Engine) -> list[tuple[str, str]]:
    with read(engine) as conn:
        found = [entry.transition for entry in list_transitions(conn)]
    return [(entry.before.value, entry.after.value) for entry in reversed(found)]


def test_failures_of_many_processes_are_counted_together_and_open_it_once(
    engine: Engine, database_url: str, at_once: AtOnce
) -> None:
    told = at_once(8, "fail", url=database_url, threshold=8, now_us=NOW_US)

    assert sorted(told) == ["closed"] * 7 + ["open"]
    assert moves(engine) == [("closed", "open")]


def test_of_sixteen_processes_one_probes_and_a_killed_one_frees_the_slot(
    engine: Engine, database_url: str, at_once: AtOnce
) -> None:
    open_it(engine)
    due_us = NOW_US + 60 * SECOND_US

    def ask(now_us: int, *, dies: bool = False) -> list[int | None]:
        return at_once(16, "want_probe", url=database_url, now_us=now_us, lease_s=LEASE_S, dies=dies, may_die=dies)

    killed = ask(due_us, dies=True)
    leased = ask(due_us + (LEASE_S - 1) * SECOND_US)
    taken = ask(due_us + LEASE_S * SECOND_US)

    assert killed == [None] * 15, "one of them was given the probe and killed with it"
    assert leased == [None] * 16
    assert sorted(taken, key=str) == [2, *[None] * 15]
    assert moves(engine) == [("closed", "open"), ("open", "half_open"), ("half_open", "half_open")]


def test_what_is_kept_is_what_was_decided(engine: Engine) -> None:
    store = open_it(engine)
    later = from_micros(NOW_US) + timedelta(seconds=60)

    half_open = store.apply(*PLACE, ProbeWanted(token="a"), policy=POLICY, now=later)
    kept_half_open = store.all()[PLACE]
    closed = store.apply(*PLACE, ProbeEnded(number=1, answered=True, message=""), policy=POLICY, now=later)
    failed = store.apply(*PLACE, Failed(message="x"), policy=POLICY, now=later)

    assert half_open.status is BreakerStatus.HALF_OPEN
    assert kept_half_open == half_open
    assert closed == Breaker(probes=1)
    assert store.all() == {PLACE: failed}
    assert failed.failures == (later,)


def test_an_opening_is_one_alert_counted_up_by_probes_in_vain_and_its_end_another(engine: Engine) -> None:
    store = open_it(engine)
    now = from_micros(NOW_US)
    for number in (1, 2):
        now += timedelta(seconds=60)
        store.apply(*PLACE, ProbeWanted(token=str(number)), policy=POLICY, now=now)
        store.apply(*PLACE, ProbeEnded(number=number, answered=False, message="HTTP 502"), policy=POLICY, now=now)
    store.apply(*PLACE, Reset(by="ann"), policy=POLICY, now=now)

    with read(engine) as conn:
        alerts = {alert["kind"]: (alert["count"], alert["severity"], alert["message"]) for alert in list_alerts(conn)}
        causes = [entry.transition.cause for entry in list_transitions(conn)]
    assert {kind: alert[:2] for kind, alert in alerts.items()} == {
        "BREAKER_OPEN": (3, "critical"),
        "BREAKER_CLOSED": (1, "warning"),
    }
    assert "probe 2 failed: HTTP 502" in alerts["BREAKER_OPEN"][2]
    assert causes[0] == "closed by hand (ann)"


@pytest.mark.parametrize("statement", ["UPDATE breaker_transitions SET cause = ''", "DELETE FROM breaker_transitions"])
def test_the_database_itself_keeps_the_record(engine: Engine, statement: str) -> None:
    open_it(engine)

    with pytest.raises(Exception, match="what a breaker went through"), write(engine) as conn:
        conn.execute(text(statement))


def test_the_metrics_show_its_state_and_moves(engine: Engine) -> None:
    open_it(engine)

    gauges = {gauge.name: gauge.values for gauge in read_gauges(engine)}

    assert gauges["steadfill_breaker_state"] == {PLACE: 2.0}
    assert gauges["steadfill_breaker_transitions"] == {(*PLACE, "open"): 1}
