"""That the schedules would find a bug: each guard of the protocol is taken away once, and some schedule shows it."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, Phase, find, settings
from hypothesis import strategies as st

from tests.simulation.choices import Decision
from tests.simulation.config import Config
from tests.simulation.shrinking import shrunk
from tests.simulation.simulate import opened

#: the seeded bug, and words of what is found
FOUND_BY_SEEDS = {
    "any-limit": "orders under the client id",
    "believed-cancel": "",
    "blind-retry": "orders under the client id",
    "early-resend": "orders under the client id",
    "forgotten-trades": "",
    "kept-hold": "holds",
    "no-fill-key": "",
    "no-intent": "without an intent on record",
    "open-only": "orders under the client id",
    "our-clock": "orders under the client id",
}

#: bugs that take an unlikely course of things, and that course; the code as it is holds on it
FOUND_BY_DECISIONS = {
    # Its sender stands still before the request leaves. Another one proves the absence, sends it again and dies with the
    # answer. The first wakes up, is refused for its old time, and says that nothing was taken.
    "no-epoch": ("at:orders.commit create leaves#0=7", "how:stop#0=2", "at:orders.commit create answered#0=3"),
    # A venue without a deadline, at which a request arrives after nine seconds.
    "resend-unproven": ("scene:venue#0=5", "net:create#0=6"),
}

#: seeds of one search; each bug above turns up long before
SEEDS = 2_000

pytestmark = pytest.mark.timeout(900)


@pytest.mark.parametrize("mutant", sorted(FOUND_BY_SEEDS))
def test_seeds_find_the_bug(mutant: str) -> None:
    config = Config(mutant=mutant)
    words = FOUND_BY_SEEDS[mutant]
    with opened(config) as simulation:
        found = any(words in sentence for seed in range(SEEDS) for sentence in simulation.run(seed, config).violations)

    assert found, f"{SEEDS} schedules with the bug {mutant} did not show it"


@pytest.mark.parametrize("mutant", sorted(FOUND_BY_DECISIONS))
def test_a_course_of_things_finds_the_bug_that_the_code_does_not_have(mutant: str) -> None:
    decisions = [Decision.parse(text) for text in FOUND_BY_DECISIONS[mutant]]

    with opened(Config(mutant=mutant)) as simulation:
        broken = simulation.replay(decisions, Config(mutant=mutant))
    with opened(Config()) as simulation:
        sound = simulation.replay(decisions, Config())

    assert broken.violations
    assert not sound.violations
    assert len(sound.decisions) == len(decisions), "the course of things is another by now: find it anew"


def test_a_failing_schedule_shrinks_to_the_decisions_that_it_takes() -> None:
    config = Config(mutant="blind-retry")
    with opened(config) as simulation:
        results = (simulation.run(seed, config) for seed in range(SEEDS))
        failing = next(result for result in results if result.violations)

        smallest = shrunk(simulation, failing, config)

    assert smallest.violations
    assert len(smallest.decisions) <= 5
    assert any(entry.label == "net:create" for entry in smallest.decisions)


def test_hypothesis_finds_the_bug_and_shrinks_it_to_one_lost_answer() -> None:
    """The order is taken, its answer is lost, it is sent again: all else is left out."""
    config = Config(mutant="blind-retry")
    labels = ["scene:orders", "scene:cancel", "scene:venue", "net:create", "net:time", "pick", "lag:by id"]
    decisions = st.lists(
        st.builds(Decision, st.sampled_from(labels), st.integers(0, 2), st.integers(1, 12)), max_size=8
    )
    with opened(config) as simulation:
        smallest = find(
            decisions,
            lambda made: bool(simulation.replay(made, config).violations),
            settings=settings(
                max_examples=1_000, derandomize=True, deadline=None, database=None,
                suppress_health_check=list(HealthCheck), phases=[Phase.generate, Phase.shrink],
            ),
        )  # fmt: skip

    assert "net:create" in {entry.label for entry in smallest}
    assert len(smallest) <= 2
