"""Failpoints: named stages at which a test, or an operator's chaos run, lets a process die, stop, wait or fail.

``failpoint("commit.intent.committed")`` stands right after what its name says (`catalog.STAGES`). Without
``STEADFILL_FAILPOINTS`` it costs one look at a module's variable (`tests/bench/bench_failpoints.py`).

``STEADFILL_FAILPOINTS="name=[p%][cnt*]task[(arg)][->task…];name2=…"``, the grammar of fail-rs, or ``@FILE`` with the same
text, one stage a line if you like: the file is read again when it changes, so that a running deployment can be armed
anew. With ``STEADFILL_FAILPOINTS_DIR`` the counts hold for all processes that share the directory, and each hit leaves a
file ``<stage>.<n>`` with the pid, which shows that the stage was reached.
"""

from failpoints.arming import failpoint, inherit, set_hook
from failpoints.faults import register_fault

__all__ = ["failpoint", "inherit", "register_fault", "set_hook"]
