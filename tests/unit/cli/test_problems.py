"""Problem documents as sentences."""

from __future__ import annotations

import pytest

from cli.problems import sentences

FIELD = {"field": "quantity", "rule": "must be a multiple of the lot", "value": "0.00001", "nearest": "0.0001"}


@pytest.mark.parametrize(
    ("problem", "status", "expected"),
    [
        ({"code": "NOT_FOUND", "detail": "There is no order x."}, 404, "NOT_FOUND: There is no order x."),
        ({"title": "Nope"}, 418, "HTTP_418: Nope"),
        ({}, 500, "HTTP_500: The API answered with status 500"),
        (
            {"code": "INVALID_REQUEST", "detail": "The request breaks a rule.", "errors": [FIELD]},
            422,
            (
                "INVALID_REQUEST: The request breaks a rule.\n"
                "  quantity must be a multiple of the lot, got 0.00001; the nearest that would do is 0.0001"
            ),
        ),
        (
            {"code": "X", "detail": "a must be b", "errors": [{"field": "a", "rule": "must be b"}]},
            422,
            "X: a must be b",
        ),
        (
            {"code": "X", "detail": "d", "errors": [{"field": "", "rule": "must be whole"}]},
            422,
            "X: d\n  the request must be whole",
        ),
        ({"code": "X", "detail": "d", "errors": ["odd"]}, 422, "X: d"),
    ],
)
def test_problem_reads_as_sentences(problem, status, expected):
    assert sentences(problem, status) == expected
