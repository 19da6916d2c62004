"""Reading an algorithm and its parameters: every rule that is broken is kept with the nearest value that would do."""

from collections.abc import Callable, Mapping
from dataclasses import fields as dataclass_fields
from decimal import Decimal

from models.algorithm import (
    DEFAULT_LOOKBACK_DAYS,
    MAX_DURATION_S,
    MAX_JITTER,
    MAX_LOOKBACK_DAYS,
    MAX_SLICES,
    MIN_DURATION_S,
    MIN_INTERVAL_S,
    MIN_POV_DURATION_S,
    Adaptive,
    Algorithm,
    Iceberg,
    Pov,
    Single,
    Twap,
    Vwap,
)
from models.money import EXACT, ZERO, NotADecimal, parse_decimal, plain, round_down_to, round_up_to
from models.request_fields import Fields

#: digits after the point of a number of seconds: times are kept in microseconds
_SECOND_DIGITS = 6
_MICROSECOND = Decimal("0.000001")

#: bounds of a risk aversion per quote; the paper's example has 10⁻⁶
_MAX_RISK_AVERSION = Decimal(10**9)

#: what are named as the nearest to a participation of 0, and to one of 1 and more
_LEAST_PARTICIPATION = Decimal("0.01")
_MOST_PARTICIPATION = Decimal("0.99")


def read_parameters(fields: Fields, path: str, name: str, given: Mapping[str, object]) -> Algorithm:
    """The algorithm called ``name``, one of ALGORITHMS, with the parameters in ``given``.

    Errors are kept in ``fields`` under ``path``; while there are any, what is returned means nothing.
    """
    kind, read = _READERS[name]
    return read(fields.part(path, given, [field.name for field in dataclass_fields(kind)]))


def _read_single(_: Fields) -> Single:
    return Single()


def _read_twap(fields: Fields) -> Twap:
    duration_s = _read_duration(fields)
    slices, interval_s = _read_slots(fields, duration_s)
    return Twap(
        duration_s=duration_s,
        slices=slices,
        interval_s=interval_s,
        start_at=fields.time_or_none("start_at"),
        jitter=_read_jitter(fields),
    )


def _read_vwap(fields: Fields) -> Vwap:
    duration_s = _read_duration(fields)
    profile = _read_profile(fields)
    slices, interval_s = _read_slots(fields, duration_s, profile)
    return Vwap(
        duration_s=duration_s,
        slices=slices,
        interval_s=interval_s,
        start_at=fields.time_or_none("start_at"),
        jitter=_read_jitter(fields),
        profile=profile,
        lookback_days=_read_lookback(fields),
    )


def _read_iceberg(fields: Fields) -> Iceberg:
    return Iceberg(
        display_quantity=fields.positive("display_quantity"),
        jitter=_read_jitter(fields),
        native=fields.flag("native", default=False),
    )


def _read_pov(fields: Fields) -> Pov:
    participation = fields.positive("participation", instead_of_zero=plain(_LEAST_PARTICIPATION))
    if not fields.broken("participation") and participation >= 1:
        rule = "must be above 0 and below 1: our share of everything that trades"
        fields.refuse("participation", rule, instead=plain(_MOST_PARTICIPATION))
    return Pov(
        participation=participation,
        duration_s=_read_duration(fields, least_s=MIN_POV_DURATION_S),
        min_slice=fields.positive_or_none("min_slice"),
    )


def _read_adaptive(fields: Fields) -> Adaptive:
    duration_s = _read_duration(fields)
    slices = _read_slices(fields, duration_s, required=True)
    return Adaptive(
        duration_s=duration_s,
        slices=slices or 1,
        risk_aversion=fields.between("risk_aversion", ZERO, _MAX_RISK_AVERSION, default=None),
    )


def _read_duration(fields: Fields, least_s: Decimal = MIN_DURATION_S) -> Decimal:
    return fields.between("duration_s", least_s, MAX_DURATION_S, digits=_SECOND_DIGITS, default=None)


def _read_jitter(fields: Fields) -> Decimal:
    return fields.between("jitter", ZERO, MAX_JITTER, digits=_SECOND_DIGITS, default=ZERO)


