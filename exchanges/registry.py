"""The gateways of this process, made when first asked for and never taken across a fork."""

import os
import threading
import weakref
from collections.abc import Callable, Iterable, Mapping

from exchanges.config import VenueConfig
from exchanges.dry_run.store import DryRunStore
from exchanges.dry_run.withheld import withheld
from exchanges.gateway import Gateway
from exchanges.key_ring import KeySetAside
from exchanges.last_shown import LastShown
from exchanges.traffic import Traffic
from models.vocabulary import Mode


class UnknownVenue(LookupError):
    """No venue, or no account of it, is configured under this name."""


class OtherMode(Exception):
    """The venue account has traded in another mode than it is configured for now. The text says what to do."""


class Gateways:
    """Thread-safe; one gateway per venue account. Importing this does not import ccxt, asking for one does."""

    def __init__(
        self,
        configs: Iterable[VenueConfig],
        *,
        on_key_set_aside: Callable[[KeySetAside], None] | None = None,
        dry_runs: DryRunStore | None = None,
        admit: Callable[[VenueConfig], bool] | None = None,
    ) -> None:
        """``on_key_set_aside`` is told of each key that a venue refuses while others of its account go on; it never raises.

        ``dry_runs`` keeps the orders of venues in mode dry_run, which need one. ``admit`` is asked before a gateway is
        given out, until it says True; it raises OtherMode where the account must not be spoken to as it is configured.
        """
        self._dry_runs = dry_runs
        self._admit = admit
        self._admitted: set[tuple[str, str]] = set()
        self._configs = {(config.name, config.account): config for config in configs}
        self._on_key_set_aside = on_key_set_aside
        self._traffic = {place: Traffic() for place in self._configs}
        self._shown = {place: LastShown() for place in self._configs}
        self._lock = threading.Lock()
        self._gateways: dict[tuple[str, str], Gateway] = {}
        _all.add(self)

    def get(self, venue: str, account: str = "main") -> Gateway:
        """Raises UnknownVenue; asks the venue nothing."""
        key = (venue, account)
        config = self._configs.get(key)
        if config is None:
            raise UnknownVenue(f"no credentials are configured for account {account!r} of venue {venue!r}")
        if self._admit is not None and key not in self._admitted:
            try:
                if self._admit(config):
                    self._admitted.add(key)
            except OtherMode as error:
                return withheld(config, str(error))
        with self._lock:
            found = self._gateways.get(key)
            if found is None:
                found = self._gateways[key] = self._made(config)
            return found

    def _made(self, config: VenueConfig) -> Gateway:
        place = config.name, config.account
        traffic, shown = self._traffic[place], self._shown[place]
        if config.mode is Mode.DRY_RUN:
            from exchanges.dry_run.gateway import DryRunGateway

            assert self._dry_runs is not None, "a dry run needs a store for its orders"
            return DryRunGateway(config, self._dry_runs, traffic=traffic, shown=shown)
        from exchanges.ccxt_gateway import CcxtGateway

        return CcxtGateway(config, traffic=traffic, shown=shown, on_key_set_aside=self._on_key_set_aside)

    def keys(self) -> list[tuple[str, str]]:
        """Every configured (venue, account)."""
        return list(self._configs)

    def traffic(self) -> Mapping[tuple[str, str], Traffic]:
        """What goes over the connections of this process, by (venue, account)."""
        return self._traffic

    def shown(self) -> Mapping[tuple[str, str], LastShown]:
        """What the venues showed last in this process, by (venue, account): to look at, never to decide by."""
        return self._shown

    def close(self) -> None:
        """End the connections; a later ``get`` starts anew."""
        with self._lock:
            closing = list(self._gateways.values())
            self._gateways.clear()
        for gateway in closing:
            gateway.close()

    def _start_anew(self) -> None:
        # The parent's lock may be held by a thread that does not exist here, and its connections are its own.
        self._lock = threading.Lock()
        self._gateways = {}
        self._traffic = {place: Traffic() for place in self._configs}
        self._shown = {place: LastShown() for place in self._configs}


_all: weakref.WeakSet[Gateways] = weakref.WeakSet()


def _after_fork() -> None:
    for gateways in list(_all):
        gateways._start_anew()  # noqa: SLF001 - this module's own


os.register_at_fork(after_in_child=_after_fork)
