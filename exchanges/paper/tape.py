"""A recorded tape of trades that drives one symbol's market."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from exchanges.paper.amounts import parse_e8

COLUMNS = ("ts_ms", "trade_id", "price", "qty", "taker_side")


class BadTape(ValueError):
    """A replay file that can't be read; the message names the line."""


@dataclass(frozen=True, slots=True)
class TapeTrade:
    at_ms: int
    price_e8: int
    quantity_e8: int
    taker_buys: bool


class Tape:
    """Reads the file as it plays, so its length does not matter. Time is counted from its first trade."""

    def __init__(self, path: Path) -> None:
        self._rows = read_tape(path)
        first = next(self._rows, None)
        if first is None:
            raise BadTape(f"{path} holds no trades; the columns are {','.join(COLUMNS)}")
        self.first = first
        self._next: TapeTrade | None = first

    @property
    def finished(self) -> bool:
        return self._next is None

    def due(self, elapsed_ms: float) -> Iterator[TapeTrade]:
        """Take the trades of the first ``elapsed_ms`` of tape time that were not taken yet."""
        while self._next is not None and self._next.at_ms - self.first.at_ms <= elapsed_ms:
            yield self._next
            self._next = next(self._rows, None)


def read_tape(path: Path) -> Iterator[TapeTrade]:
    with path.open(newline="") as file:
        reader = csv.DictReader(file)
        if tuple(reader.fieldnames or ()) != COLUMNS:
            raise BadTape(f"{path}: the first line must be {','.join(COLUMNS)}")
        for row in reader:
            try:
                yield TapeTrade(
                    int(row["ts_ms"]), parse_e8(row["price"]), parse_e8(row["qty"]), row["taker_side"] == "buy"
                )
            except (ValueError, TypeError) as error:
                raise BadTape(f"{path}, line {reader.line_num}: {error}") from error
