"""Request bodies: JSON of bounded size, read by its digits."""

import asyncio

from starlette.requests import ClientDisconnect, Request

from models.errors import FieldError, Refusal, shown
from models.exact_json import loads_exact

#: a request is a few hundred bytes
MAX_BODY_BYTES = 1024 * 1024
#: a client that trickles its body holds a connection, not a worker; this bounds even that
BODY_TIMEOUT_S = 15


class BodyTooLarge(Refusal):
    status = 413
    code = "BODY_TOO_LARGE"

    def __init__(self, size: str) -> None:
        error = FieldError(field="body", rule=f"must be at most {MAX_BODY_BYTES} bytes", value=size)
        super().__init__(f"The {error.sentence()}.", (error,))


class UnsupportedMediaType(Refusal):
    status = 415
    code = "UNSUPPORTED_MEDIA_TYPE"
    headers = {"accept": "application/json"}  # noqa: RUF012 - never changed

    def __init__(self, given: str | None) -> None:
        rule = "must be application/json, in UTF-8"
        error = FieldError(field="content-type", rule=rule, value=None if given is None else shown(given))
        super().__init__(f"The header {error.sentence()}.", (error,))


class BodyTooSlow(Refusal):
    status = 408
    code = "BODY_TOO_SLOW"
    headers = {"connection": "close"}  # noqa: RUF012 - never changed

    def __init__(self) -> None:
        super().__init__(f"The body did not arrive within {BODY_TIMEOUT_S} s. Nothing was done; send it again.")


async def read_object(request: Request) -> dict[str, object]:
    """The JSON object in the body. Raises Malformed, BodyTooLarge, UnsupportedMediaType."""
    body = await _read(request)
    _check_type(request.headers.get("content-type"))
    return loads_exact(body)


async def read_object_if_any(request: Request) -> dict[str, object]:
    """As ``read_object``; no body at all is an empty object."""
    body = await _read(request)
    if not body:
        return {}
    _check_type(request.headers.get("content-type"))
    return loads_exact(body)


async def _read(request: Request) -> bytes:
    length = request.headers.get("content-length", "")
    if length.isdecimal() and (len(length) > 12 or int(length) > MAX_BODY_BYTES):
        raise BodyTooLarge(f"{length[:20]} bytes")
    chunks: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            async for chunk in request.stream():
                size += len(chunk)
                if size > MAX_BODY_BYTES:
                    raise BodyTooLarge(f"more than {MAX_BODY_BYTES} bytes")
                chunks.append(chunk)
    except TimeoutError:
        raise BodyTooSlow from None
    except ClientDisconnect:
        raise BodyTooSlow from None  # nobody reads the answer; nothing was done
    return b"".join(chunks)


def _check_type(content_type: str | None) -> None:
    if content_type == "application/json":
        return
    kind, _, parameters = (content_type or "").partition(";")
    charset = parameters.strip().lower().replace('"', "").removeprefix("charset=")
    if kind.strip().lower() != "application/json" or charset not in ("", "utf-8", "utf8"):
        raise UnsupportedMediaType(content_type)
