"""What the hot copy keeps: positions and balances as read from the database, with the versions of their rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

from sqlalchemy import Connection, and_, func, select, tuple_

from accounting.legs import OWNED, AccountKind
from accounting.positions import Change
from models.clock import format_time, parse_time
from models.money import ZERO, add, plain
from models.vocabulary import Mode
from storage.hot_copies import BALANCES, POSITIONS, HotValue
from storage.ledger_reads import Balance
from storage.ledger_tables import ledger_accounts
from storage.position_reads import HeldPosition, PositionKey, read_positions, read_these
from storage.position_rows import position_of, state_values
from storage.position_tables import position_changes, positions
from storage.touched import Touched, TouchedBalance, TouchedPosition

#: kind, venue, account
Place = tuple[str, str, str]
#: what is to be kept there
HotValues = dict[Place, list[HotValue]]
#: name → version
HotVersions = dict[Place, dict[str, int]]

#: between what the name of a position is made of
_NAME_PARTS = "\n"

#: keys of one look: more are asked for again
_AT_ONCE = 200

_KEY = ("venue", "account", "asset", "cost_asset", "strategy")


def values_of(conn: Connection, touched: Iterable[Touched]) -> HotValues:
    """What was touched, as it stands now. Use a snapshot, so that all of it is of one moment."""
    positions, balances = [], []
    for one in touched:
        if isinstance(one, TouchedPosition):
            positions.append(PositionKey(**{name: getattr(one, name) for name in _KEY}))
        elif isinstance(one, TouchedBalance):
            balances.append((one.venue, one.account, one.asset))
    found: HotValues = {}
    for start in range(0, len(positions), _AT_ONCE):
        _add_positions(found, read_these(conn, positions[start : start + _AT_ONCE]))
    for start in range(0, len(balances), _AT_ONCE):
        _add_balances(found, conn, balances[start : start + _AT_ONCE])
    return found


def all_values(conn: Connection) -> HotValues:
    """Everything; both kinds for each venue account that the books know, be it with nothing."""
    found: HotValues = {}
    _add_balances(found, conn, None)
    for kind, venue, account in list(found):
        found.setdefault((POSITIONS if kind == BALANCES else BALANCES, venue, account), [])
    _add_positions(found, read_positions(conn))
    return found


def all_versions(conn: Connection) -> HotVersions:
    """The names and versions of all that."""
    found: HotVersions = {}
    for row in conn.execute(_BALANCE_VERSIONS):
        found.setdefault((POSITIONS, row.venue, row.account), {})
        found.setdefault((BALANCES, row.venue, row.account), {})[row.asset] = row.version
    for held in conn.execute(_POSITION_VERSIONS):
        name = _NAME_PARTS.join((held.asset, held.cost_asset, held.strategy))
        found.setdefault((POSITIONS, held.venue, held.account), {})[name] = held.entry_id
    return found


def named(place: Place, name: str) -> Touched:
    """What a name of the copy stands for."""
    kind, venue, account = place
    if kind == BALANCES:
        return TouchedBalance(venue, account, name)
    asset, cost_asset, strategy = name.split(_NAME_PARTS, 2)
    return TouchedPosition(venue, account, asset, cost_asset, strategy)


def held_of(document: Mapping[str, Any]) -> HeldPosition:
    state = {
        name: value if name == "paid" or isinstance(value, int) else Decimal(value)
        for name, value in document["state"].items()
    }
    return HeldPosition(
        key=PositionKey(**{name: document[name] for name in _KEY}),
        mode=Mode(document["mode"]),
        position=position_of(SimpleNamespace(**state)),
        entry_id=document["entry_id"],
        booked_at=parse_time(document["booked_at"]),
        traded_at=parse_time(document["traded_at"]),
    )


def balance_of(document: Mapping[str, Any]) -> Balance:
    amounts = {name: Decimal(document[name]) for name in ("total", "held", "available")}
    return Balance(venue=document["venue"], account=document["account"], asset=document["asset"], **amounts)


def _add_positions(found: HotValues, held: Iterable[HeldPosition]) -> None:
    for one in held:
        state = state_values(Change(after=one.position, opened=None))
        document = {
            **{name: getattr(one.key, name) for name in _KEY},
            "mode": one.mode.value,
            "entry_id": one.entry_id,
            "booked_at": format_time(one.booked_at),
            "traded_at": format_time(one.traded_at),
            "state": {
                name: plain(value) if isinstance(value, Decimal) else value
                for name, value in state.items()
                if not name.startswith("lot_")
            },
        }
        name = _NAME_PARTS.join((one.key.asset, one.key.cost_asset, one.key.strategy))
        value = HotValue(name=name, version=one.entry_id, document=document)
        found.setdefault((POSITIONS, one.key.venue, one.key.account), []).append(value)


def _add_balances(found: HotValues, conn: Connection, wanted: Sequence[tuple[str, str, str]] | None) -> None:
    query = _BALANCES if wanted is None else _BALANCES.where(_PLACE.in_(wanted))
    kinds: dict[tuple[str, str, str], dict[AccountKind, Decimal]] = {}
    versions: dict[tuple[str, str, str], int] = {}
    for row in conn.execute(query):
        place = (row.venue, row.account, row.asset)
        kinds.setdefault(place, {})[row.kind] = row.balance
        versions[place] = max(versions.get(place, 0), row.last_leg_id)
    for (venue, account, asset), amounts in kinds.items():
        available, held = amounts.get(AccountKind.AVAILABLE, ZERO), amounts.get(AccountKind.HOLD, ZERO)
        document = {
            "venue": venue,
            "account": account,
            "asset": asset,
            "total": plain(add(add(available, held), amounts.get(AccountKind.SUSPENSE, ZERO))),
            "held": plain(held),
            "available": plain(available),
        }
        value = HotValue(name=asset, version=versions[venue, account, asset], document=document)
        found.setdefault((BALANCES, venue, account), []).append(value)


_PLACE = tuple_(ledger_accounts.c.venue, ledger_accounts.c.account, ledger_accounts.c.asset)
_BALANCES = select(
    ledger_accounts.c.venue,
    ledger_accounts.c.account,
    ledger_accounts.c.asset,
    ledger_accounts.c.kind,
    ledger_accounts.c.balance,
    ledger_accounts.c.last_leg_id,
).where(ledger_accounts.c.kind.in_(sorted(OWNED)))
_BALANCE_VERSIONS = (
    select(
        ledger_accounts.c.venue,
        ledger_accounts.c.account,
        ledger_accounts.c.asset,
        func.max(ledger_accounts.c.last_leg_id).label("version"),
    )
    .where(ledger_accounts.c.kind.in_(sorted(OWNED)))
    .group_by(ledger_accounts.c.venue, ledger_accounts.c.account, ledger_accounts.c.asset)
)
_POSITION_VERSIONS = select(*(positions.c[name] for name in _KEY), position_changes.c.entry_id).join_from(
    positions,
    position_changes,
    and_(position_changes.c.position_id == positions.c.id, position_changes.c.number == positions.c.number),
)
