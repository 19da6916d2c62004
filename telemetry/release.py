"""Which version this is, for reports and for /openapi.json."""

import tomllib
from functools import cache
from pathlib import Path


@cache
def release() -> str:
    """As pyproject.toml of the checkout says."""
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text("utf-8"))["project"]
    return str(project["version"])
