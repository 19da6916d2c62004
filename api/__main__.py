"""``python -m api``: the API of the configured deployment."""

import sys

from api.server import run
from settings import ConfigurationError, load_settings
from telemetry.start import start_telemetry


def main() -> int:
    try:
        settings = load_settings()
    except ConfigurationError as error:
        print(error, file=sys.stderr)  # noqa: T201 - there is no log yet
        return 2
    start_telemetry(settings, role="api", sentry_dsn=settings.sentry_dsn)
    run(settings)
    return 0


if __name__ == "__main__":
    sys.exit(main())
