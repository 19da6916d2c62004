"""What 3,000 markets weigh in a worker's child after twenty refreshes: ``python -m tests.bench.bench_markets``.

The child is forked after the import of ccxt, as a worker's are. Between two refreshes one market in a hundred changes,
and the child reads the shared document again as it does every half minute. Told is what the child has to itself (USS:
what it alone would give back) and what is resident with what it shares. Ends with 1 where the promise is missed.
"""

from __future__ import annotations

import argparse
import gc
import itertools
import json
import os
import sys
from contextlib import ExitStack
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.bench.bench_gateway import SYMBOL_INFO, further_symbols, http, serving

#: megabytes that the markets of SYMBOLS may add to a worker's child
PROMISED_MB, SYMBOLS = 60.0, 3_000
#: instances of the class that a busy child has made by the time
INSTANCES = 16
REFRESHES = 20
#: of the markets, those that are described otherwise at the next refresh
CHANGED_SHARE = 100
#: looks into the shared document between two refreshes
RELOADS = 5


def own_mb() -> float:
    """Memory that belongs to this process alone, in megabytes."""
    rollup = Path("/proc/self/smaps_rollup").read_text()
    sizes = {line.split(":")[0]: int(line.split()[1]) for line in rollup.splitlines()[1:]}
    return (sizes["Private_Clean"] + sizes["Private_Dirty"]) / 1024


def resident_mb() -> float:
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


def descriptions() -> list[bytes]:
    """The venue's answers, one for each refresh."""
    symbols = [SYMBOL_INFO, *further_symbols(SYMBOLS - 1)]
    answers = []
    for number in range(REFRESHES + 1):
        shown = [
            {
                **symbol,
                "orderTypes": ["LIMIT"] if (index + number) % CHANGED_SHARE == 0 else symbol["orderTypes"],
                "filters": filters(index),
            }
            for index, symbol in enumerate(symbols)
        ]
        answers.append(http({"symbols": shown}))
    return answers


def filters(index: int) -> list[dict[str, Any]]:
    """As they differ between the markets of a venue: some steps, few least values, a largest quantity of its own each."""
    tick, lot = f"{Decimal(1).scaleb(-(index % 7)):.8f}", f"{Decimal(1).scaleb(-(index % 5)):.8f}"
    own = {
        "PRICE_FILTER": {"minPrice": tick, "maxPrice": f"{1000 * (1 + index % 90)}.00000000", "tickSize": tick},
        "LOT_SIZE": {"minQty": lot, "maxQty": f"{9000 + index}.00000000", "stepSize": lot},
        "MARKET_LOT_SIZE": {"maxQty": f"{index + 7}.57512083"},
        "NOTIONAL": {"minNotional": f"{5 if index % 3 else 1}.00000000"},
    }
    shown: Any = SYMBOL_INFO["filters"]
    return [{**row, **own.get(row["filterType"], {})} for row in shown]


class Document:
    """What the processes share, in memory: only what a child keeps of it is to be weighed."""

    def __init__(self) -> None:
        self.body, self.at = "[]", None

    def load(self, venue: str, known: datetime | None = None) -> tuple[list[Any], datetime | None] | None:
        from models.instrument_codec import instrument_from_dict

        if known is not None and known == self.at:
            return None
        return [instrument_from_dict(values) for values in json.loads(self.body)], self.at

    def save(self, venue: str, instruments: Any) -> None:
        from models.instrument_codec import instrument_to_dict

        self.body = json.dumps([instrument_to_dict(instrument) for instrument in instruments])
        self.at = max(entry.fetched_at for entry in instruments)


def weigh(url: str) -> dict[str, float]:
    """In the child."""
    from exchanges.ccxt_gateway import CcxtGateway
    from exchanges.config import VenueConfig
    from exchanges.instruments import InstrumentCache

    gateway = CcxtGateway(VenueConfig(name="stub", ccxt_id="binance", base_url=url, timeout_ms=60_000))
    gateway.time()  # what a child has before it knows a market
    before_own, before_resident = own_mb(), resident_mb()
    ticks = itertools.count(step=1000)
    cache = InstrumentCache(Document(), lambda _: gateway.instruments(), ticks=lambda: float(next(ticks)))
    told: dict[str, float] = {}
    for number in range(REFRESHES + 1):
        assert len(cache.refresh("stub")) == SYMBOLS
        for _ in range(RELOADS):
            assert len(cache.all_of("stub")) == SYMBOLS
        if number == 0:
            with ExitStack() as held:  # as many as a busy child has made
                for _ in range(INSTANCES):
                    held.enter_context(gateway._caller._pool.instance())
        if number in {0, 1, 5, REFRESHES}:
            told[f"own, after {number} refreshes"] = own_mb() - before_own
            told[f"resident, after {number} refreshes"] = resident_mb() - before_resident
    return told


def weigh_in_child(url: str) -> dict[str, float]:
    import ccxt  # noqa: F401 - as the worker's parent has it

    gc.collect()
    gc.freeze()  # as a worker does before it forks
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writer, json.dumps(weigh(url)).encode())
        os._exit(0)
    os.waitpid(child, 0)
    said = os.read(reader, 10_000)
    os.close(reader)
    os.close(writer)
    found: dict[str, float] = json.loads(said)
    return found


@pytest.mark.bench
def test_what_markets_weigh_after_many_refreshes() -> None:
    assert measured()


def measured() -> bool:
    with serving(descriptions()) as url:
        found = weigh_in_child(url)
    for name, megabytes in found.items():
        print(f"{name:34} {megabytes:+8.1f} MB in a child")
    most = max(megabytes for name, megabytes in found.items() if name.startswith("own"))
    kept = most <= PROMISED_MB
    print(f"\n{'kept' if kept else 'MISSED'}: {SYMBOLS:,} markets weigh at most {PROMISED_MB:.0f} MB in a child")
    return kept


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    sys.exit(not measured())


if __name__ == "__main__":
    main()
