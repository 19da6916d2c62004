"""A file of the past as a tape: trades, or candles made into trades; CSV, gzipped or not."""

import csv
import gzip
import io
from array import array
from collections.abc import Callable, Iterator, MutableSequence, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from decimal import Decimal
from math import gcd
from pathlib import Path
from typing import Literal

from algorithms.tape import BOUGHT, NOT_SAID, SOLD, Tape
from cli.errors import CommandError
from models.errors import shown
from models.money import EXACT, LONGEST_TEXT, MAX_FRACTION_DIGITS, MAX_INTEGER_DIGITS

TRADES = ("ts_ms", "price", "qty")
CANDLES = ("ts_ms", "o", "h", "l", "c", "v")
#: what a file of trades may say besides
TAKER = "taker_side"

#: digits after the point that are kept at first: with them almost everything fits into eight bytes
_DIGITS = 8
#: times up to the year 2200, so that seconds or microseconds in the column of milliseconds are noticed
_LEAST_MS, _MOST_MS = 10**11, 7_258_118_400_000

_TAKERS = {"buy": BOUGHT, "sell": SOLD, "": NOT_SAID}


@dataclass(frozen=True, slots=True, kw_only=True)
class TapeFile:
    name: str
    kind: Literal["trades", "candles"]
    #: lines of data
    rows: int
    tape: Tape
    #: the finest steps that occur, in quote per base and in base
    tick: Decimal
    lot: Decimal


class _BadRow(ValueError):
    """A row that can't be read; the message is the rule that it breaks."""


class _TooFine(Exception):
    """A number has more digits than were reserved."""


def read_tape(name: str) -> TapeFile:
    """The trades of a file, all of them in memory: about 40 bytes each. Raises CommandError that names the line."""
    try:
        return _read(name, _DIGITS, lambda: array("q"))
    except (_TooFine, OverflowError):
        return _read(name, MAX_FRACTION_DIGITS, list)


def _read(name: str, digits: int, numbers: Callable[[], MutableSequence[int]]) -> TapeFile:
    columns = _Columns(digits, numbers)
    with _opened(name) as file:
        reader = csv.reader(file)
        header = [cell.strip() for cell in next(reader, [])]
        kind = _kind(name, header)
        rows = 0
        try:
            take = columns.trades(header) if kind == "trades" else columns.candles(header)
            for row in reader:
                if row:
                    take(row)
                    rows += 1
        except (_BadRow, csv.Error, IndexError) as error:
            said = "has fewer cells than the first line" if isinstance(error, IndexError) else error
            raise CommandError(f"{name}, line {reader.line_num}: {said}. Nothing was simulated.") from None
        columns.finish()
    if not columns.at:
        raise CommandError(f"{name} holds no {kind}: there is a first line and nothing that traded behind it.")
    tape = Tape.of(columns.at, columns.prices, columns.quantities, digits=digits, takers=bytes(columns.takers))
    return TapeFile(
        name=name,
        kind=kind,
        rows=rows,
        tape=tape,
        tick=_step(gcd(*columns.prices), digits),
        lot=_step(columns.lot, digits),
    )


