"""What a step needs from its process: settings, database, gateways, instruments, a clock, a name of its own."""

import os
import random
import secrets
import socket
import threading
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import cached_property

from sqlalchemy import Engine

from exchanges.config import ApiKey, Secret, VenueConfig
from exchanges.instruments import InstrumentCache
from exchanges.registry import Gateways, OtherMode
from models.instrument import Instrument
from models.request import RequestDefaults
from models.retry import RetryPolicy, Trouble, policies
from settings import KeyPair, Settings, VenueSettings, load_settings
from storage.dry_run import DatabaseDryRuns
from storage.engine import database_time, make_engine, read
from storage.hot_copies import HotCopies, ProcessHotCopies, RedisHotCopies
from storage.instruments import DatabaseInstruments
from storage.redis_reservations import reservations_client
from storage.redis_shown import RedisShown
from storage.redis_traffic import RedisTraffic
from storage.venue_modes import mode_of, other_mode
from tasks.clock import DatabaseClock, host_time
from tasks.key_alerts import alert_key_set_aside
from tasks.protection import Protection

NEWS_EVERY_S = 1.0


class Runtime:
    """One per process, made after the fork; everything inside connects when it is first used."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.pid = os.getpid()
        self._last_news: dict[tuple[str, str], float] = {}
        #: (venue, account) pairs whose balances our books have taken over, as far as this process knows
        self.open_books: set[tuple[str, str]] = set()
        #: those whose mode is the configured one for good, as far as this process knows
        self.bound_modes: set[tuple[str, str]] = set()
        #: who holds a claim: this process, distinct from an earlier one with the same pid
        self.owner = f"{socket.gethostname()}:{self.pid}:{secrets.token_hex(4)}"

    @cached_property
    def engine(self) -> Engine:
        return make_engine(self.settings.database_url, pool_size=20, max_overflow=20)

    @cached_property
    def gateways(self) -> Gateways:
        return Gateways(
            self.guarded_configs(),
            on_key_set_aside=lambda told: alert_key_set_aside(self.engine, self.now(), told),
            dry_runs=DatabaseDryRuns(self.engine),
            admit=self.admit,
        )

    def venue_configs(self) -> Sequence[VenueConfig]:
        """What each configured venue account's gateway is made from."""
        return [
            venue_config(name, account, venue)
            for name, venue in self.settings.venues.items()
            for account in venue.accounts
        ]

    def guarded_configs(self) -> Sequence[VenueConfig]:
        """The same, with the turnstile of the account before every request."""
        return [
            replace(config, turnstile=self.protection.turnstile(config.name, config.account))
            for config in self.venue_configs()
        ]

    @cached_property
    def protection(self) -> Protection:
        return Protection(self.settings, self.engine, self.now)

    def admit(self, config: VenueConfig) -> bool:
        """True once the account's mode is fixed and is the configured one. Raises OtherMode where it is another."""
        with read(self.engine) as conn:
            bound = mode_of(conn, config.name, config.account)
        if bound is not None and bound is not config.mode:
            raise OtherMode(other_mode(config.name, config.account, bound=bound, configured=config.mode))
        return bound is not None

    @cached_property
    def instruments(self) -> InstrumentCache:
        return InstrumentCache(DatabaseInstruments(self.engine), self._fetch_instruments)

    @cached_property
    def shared_traffic(self) -> RedisTraffic | None:
        """None where the deployment has no Redis: with the in-process broker of tests."""
        url = self.settings.redis_client_url
        return RedisTraffic(reservations_client(url)) if url is not None else None

    @cached_property
    def shared_shown(self) -> RedisShown | None:
        """What the venues showed a while ago: to look at, never to decide by. None where the deployment has no Redis."""
        url = self.settings.redis_client_url
        return RedisShown(reservations_client(url)) if url is not None else None

    @cached_property
    def hot_copies(self) -> HotCopies:
        """Of positions and balances, for fast reads; within this process where the deployment has no Redis."""
        url = self.settings.redis_client_url
        return RedisHotCopies(reservations_client(url)) if url is not None else ProcessHotCopies()

    @cached_property
    def retry_policies(self) -> Mapping[Trouble, RetryPolicy]:
        execution = self.settings.execution
        return policies(execution.max_retries, execution.retry_base_ms / 1000, execution.retry_max_ms / 1000)

    @cached_property
    def request_defaults(self) -> RequestDefaults:
        execution = self.settings.execution
        return RequestDefaults(
            algorithm=execution.algorithm,
            fill_policy=execution.fill_policy,
            enable_partial_fills=execution.enable_partial_fills,
        )

    @cached_property
    def accounts(self) -> Mapping[str, Collection[str]]:
        """For each configured venue the accounts that it has credentials for."""
        return {name: frozenset(venue.accounts) for name, venue in self.settings.venues.items()}

    @cached_property
    def clock(self) -> DatabaseClock | None:
        """None where the database has the clock of this host."""
        return None if self.engine.dialect.name == "sqlite" else DatabaseClock(self._database_time)

    def now(self) -> datetime:
        """The deployment's time, in UTC: the database's, whatever this host's clock says."""
        return host_time() if self.clock is None else self.clock.now()

    def chance(self) -> float:
        """A number in [0, 1) that spreads retries."""
        return random.random()  # spreads load, guards nothing

    def is_news(self, place: tuple[str, str]) -> bool:
        """Whether a success at a venue account is worth a row: once a second is enough for those who watch."""
        seconds = time.monotonic()
        if seconds - self._last_news.get(place, -NEWS_EVERY_S) < NEWS_EVERY_S:
            return False
        self._last_news[place] = seconds
        return True

    def close(self) -> None:
        """Let go of what was opened."""
        if "gateways" in self.__dict__:
            self.gateways.close()
        for shared in map(self.__dict__.get, ("shared_traffic", "shared_shown", "hot_copies")):
            if shared is not None:
                shared.close()
        if "protection" in self.__dict__:
            self.protection.close()
        if "engine" in self.__dict__:
            self.engine.dispose()

    def _database_time(self) -> datetime:
        with read(self.engine) as conn:
            return database_time(conn)

    def _fetch_instruments(self, venue: str) -> Sequence[Instrument]:
        account = next(iter(self.settings.venues[venue].accounts))
        return self.gateways.get(venue, account).instruments()


