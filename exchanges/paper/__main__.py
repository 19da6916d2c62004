"""``python -m exchanges.paper``: start a paper venue."""

import argparse
import asyncio
import sys
from typing import Any

from exchanges.paper.config import BadConfig, PaperConfig, read_json
from exchanges.paper.journal_file import JournalInUse
from exchanges.paper.server import serve
from exchanges.paper.tape import BadTape


def parser() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(
        prog="python -m exchanges.paper",
        description="A paper venue that speaks Binance's spot REST API. docs/paper-venue.md tells the rest.",
    )
    add = options.add_argument
    add("--config", help="JSON file (or JSON) with any of the settings below; options win over it")
    add("--home", help="folder of the journal and the port file (required)")
    add("--host", help="address to listen on (127.0.0.1)")
    add("--port", type=int, help="0 takes a free one; the `port` file and stdout name it (9100)")
    add("--seed", type=int, help="of the market and the faults (1)")
    add("--speed", help="market seconds per second (1)")
    add("--replay", help="CSV of trades (ts_ms,trade_id,price,qty,taker_side) for the first symbol")
    add("--market", help="walk: moves by itself; still: keeps its prices (walk)")
    add("--symbols", help="comma-separated (BTCUSDT,ETHUSDT,SOLUSDT)")
    add("--faults", help="fault plan: JSON or a file of it")
    add("--fee-maker", help="share of each fill (0.001)")
    add("--fee-taker", help="share of each fill (0.001)")
    add("--accounts", help="JSON or a file of it: [{name, key, secret, balances}] (two with paper keys)")
    add("--dedupe", help="open, always or never: when a client order id is refused as a duplicate (open)")
    add("--weight-limit", type=int, help="request weight per minute, 0 for none (6000)")
    add("--max-open-orders", type=int, help="per account and symbol (1000)")
    add("--amend", help="true or false: orders can be amended in place (true)")
    add("--clock-offset-ms", type=int, help="added to the venue's clock (0)")
    add("--fsync", action="store_true", default=None, help="also survive the loss of the machine")
    add("--exit-on-stdin-eof", action="store_true", help="stop when whoever started this is gone")
    return options


def main(arguments: list[str] | None = None) -> int:
    options = vars(parser().parse_args(arguments))
    exit_on_stdin_eof = bool(options.pop("exit_on_stdin_eof"))
    source = options.pop("config")
    try:
        settings: dict[str, Any] = dict(read_json(source)) if source else {}
        settings.update({name: value for name, value in options.items() if value is not None})
        config = PaperConfig.from_mapping(settings)
    except (BadConfig, OSError, ValueError) as error:
        return _fail(f"The paper venue can't start with these settings: {error}")
    try:
        run(config, exit_on_stdin_eof=exit_on_stdin_eof)
    except (JournalInUse, BadTape) as error:
        return _fail(f"The paper venue can't start: {error}")
    except OSError as error:
        return _fail(f"The paper venue can't run on {config.host}:{config.port} with home {config.home}: {error}")
    return 0


def run(config: PaperConfig, *, exit_on_stdin_eof: bool = False) -> None:
    """Serve until told to stop, on uvloop where it is there."""
    try:
        import uvloop

        runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
    except ImportError:
        runner = asyncio.Runner()
    with runner:
        runner.run(serve(config, exit_on_stdin_eof=exit_on_stdin_eof))


def _fail(message: str) -> int:
    print(message, file=sys.stderr)  # noqa: T201
    return 2


if __name__ == "__main__":
    sys.exit(main())
