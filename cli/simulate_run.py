"""The runs of a simulation: each algorithm's order as intake would take it, replayed, and what it cost."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from accounting.costs import CostFill, OrderCost, OrderFacts
from accounting.costs_market import IntervalMarket
from algorithms.replay import Replayed, TooManyPieces, replay
from algorithms.replay_venue import ReplayVenue
from algorithms.tape_figures import Interval, interval
from cli.errors import CommandError
from cli.simulate_setting import VENUE, Setting, Wanted, setting_of
from cli.simulate_tape import TapeFile
from models.algorithm import MIN_INTERVAL_S, MIN_POV_DURATION_S
from models.clock import format_time
from models.errors import InvalidRequest, Malformed, shown
from models.exact_json import loads_exact
from models.minimum import smallest_quantity
from models.money import EXACT, ZERO, add, average, multiply, plain, round_down_to
from models.order import Order
from models.request import RequestDefaults, parse_request
from models.vocabulary import Liquidity, Mode, OrderStatus, OrderType, TimeInForce
from risk.checks import Circumstances, denial
from risk.intake import Admitted, admit

#: what is named where nothing else is; an iceberg only where the order is one that can rest
ALGORITHMS = ("single", "twap", "vwap", "iceberg", "pov", "adaptive")

#: an order of default parameters is split into so many slices, or as many as its lots and its time allow
SLICES = 20
PARTICIPATION = "0.1"
#: per quote: the example of Almgren and Chriss
RISK_AVERSION = "0.000001"


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulated:
    """One algorithm's run and what it cost."""

    label: str
    #: its parameters, defaults filled in
    algorithm: Mapping[str, object]
    run: Replayed
    cost: OrderCost


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulation:
    setting: Setting
    runs: Sequence[Simulated]
    #: sentences: what was assumed, and what could not be done
    notes: Sequence[str]


def simulate(file: TapeFile, wanted: Wanted) -> Simulation:
    """Run every algorithm that is wanted. Raises CommandError where one of them is refused."""
    named = [_object(text) for text in wanted.algorithms]
    setting = setting_of(file, wanted, named)
    notes = list(setting.notes)
    whole = _admitted(setting, {"name": "single"}, "The order")
    arrival = ReplayVenue(file.tape, setting.model, whole.request.side, setting.start_at).quote(setting.start_at).mid
    assert arrival is not None
    if not named:
        unfit = _unfit(whole, setting.duration_s)
        named = [{"name": name} for name in ALGORITHMS if name not in unfit]
        notes += [f"{name} is left out: {why}" for name, why in unfit.items()]
    defaults = _defaults(whole, setting.duration_s, arrival)
    traded = interval(file.tape, setting.start_at, setting.end_at)
    runs = []
    for given in named:
        name = str(given.get("name"))
        admitted = _admitted(setting, _filled_in(given, defaults.get(name, {})), f"The order as {shown(name)}")
        run = _replayed(setting, admitted, arrival)
        cost = _cost(setting, run, traded)
        runs.append(
            Simulated(
                label=str(admitted.request.algorithm["name"]), algorithm=admitted.request.algorithm, run=run, cost=cost
            )
        )
    return Simulation(setting=setting, runs=_labelled(runs), notes=notes)


def _unfit(whole: Admitted, duration_s: Decimal) -> dict[str, str]:
    """Algorithms that intake would refuse for such an order, each with the reason: a comparison of all goes without them."""
    unfit = {}
    if whole.request.type is not OrderType.LIMIT or whole.request.time_in_force is not TimeInForce.GTC:
        unfit["iceberg"] = "its slices rest in the book, so it needs a limit order, GTC"
    if duration_s < MIN_POV_DURATION_S:
        unfit["pov"] = f"it answers what has traded, so it takes {MIN_POV_DURATION_S} s at least"
    return unfit


def _filled_in(given: Mapping[str, Any], defaults: Mapping[str, Any]) -> Mapping[str, Any]:
    """A bare name gets all default parameters, an object only the duration that it leaves out."""
    if set(given) == {"name"}:
        return {**defaults, **given}
    return {**{name: value for name, value in defaults.items() if name == "duration_s"}, **given}


def _object(text: str) -> Mapping[str, Any]:
    """``twap``, or ``{"name": "twap", …}``."""
    if not text.lstrip().startswith("{"):
        return {"name": text}
    try:
        return loads_exact(text.encode())
    except Malformed as error:
        raise CommandError(f"--algorithm {text}: {error}") from None


def _admitted(setting: Setting, algorithm: Mapping[str, Any], who: str) -> Admitted:
    """By the rules of intake: what would be refused live is refused here."""
    request = {
        **setting.wanted.request,
        "client_order_id": "simulated",
        "venue": VENUE,
        "algorithm": algorithm,
        "expires_at": format_time(setting.end_at),
    }
    try:
        return admit(parse_request(request, RequestDefaults()), setting.instrument, setting.start_at)
    except InvalidRequest as error:
        said = "\n".join(f"  {one.sentence()}" for one in error.errors)
        raise CommandError(f"{who} would be refused at intake:\n{said}") from None


