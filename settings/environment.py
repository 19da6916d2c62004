"""The variables ``STEADFILL_…``."""

from collections.abc import Mapping
from typing import Any

from pydantic_settings import BaseSettings, EnvSettingsSource, SettingsError

from settings.errors import ConfigurationError
from settings.origin import DEFAULT_FILE


class Environment(EnvSettingsSource):
    """pydantic-settings' own reading of variables, of a given mapping. An empty variable counts as not set."""

    def __init__(self, settings: type[BaseSettings], environ: Mapping[str, str]) -> None:
        self._environ = environ
        super().__init__(settings)

    def _load_env_vars(self) -> Mapping[str, str | None]:
        return {name.lower(): value for name, value in self._environ.items() if value != ""}

    def __call__(self) -> dict[str, Any]:
        try:
            return super().__call__()
        except SettingsError as error:
            field = str(error).split('"')[1] if '"' in str(error) else ""
            raise ConfigurationError(
                f"STEADFILL_{field.upper()} must be a JSON object. Set its keys one by one instead, "
                f"as in STEADFILL_{field.upper()}__NAME=value, or use {DEFAULT_FILE}."
            ) from None
