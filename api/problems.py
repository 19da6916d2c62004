"""Answers of the API: JSON, and problems as RFC 9457 has them, with a stable code and the fields that are wrong."""

import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus

from starlette.responses import Response

from models.errors import FieldError, Refusal, Unavailable

PROBLEM_TYPE = "application/problem+json"


class JsonResponse(Response):
    """Content that is ready for JSON: strings, numbers, lists and mappings. Never cached: an order moves on."""

    media_type = "application/json"

    def __init__(self, content: object, status_code: int = 200, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(content, status_code, {"cache-control": "no-store", **(headers or {})})

    def render(self, content: object) -> bytes:
        return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


class ProblemResponse(JsonResponse):
    media_type = PROBLEM_TYPE


def problem(
    status: int, code: str, detail: str, errors: Sequence[FieldError] = (), headers: Mapping[str, str] | None = None
) -> ProblemResponse:
    """``code`` is for programs and stays as it is; ``detail`` is a sentence for a person."""
    return ProblemResponse(
        {
            "type": "about:blank",
            "title": HTTPStatus(status).phrase,
            "status": status,
            "code": code,
            "detail": detail,
            "errors": [
                {"field": error.field, "rule": error.rule, "value": error.value, "nearest": error.nearest}
                for error in errors
            ],
        },
        status,
        headers,
    )


def refusal_problem(refusal: Refusal) -> ProblemResponse:
    headers = dict(getattr(refusal, "headers", None) or {})
    if isinstance(refusal, Unavailable):
        headers["retry-after"] = str(refusal.retry_after_s)
    return problem(refusal.status, refusal.code, refusal.message, refusal.errors, headers)