class _Columns:
    """What a tape is made of, row by row."""

    def __init__(self, digits: int, numbers: Callable[[], MutableSequence[int]]) -> None:
        self._digits = digits
        self.at, self.prices, self.quantities = numbers(), numbers(), numbers()
        self.takers = bytearray()
        #: what all quantities, as the file has them, are multiples of
        self.lot = 0
        self._last_ms = 0
        #: milliseconds of a candle: the shortest distance of two
        self._length_ms: int | None = None
        self._bars: list[tuple[int, tuple[int, int, int, int], int]] = []

    def trades(self, header: Sequence[str]) -> Callable[[Sequence[str]], None]:
        at, price, quantity = (header.index(name) for name in TRADES)
        taker = header.index(TAKER) if TAKER in header else None

        def take(row: Sequence[str]) -> None:
            self.at.append(self._time(row[at]) * 1000)
            self.prices.append(self._number(row[price], "price"))
            self.quantities.append(self._number(row[quantity], "qty"))
            side = NOT_SAID if taker is None else _TAKERS.get(row[taker].strip().lower())
            if side is None:
                assert taker is not None
                raise _BadRow(f"{TAKER} must be buy or sell, or empty, got {shown(row[taker])}")
            self.takers.append(side)

        return take

    def candles(self, header: Sequence[str]) -> Callable[[Sequence[str]], None]:
        at, *prices, volume = (header.index(name) for name in CANDLES)

        def take(row: Sequence[str]) -> None:
            before, at_ms = self._last_ms, self._time(row[at])
            if before:
                if at_ms == before:
                    raise _BadRow("ts_ms is that of the candle before")
                self._length_ms = min(self._length_ms or at_ms - before, at_ms - before)
            opened, high, low, close = (self._number(row[index], header[index]) for index in prices)
            if not low <= min(opened, close) <= max(opened, close) <= high:
                raise _BadRow("h must be the highest and l the lowest of the four prices")
            self._bars.append((at_ms, (opened, high, low, close), self._number(row[volume], "v", least=0)))

        return take

    def finish(self) -> None:
        """A candle becomes four trades of a quarter of its volume: open, the nearer extreme, the other one, close."""
        self.lot = gcd(*(volume for _, _, volume in self._bars)) if self._bars else gcd(*self.quantities)
        quarter_us = (self._length_ms or 1) * 1000 // 4
        for at_ms, (opened, high, low, close), volume in self._bars:
            path = (opened, low, high, close) if close >= opened else (opened, high, low, close)
            part = volume // 4
            for number, price in enumerate(path):
                quantity = part if number < 3 else volume - 3 * part
                if quantity:
                    self.at.append(at_ms * 1000 + number * quarter_us)
                    self.prices.append(price)
                    self.quantities.append(quantity)
                    self.takers.append(NOT_SAID)
        self._bars.clear()

    def _time(self, text: str) -> int:
        if not (text.isascii() and text.isdigit() and len(text) <= MAX_INTEGER_DIGITS):
            raise _BadRow(f"ts_ms must be a whole number of milliseconds since 1970, got {shown(text)}")
        at_ms = int(text)
        if not _LEAST_MS <= at_ms <= _MOST_MS:
            raise _BadRow(f"ts_ms must be milliseconds since 1970, between the years 1973 and 2200, got {text}")
        if at_ms < self._last_ms:
            raise _BadRow(f"ts_ms must not fall: {text} follows {self._last_ms}. Sort the file by time")
        self._last_ms = at_ms
        return at_ms

    def _number(self, text: str, name: str, least: int = 1) -> int:
        whole, _, fraction = text.partition(".")
        if len(fraction) > self._digits:
            fraction = fraction.rstrip("0")
        number = whole + fraction
        if not (number.isascii() and number.isdigit() and whole and len(text) <= LONGEST_TEXT):
            raise _BadRow(f"{name} must be a plain decimal, got {shown(text)}")
        if len(fraction) > self._digits:
            if self._digits < MAX_FRACTION_DIGITS:
                raise _TooFine
            raise _BadRow(f"{name} must have at most {MAX_FRACTION_DIGITS} digits after the point, got {shown(text)}")
        value = int(number + "0" * (self._digits - len(fraction)))
        if value < least:
            raise _BadRow(f"{name} must be above 0, got {shown(text)}")
        return value


def _kind(name: str, header: Sequence[str]) -> Literal["trades", "candles"]:
    if set(TRADES) <= set(header):
        return "trades"
    if set(CANDLES) <= set(header):
        return "candles"
    found = shown(",".join(header)) or "nothing"
    raise CommandError(
        f"{name}: the first line must name the columns {','.join(TRADES)} and perhaps {TAKER} (trades), or "
        f"{','.join(CANDLES)} (candles); it is {found}."
    )


@contextmanager
def _opened(name: str) -> Iterator[io.TextIOBase]:
    path = Path(name)
    try:
        with path.open("rb") as raw:
            zipped = raw.read(2) == b"\x1f\x8b"
            raw.seek(0)
            with (
                gzip.GzipFile(fileobj=raw) if zipped else nullcontext(raw) as binary,
                io.TextIOWrapper(binary, encoding="utf-8-sig", newline="") as text,
            ):
                yield text
    except FileNotFoundError:
        raise CommandError(f"{name} does not exist. Name a CSV file of trades with --trades.") from None
    except UnicodeDecodeError:
        raise CommandError(f"{name} is no text in UTF-8, so it is no CSV file.") from None
    except (EOFError, gzip.BadGzipFile) as error:
        raise CommandError(f"{name} is damaged: {error}. Fetch it anew.") from None
    except OSError as error:
        raise CommandError(f"{name} can't be read: {error.strerror}.") from None


def _step(common: int, digits: int) -> Decimal:
    """The largest power of ten, at most 1, that ``common`` is a multiple of."""
    step = 1
    while step < 10**digits and common % (step * 10) == 0:
        step *= 10
    return EXACT.scaleb(Decimal(step), -digits)
