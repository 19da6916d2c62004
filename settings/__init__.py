"""What a deployment is configured with: the environment, over ``steadfill.toml``, over defaults that run on one machine.

Read only by the edges (tasks.runtime, api, cli, ops); everything below gets plain values as arguments.
Every error is a ConfigurationError: one sentence a line, naming the file or variable, the rule and what to do.
No secret is in a message or a repr. A new section is a class in a file of its own, a field of ``Settings`` and a row
of ``sentences.SECTIONS``.
"""

from settings.anomalies import Anomalies
from settings.backup import Backup
from settings.deployment import Settings
from settings.embedded import SOCKET_PATH_LIMIT, embedded_database_url, embedded_socket
from settings.errors import ConfigurationError
from settings.execution import Breaker, Execution
from settings.keys import DRY_RUN_KEYS, PAPER_KEYS, Credentials, KeyPair
from settings.load import load_settings
from settings.origin import DEFAULT_FILE
from settings.paper import PAPER_PORT, PaperVenue
from settings.positions import Positions
from settings.reconciliation import AssetTolerance, Reconciliation
from settings.records import Events, Messages
from settings.retention import Retention
from settings.venue import RateLimit, VenueSettings

__all__ = [
    "DEFAULT_FILE",
    "DRY_RUN_KEYS",
    "PAPER_KEYS",
    "PAPER_PORT",
    "SOCKET_PATH_LIMIT",
    "Anomalies",
    "AssetTolerance",
    "Backup",
    "Breaker",
    "ConfigurationError",
    "Credentials",
    "Events",
    "Execution",
    "KeyPair",
    "Messages",
    "PaperVenue",
    "Positions",
    "RateLimit",
    "Reconciliation",
    "Retention",
    "Settings",
    "VenueSettings",
    "embedded_database_url",
    "embedded_socket",
    "load_settings",
]
