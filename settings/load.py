"""The environment, over ``steadfill.toml``, over defaults that run on one machine."""

import os
from collections.abc import Mapping

from pydantic import ValidationError

from settings.deployment import Settings
from settings.environment import Environment
from settings.errors import ConfigurationError
from settings.file import configuration_file, home_of, merged, read_file
from settings.origin import Origin
from settings.secret_values import resolve_secrets
from settings.sentences import sentences


def load_settings(environ: Mapping[str, str] | None = None, *, venue_secrets: bool = True) -> Settings:
    """The deployment's settings. Raises ConfigurationError.

    ``venue_secrets=False`` leaves the venues' keys unread and ``accounts`` empty: for a command that only speaks to
    the API, in a shell that need not hold them.
    """
    environ = os.environ if environ is None else environ
    path = configuration_file(environ)
    from_file = read_file(path) if path else {}
    from_environment = Environment(Settings, environ)()
    data = merged(merged({"venues": {"paper": {"paper": True}}}, from_file), from_environment)
    where = Origin(path, from_environment, written=data)
    data["home"] = home_of(data.get("home"), environ)
    if "?" in str(data["home"]) or "#" in str(data["home"]):
        raise ConfigurationError(
            f"{where('home')} must not contain ? or #, which a database URL can't hold. Choose another folder."
        )
    resolve_secrets(data, where, environ, venue_secrets=venue_secrets)
    try:
        return Settings(**data)
    except ValidationError as error:
        raise ConfigurationError("\n".join(sentences(error, where))) from None
