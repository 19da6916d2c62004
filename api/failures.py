"""What goes wrong becomes a problem: refusals, unknown paths and methods, and bugs, which show nothing of themselves."""

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match

from api.problems import problem, refusal_problem
from models.errors import Refusal, shown


def install(app: FastAPI) -> None:
    app.add_exception_handler(Refusal, _refused)
    app.add_exception_handler(HTTPException, _not_routed)
    app.add_exception_handler(Exception, _bug)


async def _refused(request: Request, error: Exception) -> Response:
    del request
    assert isinstance(error, Refusal)
    return refusal_problem(error)


async def _not_routed(request: Request, error: Exception) -> Response:
    """What the router itself answers: a path or a method that does not exist."""
    assert isinstance(error, HTTPException)
    if error.status_code == 405:
        allowed = ", ".join(_allowed(request))
        detail = f"{shown(request.method)} is not possible here; what is: {allowed}."
        return problem(405, "METHOD_NOT_ALLOWED", detail, headers={"allow": allowed})
    if error.status_code == 404:
        return problem(404, "NOT_FOUND", "There is nothing at this path. /openapi.json lists what there is.")
    return problem(error.status_code, f"HTTP_{error.status_code}", str(error.detail), headers=error.headers)


def _allowed(request: Request) -> list[str]:
    """Every method of the path, in all of its routes."""
    methods: set[str] = set()
    for route in request.app.routes:
        if route.matches(request.scope)[0] is not Match.NONE:
            methods |= getattr(route, "methods", None) or set()
    return sorted(methods)


async def _bug(request: Request, error: Exception) -> Response:
    """The server logs the error and its stack trace after this; the caller learns only that it was not their fault."""
    del request, error
    return problem(
        500,
        "INTERNAL_ERROR",
        "Something failed inside, and it was logged. Whether the request took effect is not known: "
        "send the same request again, which is safe, or look the order up by its client_order_id.",
    )
