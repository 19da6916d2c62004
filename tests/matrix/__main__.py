"""``python -m tests.matrix``: the fault matrix with the test servers of this machine.

``--quick`` is the part that `make test` runs; without it the whole matrix, which can be run in pieces: ``--shard 2/8``,
``--resume FILE``, ``--minutes 30``.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
from pathlib import Path

import pytest

from ops.chaos.cell import STACKS
from ops.chaos.command import BadRequest, Request, chaos
from ops.chaos.servers import Lent
from tests.support.processes import end_all
from tests.support.servers import postgres, rabbitmq

#: for lanes that take the place of broken ones
SPARE_VHOSTS = 2


def main() -> int:
    options = _parse()
    with contextlib.ExitStack() as until_end:
        lent, stacks = _servers(options, until_end)
        number, _, shards = options.shard.partition("/")
        request = Request(
            which="quick" if options.quick else "full",
            cells=tuple(options.cell or ()),
            stacks=stacks,
            minutes=options.minutes,
            count=options.cells,
            seed=options.seed,
            lanes=options.lanes,
            shard=(int(number), int(shards or 1)),
            resume=options.resume,
            report=options.report,
            lent=lent,
            keep=options.keep,
            again="python -m tests.matrix --cell '{cell}' --seed {seed}",
        )
        try:
            good = chaos(request, lambda line: print(line, flush=True))
        except BadRequest as error:
            print(error, file=sys.stderr)
            return 2
        finally:
            until_end.callback(end_all)
    return 0 if good else 1


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.matrix", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="the fixed part that `make test` runs")
    parser.add_argument("--cell", action="append", help="only this cell, or all that are named like it (*)")
    parser.add_argument("--stack", action="append", choices=STACKS)
    parser.add_argument("--shard", default="1/1", metavar="N/OF", help="every OF-th cell, beginning with the N-th")
    parser.add_argument("--resume", type=Path, help="add outcomes to this file; cells that it has are not tried again")
    parser.add_argument("--report", type=Path, help="write a page of Markdown about all of them")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--lanes", type=int, default=3)
    parser.add_argument("--minutes", type=float, help="hand out no more cells after this time")
    parser.add_argument("--cells", type=int, help="at most so many")
    parser.add_argument("--keep", action="store_true", help="leave the lanes' folders for a look")
    return parser.parse_args()


def _servers(options: argparse.Namespace, until_end: contextlib.ExitStack) -> tuple[Lent, tuple[str, ...]]:
    """PostgreSQL and RabbitMQ as other tests find them. A stack without its servers is left out; in CI that fails."""
    stacks: tuple[str, ...] = tuple(options.stack or STACKS)
    postgres_url: str | None = None
    vhosts: tuple[str, ...] = ()
    if any(stack.startswith("postgres") for stack in stacks):
        try:
            database = postgres.find_postgres()
        except pytest.skip.Exception as missing:
            print(f"LEFT OUT: the stacks on PostgreSQL. {missing}")
            stacks = tuple(stack for stack in stacks if not stack.startswith("postgres"))
        else:
            until_end.callback(database.close)
            postgres_url = database.admin_url
    if "postgres-rabbitmq" in stacks:
        try:
            broker = rabbitmq.find_rabbitmq()
        except pytest.skip.Exception as missing:
            print(f"LEFT OUT: the stack on RabbitMQ. {missing}")
            stacks = tuple(stack for stack in stacks if stack != "postgres-rabbitmq")
        else:
            until_end.callback(broker.close)
            vhosts = tuple(broker.create_vhost() for _ in range(options.lanes + SPARE_VHOSTS))
    return Lent(postgres_url=postgres_url, rabbitmq_urls=vhosts), stacks


if __name__ == "__main__":
    sys.exit(main())
