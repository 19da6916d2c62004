"""What every request passes before it is routed: the gate, and the clock that measures it."""

from time import perf_counter

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.context import Context, context_of
from api.problems import refusal_problem
from models.errors import Refusal

#: stands for every path that does not exist: a scanner must not make a series per guess
NO_ROUTE = "none"

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Front:
    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = perf_counter()
        context = context_of(scope["app"])
        status = 500  # of an answer that never began

        async def noting_send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            context.gate.check(scope)
            await self._app(scope, receive, noting_send)
        except Refusal as refusal:
            await refusal_problem(refusal)(scope, receive, noting_send)
        finally:
            _observe(context, scope, status, perf_counter() - started)


def _observe(context: Context, scope: Scope, status: int, seconds: float) -> None:
    method = scope["method"] if scope["method"] in _METHODS else "other"
    route = getattr(scope.get("route"), "path", NO_ROUTE)
    context.metrics.observe(method, route, status, seconds)
