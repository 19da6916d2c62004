from __future__ import annotations

from pathlib import Path

from exchanges.capabilities import CAPABILITIES, CAREFUL
from exchanges.capability_notes import NOTES
from exchanges.capability_words import in_words
from ops.venues_page import page

PAGE = Path(__file__).parents[3] / "docs" / "venues.md"


def test_the_page_is_what_the_table_says() -> None:
    assert PAGE.read_text() == page(), "the table of capabilities has changed: run `make docs`"


def test_every_venue_of_the_table_has_its_notes_and_its_section() -> None:
    assert set(NOTES) == set(CAPABILITIES)
    for ccxt_id, about in NOTES.items():
        assert about.source.startswith("https://")
        assert f"\n## {about.name}\n" in page()
        assert f"\n| {ccxt_id} |" in page()


def test_the_careful_values_promise_nothing() -> None:
    words = dict(in_words("", CAREFUL))

    assert words["A send without an answer"] == "looked for, never sent again; a person decides"
    assert words["Market buys"].startswith("refused")
    assert words["Amendments"].startswith("cancel, read what filled, send the rest")
    assert words["Icebergs"] == "slices, one order each"
    assert "one page only" in words["Lists are read"]
    assert "without an answer" in words["Too many requests"]
