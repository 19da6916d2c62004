"""Keeps this process's claims and leases alive while their owners wait on a venue: one thread for all of them."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from failpoints import failpoint
from models.order import ChildOrder
from storage.children import renew
from storage.engine import is_unavailable, write
from storage.leases import renew as renew_lease
from tasks.clock import seconds_since_boot
from tasks.runtime import Runtime

log = structlog.get_logger()

#: renewals in one lease: two may fail before it runs out
BEATS_PER_LEASE = 3


class Claim:
    """A child that this process has claimed, and until when it may act on that, on a clock that a suspended machine does
    not stop.
    """

    def __init__(self, child: ChildOrder, claimed_at: float, lease_s: float) -> None:
        self.child = child
        self._lease_s = lease_s
        self._sure_until = claimed_at + lease_s

    def is_sure(self) -> bool:
        """Whether the lease surely holds still. Counts from before the claim was written, so it errs to no."""
        return seconds_since_boot() < self._sure_until

    def extend(self, renewed_at: float) -> None:
        self._sure_until = renewed_at + self._lease_s

    def lose(self) -> None:
        self._sure_until = 0.0


class Heartbeat:
    """Renews claims until they are let go. A claim that somebody else took over is not sure any more."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._lease_ms = runtime.settings.execution.lease_ms
        self._claims: dict[tuple[str, int], Claim] = {}
        #: name and epoch of each lease
        self._leases: set[tuple[str, int]] = set()
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None

    def serves(self, runtime: Runtime) -> bool:
        return self._runtime is runtime

    @contextmanager
    def keeping(self, claim: Claim) -> Iterator[None]:
        """Renew the claim while the block runs."""
        key = (claim.child.id, claim.child.epoch)
        with self._lock:
            self._claims[key] = claim
            self._start()
        try:
            yield
        finally:
            with self._lock:
                self._claims.pop(key, None)

    @contextmanager
    def keeping_lease(self, name: str, epoch: int) -> Iterator[None]:
        """Renew a named lease, taken for ``lease_ms``, while the block runs."""
        with self._lock:
            self._leases.add((name, epoch))
            self._start()
        try:
            yield
        finally:
            with self._lock:
                self._leases.discard((name, epoch))

    def abandon(self) -> None:
        """Renew nothing any more, and let no holder of a claim believe in it: the process ends."""
        with self._lock:
            for claim in self._claims.values():
                claim.lose()
            self._claims.clear()
            self._leases.clear()

    def _start(self) -> None:
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)
            self._thread.start()
        self._wake.set()

    def _run(self) -> None:
        while True:
            time.sleep(self._lease_ms / 1000 / BEATS_PER_LEASE)
            self._wake.clear()  # before the look: a claim that begins after it wakes us
            with self._lock:
                claims, leases = dict(self._claims), sorted(self._leases)
            if not claims and not leases:
                self._wake.wait()
                continue
            self._renew(claims, leases)

    def _renew(self, claims: dict[tuple[str, int], Claim], leases: list[tuple[str, int]]) -> None:
        started = seconds_since_boot()
        try:
            with write(self._runtime.engine) as conn:
                kept = {
                    key: renew(conn, *key, owner=self._runtime.owner, lease_ms=self._lease_ms) for key in sorted(claims)
                }
                for name, epoch in leases:
                    renew_lease(conn, name, epoch, self._lease_ms)
        except Exception as error:
            if not is_unavailable(error):
                log.exception("heartbeat failed; claims run out and others take over")
            return
        failpoint("heartbeat.renewed")
        for key, ours in kept.items():
            claims[key].extend(started) if ours else claims[key].lose()


_heartbeat: Heartbeat | None = None
_lock = threading.Lock()


def heartbeat_of(runtime: Runtime) -> Heartbeat:
    """The heartbeat of this process."""
    global _heartbeat  # noqa: PLW0603 - one per process is the point
    with _lock:
        if _heartbeat is None or not _heartbeat.serves(runtime):
            _heartbeat = Heartbeat(runtime)
        return _heartbeat
