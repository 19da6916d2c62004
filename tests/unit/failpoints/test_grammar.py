"""What arms a stage, and what is refused with a sentence."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from failpoints.catalog import STAGES
from failpoints.grammar import Action, BadFailpoints, parse


def test_the_whole_grammar() -> None:
    assert parse(
        "commit.begun=25%2*sleep(40)->1*kill->off; settle.begun = raise(io)  # a comment\nlookup.found=stop"
    ) == {
        "commit.begun": (
            Action(task="sleep", argument="40", percent=25.0, count=2),
            Action(task="kill", count=1),
            Action(task="off"),
        ),
        "settle.begun": (Action(task="raise", argument="io"),),
        "lookup.found": (Action(task="stop"),),
    }


@pytest.mark.parametrize("text", ["", " ; ;\n", "# only a comment"])
def test_nothing_arms_nothing(text: str) -> None:
    assert parse(text) == {}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("commit.begun", "write stage=task"),
        ("commit.began=kill", "no stage 'commit.began'"),
        ("commit.begun=explode", "with a task of off, kill"),
        ("commit.begun=", "with a task of off, kill"),
        ("commit.begun=sleep", "needs an argument"),
        ("commit.begun=sleep(soon)", "no number of milliseconds"),
        ("commit.begun=raise()", "needs an argument"),
        ("commit.begun=-1*kill", "write [p%][cnt*]task"),
    ],
)
def test_nonsense_is_refused_with_a_sentence(text: str, says: str) -> None:
    with pytest.raises(BadFailpoints) as refused:
        parse(text)

    assert says in str(refused.value)


@given(st.text(max_size=60))
def test_no_text_does_anything_but_arm_or_be_refused(text: str) -> None:
    try:
        armed = parse(text)
    except BadFailpoints:
        return
    assert set(armed) <= set(STAGES)
