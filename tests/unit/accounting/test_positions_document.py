"""The worked example of docs/positions.md, figure by figure."""

import re
from pathlib import Path

from accounting.position_figures import Method
from models.money import plain, plain_or_none
from tests.unit.accounting.test_positions import Book, fill

DOCUMENT = Path(__file__).parents[3] / "docs" / "positions.md"
ROW = re.compile(r"^\| (buy|sell) (\S+) at (\S+), fee (\S+) (\S+) \| (.*) \|$", re.MULTILINE)


def test_the_worked_example_has_the_figures_that_the_code_gives() -> None:
    book = Book()
    rows = ROW.findall(DOCUMENT.read_text("utf-8"))
    assert len(rows) == 5
    for side, quantity, price, fee, asset, told in rows:
        book.take(fill(side, quantity, price, fee, asset))
        average, fifo = book.figures(Method.AVERAGE), book.figures(Method.FIFO)
        assert told.split(" | ") == [
            plain(average.quantity),
            plain_or_none(average.average_cost) or "–",
            plain(average.realized),
            plain_or_none(fifo.average_cost) or "–",
            plain(fifo.realized),
        ]
    assert plain(book.figures().apart["BNB"]) == "0.01"
