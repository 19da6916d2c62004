"""What a simulation is set in: the order's time on the tape, the instrument, and the model of the venue."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from algorithms.replay_venue import VenueModel
from algorithms.tape_figures import DAY, lately, spread_bps, stretch
from cli.errors import CommandError
from cli.simulate_tape import TapeFile
from models.algorithm import MAX_DURATION_S, seconds
from models.clock import format_time
from models.instrument import Instrument
from models.money import EXACT, ZERO, plain

VENUE = "simulation"

#: longest order where neither --duration nor an algorithm says how long
LONGEST_DEFAULT_S = 3600
#: where trades are too few to say
FALLBACK_SPREAD_BPS = Decimal(1)

_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """The order and the model as the options say; None: to be found out."""

    #: fields of a request but for the algorithm
    request: Mapping[str, Any]
    #: names, or objects as JSON
    algorithms: Sequence[str] = ()
    start: datetime | None = None
    #: seconds
    duration_s: Decimal | None = None
    tick: Decimal | None = None
    lot: Decimal | None = None
    min_notional: Decimal = ZERO
    taker_bps: Decimal = ZERO
    maker_bps: Decimal = ZERO
    spread_bps: Decimal | None = None
    impact_factor: Decimal = Decimal(1)
    recovery_s: Decimal = Decimal(60)
    cap: Decimal = Decimal("0.1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    file: TapeFile
    wanted: Wanted
    start_at: datetime
    #: what is open then expires
    end_at: datetime
    instrument: Instrument
    model: VenueModel
    #: sentences: what was assumed
    notes: Sequence[str]

    @property
    def duration_s(self) -> Decimal:
        return in_seconds(self.end_at - self.start_at)


def setting_of(file: TapeFile, wanted: Wanted, named: Sequence[Mapping[str, Any]]) -> Setting:
    """``named``: the algorithms as they were asked for. Raises CommandError where the order's time is not in the file."""
    start_at, end_at = _time(file, wanted, named)
    instrument = _instrument(file, wanted, start_at)
    model, notes = _model(file, wanted, instrument, start_at)
    return Setting(
        file=file, wanted=wanted, start_at=start_at, end_at=end_at, instrument=instrument, model=model, notes=notes
    )


def _time(file: TapeFile, wanted: Wanted, named: Sequence[Mapping[str, Any]]) -> tuple[datetime, datetime]:
    """The order's time: as the options say, else the last part of the file, so that there is a past to learn from."""
    first, last = file.tape.first_at, file.tape.last_at
    span = f"{file.name} holds {format_time(first)} to {format_time(last)}"
    room = last - (wanted.start or first + (last - first) / 2)
    duration_s = wanted.duration_s or _longest(named)
    if duration_s is None:
        duration_s = Decimal(min(room // timedelta(seconds=1), LONGEST_DEFAULT_S))
        if duration_s < 1 and wanted.start is None:
            raise CommandError(f"{span}, which is too short: name --start and --duration, or take a longer file.")
    duration = seconds(max(duration_s, Decimal("0.000001")))
    start_at = wanted.start or last - duration
    if not first < start_at < last:
        longest = plain(in_seconds(last - first))
        raise CommandError(
            f"{span}, and the order would begin at {format_time(start_at)}: not within it, behind its first trade. Name a "
            f"--start after {format_time(first)} and a --duration of less than {longest}."
        )
    if start_at + duration > last:
        nearest = last - duration
        begin = f"--start {format_time(nearest)} or earlier, or " if nearest > first else ""
        raise CommandError(
            f"{span}, and an order of {plain(duration_s)} s from {format_time(start_at)} on would go on beyond its end. "
            f"What would do: {begin}--duration {plain(in_seconds(last - start_at))} or less."
        )
    return start_at, start_at + duration


def _longest(named: Sequence[Mapping[str, Any]]) -> Decimal | None:
    """The longest duration that an algorithm itself names, as far as it can be read; its own rules come later."""
    found = []
    for given in named:
        try:
            value = Decimal(str(given["duration_s"]))
        except (KeyError, ArithmeticError):
            continue
        if value.is_finite() and 0 < value <= MAX_DURATION_S:
            found.append(value)
    return max(found, default=None)


def _instrument(file: TapeFile, wanted: Wanted, now: datetime) -> Instrument:
    symbol = str(wanted.request["symbol"])
    base, _, quote = symbol.partition("/")
    lot = wanted.lot or file.lot
    return Instrument(
        venue=VENUE,
        symbol=symbol,
        base=base,
        quote=quote,
        tick=wanted.tick or file.tick,
        lot=lot,
        min_quantity=lot,
        min_notional=wanted.min_notional,
        fetched_at=now,
    )


def _model(file: TapeFile, wanted: Wanted, instrument: Instrument, start_at: datetime) -> tuple[VenueModel, list[str]]:
    """What the options leave open is estimated from the trades before the start; from all of them where they are few."""
    tape, notes = file.tape, []
    if file.kind == "candles":
        notes.append(
            "the file holds candles: each stands for four trades of a quarter of its volume, at its open, its nearer "
            "extreme, its other one and its close. What happened within a candle is not known"
        )
    spread = wanted.spread_bps
    if spread is None:
        spread = spread_bps(tape, tape.seen(start_at - DAY), tape.seen(start_at))
        said = "the trades before the start"
        if spread is None:
            spread, said = spread_bps(tape, 0, len(tape.at)), "the whole file, since trades before the start are few"
        if spread is None:
            spread, said = FALLBACK_SPREAD_BPS, "nothing: there are too few trades, so it is a guess (--spread-bps)"
        notes.append(f"the spread of {plain(spread)} bps is estimated from {said}")
    known, said = lately(tape, start_at), "the trades before the start"
    if known.volatility is None:
        known = stretch(tape, tape.first_at, tape.last_at + _MICROSECOND)
        said = "the whole file, since trades before the start are few"
    if wanted.impact_factor:
        if known.volatility is None or not known.daily_volume:
            notes.append("market impact is left out: the file is too short to tell volatility and volume")
        else:
            assert known.candle is not None
            notes.append(
                f"volatility ({known.volatility:.2%} a day, from candles of {known.candle.total_seconds():g} s) and "
                f"volume ({known.daily_volume:.6g} {instrument.base} a day) of the impact are estimated from {said}"
            )
    model = VenueModel(
        spread_bps=spread,
        impact_factor=wanted.impact_factor,
        # twelve digits: beyond them a mathematical library may differ from another
        volatility=Decimal(f"{known.volatility or 0.0:.12g}"),
        daily_volume=known.daily_volume,
        recovery=seconds(wanted.recovery_s),
        cap=wanted.cap,
        tick=instrument.tick,
        lot=instrument.lot,
    )
    return model, notes


def in_seconds(duration: timedelta) -> Decimal:
    return EXACT.scaleb(Decimal(duration // _MICROSECOND), -6)