def _read_slots(
    fields: Fields, duration_s: Decimal, profile: tuple[Decimal, ...] | None = None
) -> tuple[int | None, Decimal | None]:
    """One of ``slices`` and ``interval_s``; with weights for the slices neither has to be said again."""
    if fields.given("slices") and fields.given("interval_s"):
        fields.refuse("interval_s", "is one too many beside slices: name one of the two")
        return None, None
    if fields.given("interval_s"):
        interval_s = _read_interval(fields, duration_s)
        made = int(EXACT.divide_int(duration_s, interval_s)) if interval_s > 0 else 0
        if profile and not _any_broken(fields, "interval_s", "duration_s") and made != len(profile):
            rule = f"makes {made} slices of the duration, and profile has {len(profile)} weights"
            fit = round_down_to(EXACT.divide(duration_s, Decimal(len(profile))), _MICROSECOND)
            fields.refuse("interval_s", rule, instead=plain(fit))
        return None, interval_s
    slices = _read_slices(fields, duration_s, required=profile is None)
    if not profile or fields.broken("slices"):
        return slices, None
    if slices is not None and slices != len(profile):
        fields.refuse("slices", f"must be as many as profile has weights, {len(profile)}", instead=str(len(profile)))
    elif not fields.broken("duration_s") and len(profile) > _most_slices(duration_s):
        most = _most_slices(duration_s)
        rule = f"must have at most {most} weights in {plain(duration_s)} s: slices are {plain(MIN_INTERVAL_S)} s apart"
        fields.refuse("profile", rule, f"{len(profile)} weights")
    return slices, None


def _read_slices(fields: Fields, duration_s: Decimal, *, required: bool) -> int | None:
    if not fields.given("slices"):
        if required:
            either = " (or interval_s)" if fields.knows("interval_s") else ""
            fields.refuse("slices", f"is required{either}", None)
        return None
    most = MAX_SLICES if fields.broken("duration_s") else _most_slices(duration_s)
    return fields.whole("slices", 1, most, default=None)


def _most_slices(duration_s: Decimal) -> int:
    """Slices at least MIN_INTERVAL_S apart."""
    return min(MAX_SLICES, int(EXACT.divide_int(duration_s, MIN_INTERVAL_S)))


def _read_interval(fields: Fields, duration_s: Decimal) -> Decimal:
    interval_s = fields.between("interval_s", MIN_INTERVAL_S, MAX_DURATION_S, digits=_SECOND_DIGITS, default=None)
    if _any_broken(fields, "interval_s", "duration_s"):
        return interval_s
    if interval_s > duration_s:
        rule = f"must be at most duration_s, {plain(duration_s)}: the schedule would be shorter than a slice"
        fields.refuse("interval_s", rule, instead=plain(duration_s))
    elif EXACT.divide_int(duration_s, interval_s) > MAX_SLICES:
        shortest = round_up_to(EXACT.divide(duration_s, Decimal(MAX_SLICES)), _MICROSECOND)
        fields.refuse("interval_s", f"must make at most {MAX_SLICES} slices of the duration", instead=plain(shortest))
    return interval_s


def _read_profile(fields: Fields) -> tuple[Decimal, ...] | None:
    """One weight per slice, None for the history, nothing where it was refused."""
    value = fields.value("profile")
    if value is None or value == "history":
        return None
    rule = 'must be "history" or a list of weights such as [1, 2, 1]'
    if not isinstance(value, list):
        fields.refuse("profile", rule, instead="history")
        return ()
    if not 1 <= len(value) <= MAX_SLICES:
        fields.refuse("profile", f"must have 1 to {MAX_SLICES} weights", f"{len(value)} weights")
        return ()
    weights = []
    for index, item in enumerate(value):
        try:
            weights.append(parse_decimal(item))
        except NotADecimal as error:
            fields.refuse(f"profile.{index}", str(error), "null" if item is None else item, instead=_not_negative(item))
            return ()
    if not any(weights):
        fields.refuse("profile", "must have a weight above 0", instead="history")
        return ()
    return tuple(weights)


def _not_negative(weight: object) -> str | None:
    return "0" if str(weight).startswith("-") else None


def _read_lookback(fields: Fields) -> int | None:
    if fields.value("profile") in (None, "history"):
        return fields.whole("lookback_days", 1, MAX_LOOKBACK_DAYS, default=DEFAULT_LOOKBACK_DAYS)
    if fields.given("lookback_days"):
        fields.refuse("lookback_days", 'is for the profile "history" only')
    return None


def _any_broken(fields: Fields, *names: str) -> bool:
    return any(fields.broken(name) for name in names)


_READERS: Mapping[str, tuple[type[Algorithm], Callable[[Fields], Algorithm]]] = {
    "single": (Single, _read_single),
    "twap": (Twap, _read_twap),
    "vwap": (Vwap, _read_vwap),
    "iceberg": (Iceberg, _read_iceberg),
    "pov": (Pov, _read_pov),
    "adaptive": (Adaptive, _read_adaptive),
}
