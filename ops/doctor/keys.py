"""What the keys of each venue account may do, where the venue tells. No key is ever in a finding."""

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from ops.doctor.finding import Finding

if TYPE_CHECKING:
    from exchanges.config import VenueConfig
    from exchanges.key_rights import KeyRights


def rights(config: "VenueConfig") -> Iterator[Finding]:
    """One look per key of the account; each with a connection of its own, so that no other key answers for it."""
    from exchanges.ccxt_gateway import CcxtGateway
    from exchanges.evidence import VenueError

    keys = config.keys()
    for number, key in enumerate(keys, start=1):
        which = f"{config.name}/{config.account}" + (f", key {number} of {len(keys)}" if len(keys) > 1 else "")
        alone = replace(config, api_key=key.api_key, secret=key.secret, password=key.password, further_keys=())
        gateway = CcxtGateway(alone, max_instances=1)
        try:
            yield from findings(which, gateway.key_rights())
        except VenueError as error:
            yield Finding(
                check="keys",
                state="warn",
                message=f"{which}: what the key may do could not be read: {error.message.rstrip('.')}.",
                advice="Look at the venue's own page that it may trade and may not withdraw.",
            )
        finally:
            gateway.close()


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