def _defaults(whole: Admitted, duration_s: Decimal, price: Decimal) -> Mapping[str, Mapping[str, Any]]:
    """Parameters of algorithms that are named without any."""
    instrument = whole.instrument
    smallest = smallest_quantity(instrument.lot, instrument.min_quantity, instrument.min_notional, price)
    in_time = EXACT.divide_int(duration_s, MIN_INTERVAL_S)
    slices = max(1, min(SLICES, int(EXACT.divide_int(whole.quantity, smallest)), int(in_time)))
    display = max(round_down_to(EXACT.divide(whole.quantity, Decimal(SLICES)), instrument.lot), smallest)
    lasting = plain(duration_s)
    return {
        "twap": {"duration_s": lasting, "slices": slices},
        "vwap": {"duration_s": lasting, "slices": slices},
        "iceberg": {"display_quantity": plain(min(display, whole.quantity))},
        "pov": {"duration_s": lasting, "participation": PARTICIPATION},
        "adaptive": {"duration_s": lasting, "slices": slices, "risk_aversion": RISK_AVERSION},
    }


def _replayed(setting: Setting, admitted: Admitted, arrival: Decimal) -> Replayed:
    request, instrument = admitted.request, admitted.instrument
    order = Order(
        id="simulated",  # it seeds the jitter: one and the same each time
        client_order_id=request.client_order_id,
        account=request.account,
        venue=request.venue,
        symbol=request.symbol,
        base=instrument.base,
        quote=instrument.quote,
        side=request.side,
        type=request.type,
        quantity=admitted.quantity,
        requested_quantity=admitted.requested_quantity,
        price=admitted.price,
        time_in_force=request.time_in_force,
        post_only=False,
        submitted_at=setting.start_at,
        expires_at=setting.end_at,
        decision_price=arrival,
        algorithm=request.algorithm,
        fill_policy=request.fill_policy,
        notify=None,
        mode=Mode.DRY_RUN,
        status=OrderStatus.WORKING,
        version=1,
        filled_quantity=ZERO,
        filled_cost=ZERO,
        arrival_price=arrival,
        reason=None,
        cancel_requested_at=None,
        ending=None,
        rescues=0,
        created_at=setting.start_at,
        updated_at=setting.start_at,
    )
    name = request.algorithm["name"]
    no = denial(order, Circumstances(instrument=instrument, halted=None))
    if no is not None:
        raise CommandError(f"The order would be denied. {no.code}: {no.message}.")
    try:
        return replay(order, instrument, setting.file.tape, setting.model)
    except TooManyPieces as error:
        raise CommandError(
            f"The order as {name} can't be simulated: {error}. Name a larger display_quantity, or fewer slices."
        ) from None


def _cost(setting: Setting, run: Replayed, traded: Interval) -> OrderCost:
    """Against one interval for all algorithms, the order's whole time; what was taken comes on top of its volume."""
    order = run.order
    volume = traded.volume
    for fill in run.fills:
        if fill.liquidity is Liquidity.TAKER:
            volume = add(volume, fill.quantity)
    sent = [child.sent_at for child in run.children if child.sent_at is not None]
    facts = OrderFacts(
        side=order.side,
        base=order.base,
        quote=order.quote,
        quantity=order.quantity,
        decision_price=order.decision_price,
        arrival_price=order.arrival_price,
        fills=tuple(
            CostFill(
                quantity=fill.quantity,
                price=fill.price,
                cost=multiply(fill.quantity, fill.price),
                fee=_fee(multiply(fill.quantity, fill.price), setting.wanted, fill.liquidity),
                fee_asset=order.quote,
                liquidity=fill.liquidity,
                traded_at=fill.at,
            )
            for fill in run.fills
        ),
        submitted_at=order.submitted_at,
        created_at=order.created_at,
        first_sent_at=min(sent, default=None),
        ended_at=run.ended_at,
        market=IntervalMarket(
            start_at=order.created_at,
            end_at=setting.end_at,
            volume=volume,
            vwap=average(traded.cost, traded.volume),
            twap=average(traded.weighted, traded.weight),
            first_price=traded.first_price,
            last_price=traded.last_price,
        ),
    )
    return OrderCost(facts=facts)


def _fee(cost: Decimal, wanted: Wanted, liquidity: Liquidity) -> Decimal:
    rate = wanted.taker_bps if liquidity is Liquidity.TAKER else wanted.maker_bps
    return EXACT.scaleb(multiply(cost, rate), -4)


def _labelled(runs: Sequence[Simulated]) -> Sequence[Simulated]:
    """An algorithm that was named twice, with other parameters, is numbered."""
    names = [run.label for run in runs]
    return [
        run if names.count(run.label) == 1 else replace(run, label=f"{run.label} {names[: index + 1].count(run.label)}")
        for index, run in enumerate(runs)
    ]
