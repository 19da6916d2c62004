"""How a paper venue is set up. Plain values; ``from_mapping`` takes what stands under ``[venues.paper]``."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Self

from exchanges.paper.amounts import E8, parse_e8
from exchanges.paper.faults import FaultRule, parse_plan
from exchanges.paper.instruments import DEFAULT_SYMBOLS, KNOWN, Instrument

MARKETS = ("walk", "still")
DEDUPES = ("open", "always", "never")


class BadConfig(ValueError):
    """A setting that can't be used; the message names it, the rule and the value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountConfig:
    """One customer of the venue."""

    #: how the venue's log calls it; never the key
    name: str
    key: str = field(repr=False)
    secret: str = field(repr=False)
    #: asset to a decimal string; given once, when the account first appears in the journal
    balances: Mapping[str, str] = field(default_factory=dict)


DEFAULT_BALANCES = {"BTC": "100", "ETH": "1000", "SOL": "10000", "USDT": "10000000"}
_SECRET, _SECRET_2 = "paper-secret", "paper-secret-2"
DEFAULT_ACCOUNTS = (
    AccountConfig(name="main", key="paper-key", secret=_SECRET, balances=DEFAULT_BALANCES),
    AccountConfig(name="second", key="paper-key-2", secret=_SECRET_2, balances=DEFAULT_BALANCES),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperConfig:
    """Everything a paper venue needs to start."""

    host: str = "127.0.0.1"
    #: 0: any free one; the ``port`` file in ``home`` and a line on stdout name it
    port: int = 9100
    #: journal and port file
    home: Path
    #: of the market and of the faults
    seed: int = 1
    #: market seconds per second
    speed: float = 1.0
    #: a CSV of trades that drives the market of the first symbol (ts_ms,trade_id,price,qty,taker_side)
    replay: Path | None = None
    #: "walk" moves by itself; "still" keeps its prices and refills its depth
    market: str = "walk"
    instruments: tuple[Instrument, ...] = tuple(KNOWN[symbol] for symbol in DEFAULT_SYMBOLS)
    faults: tuple[FaultRule, ...] = ()
    #: 1e-8: 100000 is 0.1 %
    fee_maker_e8: int = E8 // 1000
    fee_taker_e8: int = E8 // 1000
    accounts: tuple[AccountConfig, ...] = DEFAULT_ACCOUNTS
    #: when a client order id is taken again: "open" (Binance's way: once the earlier order is done), "always" refused,
    #: "never" refused
    dedupe: str = "open"
    #: request weight per minute; 0 is no limit
    weight_limit: int = 6000
    #: open orders per account and symbol
    max_open_orders: int = 1000
    #: orders can be amended in place, by an endpoint that is this venue's own
    amend: bool = True
    #: added to the venue's clock
    clock_offset_ms: int = 0
    #: also survive the loss of the machine, at several ms per order
    fsync: bool = False

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> Self:
        """Read plain settings (strings, numbers, lists) as they stand in a file. Raises BadConfig.

        ``symbols`` is a list or comma-separated; ``faults`` a plan, its JSON, or a file that holds it; ``accounts``
        likewise a list of ``{name, key, secret, balances}``. ``paper`` is ignored.
        """
        known = {field.name for field in fields(cls)} - {"instruments", "fee_maker_e8", "fee_taker_e8"}
        known |= {"symbols", "fee_maker", "fee_taker", "paper"}
        for name in values:
            if name not in known:
                raise BadConfig(f"{name}: no such setting; known are {', '.join(sorted(known))}")
        taken = {name: value for name, value in values.items() if value is not None and name != "paper"}
        if "home" not in taken:
            raise BadConfig("home: is required; name the folder for the venue's journal")
        settings: dict[str, Any] = {}
        for name, value in taken.items():
            target, convert = _CONVERT.get(name, (name, None))
            try:
                settings[target] = value if convert is None else convert(value)
            except (ValueError, TypeError, KeyError, OSError) as error:
                raise BadConfig(f"{name}: {error}") from error
        return cls(**settings)


def read_json(value: Any) -> Any:
    """A value itself, its JSON text, or the file that holds the JSON."""
    if not isinstance(value, str | Path):
        return value
    text = str(value)
    return json.loads(text if text.lstrip()[:1] in {"[", "{"} else Path(text).read_text())


def _one_of(allowed: tuple[str, ...]) -> Any:
    def convert(value: Any) -> str:
        if value not in allowed:
            raise ValueError(f"must be one of {', '.join(allowed)}, not {value!r}")
        return str(value)

    return convert


def _symbols(value: Any) -> tuple[Instrument, ...]:
    names = value.split(",") if isinstance(value, str) else list(value)
    chosen = []
    for name in names:
        if isinstance(name, Mapping):
            chosen.append(
                Instrument.of(
                    name["base"], name["quote"], **{k: v for k, v in name.items() if k not in {"base", "quote"}}
                )
            )
            continue
        symbol = name.strip().replace("/", "").upper()
        if symbol not in KNOWN:
            raise ValueError(f"{name!r} is not known; known are {', '.join(KNOWN)}")
        chosen.append(KNOWN[symbol])
    if not chosen:
        raise ValueError("must name at least one symbol")
    return tuple(chosen)


def _accounts(value: Any) -> tuple[AccountConfig, ...]:
    try:
        entries = read_json(value)
    except (OSError, ValueError) as error:
        # The value may hold secrets, so it is not quoted.
        raise ValueError(f"is neither JSON nor a file of it ({type(error).__name__})") from None
    accounts = tuple(
        AccountConfig(
            name=str(entry["name"]),
            key=str(entry["key"]),
            secret=str(entry["secret"]),
            balances={asset: str(amount) for asset, amount in entry.get("balances", DEFAULT_BALANCES).items()},
        )
        for entry in entries
    )
    for account in accounts:
        for amount in account.balances.values():
            parse_e8(amount)
    for name in ("key", "name"):
        if len({getattr(account, name) for account in accounts}) != len(accounts):
            raise ValueError(f"every account needs a {name} of its own")
    return accounts


def _whole(low: int, high: int) -> Any:
    def convert(value: Any) -> int:
        text = str(value)
        if not text.removeprefix("-").isdecimal() or not low <= int(text) <= high:
            raise ValueError(f"must be a whole number from {low} to {high}, not {value!r}")
        return int(text)

    return convert


def _yes_or_no(value: Any) -> bool:
    words = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
    found = words.get(str(value).lower())
    if found is None:
        raise ValueError(f"must be true or false, not {value!r}")
    return found


def _positive(value: Any) -> float:
    number = float(value)
    if not 0 < number <= 1_000_000:
        raise ValueError(f"must be over 0 and at most 1000000, not {value!r}")
    return number


def _rate(value: Any) -> int:
    rate_e8 = parse_e8(str(value))
    if rate_e8 > E8 // 10:
        raise ValueError(f"must be a share of at most 0.1 (0.001 is 0.1 %), not {value!r}")
    return rate_e8


_CONVERT: dict[str, tuple[str, Any]] = {
    "home": ("home", Path),
    "replay": ("replay", lambda value: Path(value) if value else None),
    "port": ("port", _whole(0, 65_535)),
    "seed": ("seed", _whole(0, 2**63)),
    "speed": ("speed", _positive),
    "market": ("market", _one_of(MARKETS)),
    "symbols": ("instruments", _symbols),
    "faults": ("faults", lambda value: parse_plan(read_json(value))),
    "fee_maker": ("fee_maker_e8", _rate),
    "fee_taker": ("fee_taker_e8", _rate),
    "accounts": ("accounts", _accounts),
    "dedupe": ("dedupe", _one_of(DEDUPES)),
    "weight_limit": ("weight_limit", _whole(0, 10**9)),
    "max_open_orders": ("max_open_orders", _whole(1, 10**9)),
    "amend": ("amend", _yes_or_no),
    "clock_offset_ms": ("clock_offset_ms", _whole(-(10**12), 10**12)),
}
