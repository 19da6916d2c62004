"""The floor: the same framework and server with a route that does nothing, to tell our own time from theirs."""

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

app = FastAPI(openapi_url=None)


@app.get("/bare")
async def look(request: Request) -> Response:
    del request
    return Response(b"{}", media_type="application/json")


@app.post("/bare")
async def take(request: Request) -> Response:
    return Response(await request.body(), 201, media_type="application/json")
