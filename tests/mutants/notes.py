"""What `docs/mutants.md` says under its table."""

NOTES = """\
## The one that an experiment had missed

The experiment behind the commit step (390 trials with real kills) did not catch *updates without the epoch*. Two things
explain it.

- Where a **send** is taken over, the epoch is the second of two fences. Whoever claims a child whose sender is gone moves it
  to UNKNOWN in the same transaction, so that the version in the `WHERE` already keeps the old sender out. With one of the two
  gone nothing happens that the venue or the books would show (`move-without-the-epoch` and `move-without-the-version` are
  seen by the row alone); with both gone an old send's refusal plans a later one anew, and the venue has two orders
  (`move-without-epoch-and-version`).
- Where a **look** is taken over, it is the only one. A claim of a child that is UNKNOWN already changes neither its status nor
  its version. A look that has its proof and stands still; another look with the same proof; a new send, which has no answer
  either: the child is UNKNOWN again when the first look wakes up. It holds the proof that send 1 is absent, sees the status
  that it expects, and has send 3 made while send 2 is on its way. The epoch is raised twice in between, and nothing else tells
  the two moments apart (`proof-of-an-earlier-send`).

## What is not in the table

- Bugs that another fence makes harmless are in it only where a test looks at the fence itself; the column says what is seen.
- The simulation knows one gateway of its own: bugs in reading a venue's answers are caught with the paper venue.
- Bugs that show only between processes and a broker are looked at where they are set (`acknowledged-before-the-work`). A
  cell of the fault matrix can be named as well (`matrix:NAME`); none is yet, since a trial that is never over is tried again
  at a slower pace, and takes minutes to say so.
"""
