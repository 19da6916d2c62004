"""The keys of each venue account: whether each is taken, is of that account, and what it may do. No key is in a finding."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

from ops.doctor.finding import Finding

if TYPE_CHECKING:
    from decimal import Decimal

    from exchanges.ccxt_gateway import CcxtGateway
    from exchanges.config import VenueConfig
    from exchanges.key_rights import KeyRights

#: comparisons of two keys' balances before they count as two accounts': fills move them between two questions
LOOKS = 3


def looked_at(config: "VenueConfig", *, rights: bool) -> Iterator[Finding]:
    """Each key of the account by itself, on a connection of its own, so that no other key answers for it: whether the
    venue takes it, whether it sees the same account as the first, and with ``rights`` what it may do.
    """
    from exchanges.ccxt_gateway import CcxtGateway

    first: CcxtGateway | None = None
    of = len(config.keys())
    with ExitStack() as stack:
        for number, alone in enumerate(_alone(config), start=1):
            gateway = CcxtGateway(alone, max_instances=1)
            stack.callback(gateway.close)
            finding = _accepted(config, gateway, number, of)
            yield finding
            if finding.state == "fail":
                continue
            if first is None:
                first = gateway
            elif not _same_account(first, gateway):
                yield _another_account(config, number)
            if rights:
                yield from _rights(_which(config, number, of), gateway)


def _alone(config: "VenueConfig") -> "Iterator[VenueConfig]":
    every = config.keys()
    for key in every:
        yield replace(config, api_key=key.api_key, secret=key.secret, password=key.password, further_keys=())


def _which(config: "VenueConfig", number: int, of: int) -> str:
    return f"{config.name}/{config.account}" + (f", key {number} of {of}" if of > 1 else "")


def _accepted(config: "VenueConfig", gateway: "CcxtGateway", number: int, of: int) -> Finding:
    from exchanges.evidence import VenueError

    place = f"{config.name}/{config.account}"
    which = "our keys" if of == 1 else f"key {number} of {of}"
    try:
        gateway.balances()
    except VenueError as error:
        return Finding(
            check="venues",
            state="fail",
            message=f"{place} refuses {which}: {error.message.rstrip('.')}.",
            advice="Check key and secret, that the key may trade, and that this address is allowed to use it.",
        )
    return Finding(check="venues", state="ok", message=f"{place} takes {which}")


def _same_account(one: "CcxtGateway", other: "CcxtGateway") -> bool:
    """False where they show other balances, look after look: what moves between two looks is no proof."""
    from exchanges.evidence import VenueError

    try:
        return any(_totals(one) == _totals(other) for _ in range(LOOKS))
    except VenueError:
        return True  # nothing was compared, so nothing is claimed


def _totals(gateway: "CcxtGateway") -> "dict[str, Decimal]":
    return {balance.asset: balance.total for balance in gateway.balances() if balance.total}


def _another_account(config: "VenueConfig", number: int) -> Finding:
    return Finding(
        check="keys",
        state="warn",
        message=(
            f"{config.name}/{config.account}: key {number} shows other balances than key 1, so it seems to be of another "
            "account, where orders that were sent with key 1 would pass for absent."
        ),
        advice="Keep only keys of one account in keys = [...]; give the other account a name of its own.",
    )


def _rights(which: str, gateway: "CcxtGateway") -> Iterator[Finding]:
    from exchanges.evidence import VenueError

    try:
        yield from findings(which, gateway.key_rights())
    except VenueError as error:
        yield Finding(
            check="keys",
            state="warn",
            message=f"{which}: what the key may do could not be read: {error.message.rstrip('.')}.",
            advice="Look at the venue's own page that it may trade and may not withdraw.",
        )


def findings(which: str, found: "KeyRights | None") -> Iterator[Finding]:
    if found is not None and found.withdraw:
        yield Finding(
            check="keys",
            state="warn",
            message=f"{which}: the key may withdraw or transfer funds, which Steadfill never does.",
            advice="Make a key without that right, so that one who steals it can't empty the account.",
        )
    if found is not None and found.trade is False:
        yield Finding(
            check="keys",
            state="fail",
            message=f"{which}: the key may not trade, so every order would be refused.",
            advice="Give it the right to trade spot, or make a key that has it.",
        )
    if found is None or found.trade is None or found.withdraw is None:
        yield Finding(
            check="keys",
            state="ok",
            message=f"{which}: the venue does not tell all that the key may do.",
            advice="Look at the venue's own page that it may trade and may not withdraw.",
        )
    elif found.trade and not found.withdraw:
        yield Finding(check="keys", state="ok", message=f"{which}: the key may trade and may not withdraw")