def venue_config(name: str, account: str, venue: VenueSettings) -> VenueConfig:
    """What a gateway is made from."""
    credentials = venue.accounts[account]
    return VenueConfig(
        name=name,
        account=account,
        ccxt_id=venue.ccxt_id,
        base_url=venue.base_url,
        ws_url=venue.streams_at,
        api_key=Secret(credentials.api_key.get_secret_value()),
        secret=Secret(credentials.secret.get_secret_value()),
        password=Secret(credentials.password.get_secret_value()) if credentials.password else None,
        further_keys=tuple(_key(pair) for pair in credentials.keys),
        timeout_ms=venue.timeout_ms,
        recv_window_ms=venue.recv_window_ms,
        clock_skew_ms=venue.clock_skew_ms,
        paper_amends=venue.paper and venue.amend is not False,
        mode=venue.mode,
        dry_run_balances=dict(venue.dry_run_balances),
        options=dict(venue.options),
    )


def _key(pair: KeyPair) -> ApiKey:
    return ApiKey(
        api_key=Secret(pair.api_key.get_secret_value()),
        secret=Secret(pair.secret.get_secret_value()),
        password=Secret(pair.password.get_secret_value()) if pair.password else None,
    )


_runtime: Runtime | None = None
_lock = threading.Lock()


def get_runtime() -> Runtime:
    """The runtime of this process; a forked child makes its own."""
    global _runtime  # noqa: PLW0603 - one per process is the point
    if _runtime is None or _runtime.pid != os.getpid():
        with _lock:
            if _runtime is None or _runtime.pid != os.getpid():
                _runtime = Runtime(load_settings())
    return _runtime


def use_runtime(runtime: Runtime) -> None:
    """Make this the runtime of the process: for a program that loaded its settings itself."""
    global _runtime  # noqa: PLW0603
    _runtime = runtime
