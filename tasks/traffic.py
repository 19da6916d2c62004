"""What this process's gateways count and were shown is passed on to the whole deployment, every few seconds."""

import threading
from collections.abc import Mapping
from dataclasses import asdict

import structlog
from redis.exceptions import RedisError

from exchanges.last_shown import Noted
from exchanges.traffic import Happened, Traffic
from models.market_data import OrderBook
from models.reports import Quote
from models.shown_codec import shown_to_dict
from storage.redis_traffic import SILENT_S
from tasks.runtime import Runtime

log = structlog.get_logger()

EVERY_S = SILENT_S / 3


class TrafficThread(threading.Thread):
    """As long as the process lives. Where there is no Redis the counts stay in the process, and nobody sees them."""

    def __init__(self, runtime: Runtime, *, every_s: float = EVERY_S) -> None:
        super().__init__(name="traffic", daemon=True)
        self._runtime = runtime
        self._every_s = every_s
        self._stopping = threading.Event()

    def stop(self) -> None:
        """It says a last time what has happened, and ends."""
        self._stopping.set()

    def run(self) -> None:
        while not self._stopping.wait(self._every_s):
            tell(self._runtime)
            pass_on(self._runtime)
        tell(self._runtime, last=True)


def tell(runtime: Runtime, *, last: bool = False) -> None:
    """Add what happened since the last time; what can't be added now is added next time. Never raises."""
    shared = runtime.shared_traffic
    if shared is None or "gateways" not in runtime.__dict__:
        return  # a process that asks no venue makes no gateways for this
    for (venue, account), traffic in runtime.gateways.traffic().items():
        happened = traffic.take()
        try:
            present = {} if last else _present(traffic)
            shared.add(runtime.owner, venue, account, present=present, counts=_counts(happened))
        except RedisError as error:
            traffic.give_back(happened)
            log.warning("what goes over the venues' connections could not be told", error=str(error))
            return
        except Exception:
            log.exception("what goes over the venues' connections could not be told")
            return


def pass_on(runtime: Runtime) -> None:
    """What the venues showed since the last time, for those who only look. Never raises."""
    shared = runtime.shared_shown
    if shared is None or "gateways" not in runtime.__dict__:
        return
    for (venue, account), shown in runtime.gateways.shown().items():
        waiting = shown.take()
        try:
            while waiting:
                noted = waiting[-1]
                shared.save(venue, account, _name(noted), shown_to_dict(noted.value), age_s=shown.age_s(noted))
                waiting.pop()
        except RedisError as error:
            shown.give_back(waiting)
            log.warning("what the venues show could not be passed on", error=str(error))
            return
        except Exception:
            log.exception("what the venues show could not be passed on")
            return


def _name(noted: Noted) -> str:
    match noted.value:
        case Quote():
            return f"quote:{noted.symbol}"
        case OrderBook():
            return f"book:{noted.symbol}"
        case _:
            return "balances"


def _present(traffic: Traffic) -> Mapping[str, int]:
    present = asdict(traffic.connections())
    return present if any(present.values()) else {}


def _counts(happened: Happened) -> Mapping[str, int]:
    return {
        "took_us": happened.took_us,
        **{f"reply:{bucket}": count for bucket, count in enumerate(happened.replies)},
        **{f"error:{evidence}": count for evidence, count in happened.errors.items()},
    }
