"""In the place of a gateway to a venue account that must not be spoken to as it is configured."""

from typing import NoReturn, cast

from exchanges.capabilities import Capabilities, capabilities
from exchanges.config import VenueConfig
from exchanges.evidence import Evidence, VenueError
from exchanges.gateway import Gateway


class Withheld:
    """Every question and every order ends as surely not sent, with the sentence that says why.

    So nothing is sent to the wrong place and nothing is concluded of an order whose home is elsewhere: it waits.
    """

    def __init__(self, config: VenueConfig, why: str) -> None:
        self.venue = config.name
        self.account = config.account
        self.capabilities: Capabilities = capabilities(config.ccxt_id)
        self._why = why

    def __repr__(self) -> str:
        return f"Withheld({self.venue}/{self.account})"

    def __getattr__(self, name: str) -> object:
        if name.startswith("_") or not hasattr(Gateway, name):
            raise AttributeError(name)

        def refuse(*_: object, **__: object) -> NoReturn:
            raise VenueError(Evidence.NOT_SENT, self._why)

        return refuse

    def close(self) -> None:
        """Nothing was opened."""


def withheld(config: VenueConfig, why: str) -> Gateway:
    return cast("Gateway", Withheld(config, why))
