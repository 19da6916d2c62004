"""The rotation: what stays of any history of backups."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from storage.backup.rotation import superfluous

START = datetime(2030, 1, 1, 3, tzinfo=UTC)  # a Tuesday

TIMES = st.lists(
    st.integers(min_value=0, max_value=400 * 24).map(lambda hours: START + timedelta(hours=hours)),
    max_size=60,
    unique=True,
)


def test_a_year_of_nights_leaves_a_week_of_days_and_a_month_of_weeks() -> None:
    nights = [START + timedelta(days=day) for day in range(365)]

    gone = superfluous(nights, keep_daily=7, keep_weekly=4)

    kept = [at for at in nights if at not in gone]
    # 31 December 2030 is a Tuesday: seven days back to Wednesday, and the Sundays that end the weeks before
    assert kept[-7:] == nights[-7:]
    assert [at.strftime("%a %d %b") for at in kept[:-7]] == ["Sun 15 Dec", "Sun 22 Dec"]
    assert "Sun 29 Dec" in {at.strftime("%a %d %b") for at in kept[-7:]}


@given(TIMES, st.integers(1, 10), st.integers(0, 10))
def test_the_two_newest_stay_and_what_stays_stays_when_asked_again(
    times: list[datetime], daily: int, weekly: int
) -> None:
    gone = superfluous(times, keep_daily=daily, keep_weekly=weekly)
    kept = [at for at in times if at not in gone]

    assert set(sorted(times)[-2:]) <= set(kept)
    assert superfluous(kept, keep_daily=daily, keep_weekly=weekly) == []
    assert len(kept) <= daily + weekly + 1


@given(TIMES)
def test_the_newest_of_each_of_the_last_days_stays(times: list[datetime]) -> None:
    gone = superfluous(times, keep_daily=3, keep_weekly=0)

    for day in sorted({at.date() for at in times})[-3:]:
        assert max(at for at in times if at.date() == day) not in gone
