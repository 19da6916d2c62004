"""API, beat and a worker on threads in one process: for machines where no broker runs, with Celery's ``memory://``.

The queues are lost with the process; the database's outbox and rescue send again what was in them.
"""

import contextlib
import importlib
import os
import runpy
import signal
import threading
from pathlib import Path

from ops.roles import QUEUES
from settings import load_settings

#: of the one worker; what waits on a venue holds a thread
THREADS = "24"


def main() -> None:
    settings = load_settings()
    from celery.beat import EmbeddedService

    from tasks import app

    # Before there are threads: two that import a package for the first time may each find the other's half of it.
    app.loader.import_default_modules()
    importlib.import_module("api.server")
    folder = settings.home / "beat"
    folder.mkdir(parents=True, exist_ok=True)
    beat = EmbeddedService(app, thread=True, schedule_filename=str(Path(folder, "schedule")))
    beat.daemon = True
    beat.start()
    threading.Thread(target=_serve, name="api", daemon=True).start()
    arguments = ["worker", "-n", "all@%h", "-Q", QUEUES, "-P", "threads", "-c", THREADS]
    app.worker_main([*arguments, "--without-mingle", "--without-gossip", "--loglevel", "INFO"])


def _serve() -> None:
    """The API's own entry point; without it the process is of no use, so its end is the end of all."""
    with contextlib.suppress(SystemExit):
        runpy.run_module("api", run_name="__main__")
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main()
