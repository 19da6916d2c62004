"""Open orders over several pages: each once, and none left out by what ends while they are read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest

from exchanges.capabilities import CAREFUL
from exchanges.ccxt_call import Unreadable
from exchanges.ccxt_open_orders import MAX_LOOKS, OpenPage, every_open_order

A_PAGE = 3
NUMBERED = replace(CAREFUL, open_orders_page_param="page")
MARKED = replace(CAREFUL, open_orders_next=("before", "data.-1.id"))


class Venue:
    """Lists its orders newest first; ``happens`` is called after each answer with how many there were."""

    def __init__(self, ids: list[int], happens: Callable[[Venue, int], None] = lambda *_: None) -> None:
        self.ids = ids
        self.answers = 0
        self._happens = happens

    def page(self, further: Mapping[str, object]) -> OpenPage:
        ids = [number for number in self.ids if number < int(str(further.get("before", 1 << 30)))]
        first = A_PAGE * (int(str(further.get("page", 1))) - 1)
        shown = [{"id": str(number)} for number in ids[first : first + A_PAGE]]
        self.answers += 1
        self._happens(self, self.answers)
        return OpenPage(shown, full=len(shown) == A_PAGE, reply={"data": shown})


def ids(found: list[Mapping[str, object]]) -> set[int]:
    assert len({entry["id"] for entry in found}) == len(found), "each once"
    return {int(str(entry["id"])) for entry in found}


@pytest.mark.parametrize("can", [NUMBERED, MARKED], ids=["numbered", "marked"])
@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 6, 7, 12])
def test_all_are_read_whatever_their_number(can: object, count: int) -> None:
    venue = Venue(list(range(count, 0, -1)))

    assert ids(every_open_order(venue.page, can)) == set(range(1, count + 1))  # type: ignore[arg-type]


@pytest.mark.parametrize("can", [NUMBERED, MARKED], ids=["numbered", "marked"])
def test_an_order_that_ends_between_two_pages_hides_no_other(can: object) -> None:
    def happens(venue: Venue, answers: int) -> None:
        if answers == 1:
            venue.ids.remove(8)

    venue = Venue([8, 7, 6, 5, 4, 3, 2, 1], happens)

    assert ids(every_open_order(venue.page, can)) >= {1, 2, 3, 4, 5, 6, 7}  # type: ignore[arg-type]


def test_a_list_that_never_stands_still_is_no_answer() -> None:
    def happens(venue: Venue, _: int) -> None:
        venue.ids.insert(0, venue.ids[0] + 1)

    venue = Venue([7, 6, 5, 4, 3, 2, 1], happens)

    with pytest.raises(Unreadable, match="change faster"):
        every_open_order(venue.page, NUMBERED)
    assert venue.answers >= MAX_LOOKS * 3


def test_marks_are_followed_only_where_ids_fall() -> None:
    venue = Venue([5, 7, 6, 4])

    with pytest.raises(Unreadable, match="in no order"):
        every_open_order(venue.page, MARKED)


def test_more_than_a_page_is_no_answer_where_there_is_no_way_on() -> None:
    venue = Venue([4, 3, 2, 1])

    with pytest.raises(Unreadable, match="only the first"):
        every_open_order(venue.page, CAREFUL)
    assert ids(every_open_order(Venue([2, 1]).page, CAREFUL)) == {1, 2}
