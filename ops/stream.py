"""``python -m ops.stream``: the process that listens to the venues' streams."""

import asyncio
import signal
import sys

import structlog

from settings import ConfigurationError, Settings, load_settings
from telemetry.start import start_telemetry

log = structlog.get_logger()


def main() -> int:
    try:
        settings = load_settings()
    except ConfigurationError as error:
        print(error, file=sys.stderr)  # noqa: T201 - there is no log yet
        return 2
    start_telemetry(settings, role="stream", sentry_dsn=settings.sentry_dsn)
    asyncio.run(_run(settings))
    return 0


async def _run(settings: Settings) -> None:
    from tasks.runtime import Runtime, use_runtime
    from tasks.stream_worker import StreamWorker
    from tasks.traffic import TrafficThread
    from workflows.streaming import Streaming

    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    runtime = Runtime(settings)
    use_runtime(runtime)
    teller = TrafficThread(runtime)
    teller.start()
    log.info("the streams are listened to", venues=[name for name, venue in settings.venues.items() if venue.streams])
    try:
        await Streaming(runtime, StreamWorker(runtime)).run(stop)
    finally:
        teller.stop()
        await asyncio.to_thread(teller.join, 5.0)
        runtime.close()


if __name__ == "__main__":
    sys.exit(main())
