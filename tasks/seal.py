"""Seal: entries of the books get their place in the hash chain, after their commit and with nobody waiting for it."""

import threading
import time

import structlog

from failpoints import failpoint
from storage import leases
from storage.engine import read, write
from storage.seals import ChainMoved, append, digests, last_seal, note_head, waiting_entries
from tasks.heartbeat import heartbeat_of
from tasks.outcomes import MovedOn
from tasks.runtime import Runtime
from tasks.step import step

log = structlog.get_logger()

LEASE = "seal"

#: Entries of one transaction: the only writer's lock of SQLite is held for some ten milliseconds.
BATCH = 500
#: What one run takes at most, well under a task's soft limit; what is left is for the next one.
RUN_S = 10.0


def seal(runtime: Runtime) -> str:
    """Seal what waits, in batches. One process at a time, by a lease with an epoch."""
    with read(runtime.engine) as conn:
        if not waiting_entries(conn, 1):
            return "nothing waits"
    owner = f"{runtime.owner}:{threading.get_ident()}"
    with write(runtime.engine) as conn:
        epoch = leases.take(conn, LEASE, owner=owner, lease_ms=runtime.settings.execution.lease_ms)
    if epoch is None:
        return MovedOn("somebody else is sealing")
    sealed = 0
    try:
        with heartbeat_of(runtime).keeping_lease(LEASE, epoch):
            give_up_at = time.monotonic() + RUN_S
            while True:
                batch = _seal_batch(runtime, epoch)
                sealed += batch
                if batch < BATCH or time.monotonic() > give_up_at:
                    break
            _note_head(runtime, epoch)
    except ChainMoved:
        return MovedOn(f"{sealed} sealed, then somebody else went on")
    finally:
        with write(runtime.engine) as conn:
            leases.give_back(conn, LEASE, epoch)
    return f"{sealed} sealed"


def _seal_batch(runtime: Runtime, epoch: int) -> int:
    """Hash outside of the transaction, for entries never change; then write the links, if the lease is still ours."""
    with read(runtime.engine) as conn:
        last = last_seal(conn)
        found = digests(conn, waiting_entries(conn, BATCH))
    if not found:
        return 0
    failpoint("seal.hashed")
    with write(runtime.engine) as conn:
        if not leases.holds(conn, LEASE, epoch):
            raise ChainMoved
        head = append(conn, last, found, at=runtime.now())
        failpoint("seal.appended")
    failpoint("seal.committed")
    if head is not None:
        log.info("ledger.sealed", entries=len(found), sequence=head.sequence, hash=head.hash)
    return len(found)


def _note_head(runtime: Runtime, epoch: int) -> None:
    """Once a day the head goes on record and into the log, to be noted elsewhere."""
    with write(runtime.engine) as conn:
        if not leases.holds(conn, LEASE, epoch):
            raise ChainMoved
        head = last_seal(conn)
        noted = head is not None and note_head(conn, head, runtime.now())
    if noted and head is not None:
        log.info("ledger.head", head=head.head)


seal_task = step("ledger.seal")(seal)
