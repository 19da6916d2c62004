"""The document at /openapi.json: FastAPI's, with the components that the routes refer to."""

from collections.abc import Callable
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema

from api import describe

DESCRIPTION = """\
Executes crypto orders: every order once, every fill booked, nothing lost.

`client_order_id` is the idempotency key: sending the same request again is always safe.
Errors are `application/problem+json` with a stable `code`.
With API keys configured every `/v1` call needs `Authorization: Bearer KEY`.
"""


def describe_app(app: FastAPI) -> Callable[[], dict[str, Any]]:
    """A function that makes the document when it is first asked for, and keeps it."""
    made: dict[str, Any] = {}

    def openapi() -> dict[str, Any]:
        if not made:
            made.update(_document(app))
        return made

    return openapi


def _document(app: FastAPI) -> dict[str, Any]:
    document = get_openapi(title=app.title, version=app.version, description=DESCRIPTION, routes=app.routes)
    _, definitions = models_json_schema(
        [(model, "validation") for model in describe.COMPONENTS], ref_template="#/components/schemas/{model}"
    )
    components = document.setdefault("components", {})
    components["schemas"] = definitions["$defs"]
    components["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
    for path, methods in document["paths"].items():
        if path.startswith("/v1"):
            for operation in methods.values():
                operation["security"] = [{"key": []}, {}]
    return document
