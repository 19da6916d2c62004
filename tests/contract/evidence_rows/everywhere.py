"""What no venue means as an answer: proxies, outages, cut replies. The same for each of them."""

from __future__ import annotations

from tests.contract.evidence_rows.row import EIGHT, E, Row

HTML = "<html><body>Nothing of the kind</body></html>"
JSON = '{"message": "nothing of the kind"}'
NO_CODE = '{"code": "0", "retCode": 0, "error": [], "data": {}, "result": {}}'

#: status, body, evidence, whether it is an outage
ANSWERS: tuple[tuple[int, str, E, bool | None], ...] = (
    *((status, HTML, E.AMBIGUOUS, True) for status in (500, 502, 503, 504, 511, 520, 522, 524, 530)),
    *((status, JSON, E.AMBIGUOUS, True) for status in (500, 502, 503, 520, 524)),
    *((status, HTML, E.AMBIGUOUS, False) for status in (400, 404, 409)),
    *((status, HTML, E.AMBIGUOUS, None) for status in (402, 405, 407, 408, 410, 413, 422, 423, 425, 451)),
    (425, JSON, E.AMBIGUOUS, None),
    (407, JSON, E.AMBIGUOUS, None),
    (429, HTML, E.RATE_LIMITED, False),
    (418, HTML, E.RATE_LIMITED, False),
    (429, "", E.RATE_LIMITED, False),
    # A good status and no answer in it.
    (200, "", E.AMBIGUOUS, True),
    (200, HTML, E.AMBIGUOUS, True),
    (200, '{"orderId": 12', E.AMBIGUOUS, True),
    (200, "\x00\xff\x17", E.AMBIGUOUS, True),
    (200, "null", E.AMBIGUOUS, None),
    (200, "{}", E.AMBIGUOUS, None),
    (200, "[]", E.AMBIGUOUS, None),
    (200, '"ok"', E.AMBIGUOUS, None),
    (200, '{"hello": "world"}', E.AMBIGUOUS, None),
    (200, NO_CODE, E.AMBIGUOUS, None),
    (201, "", E.AMBIGUOUS, True),
    (202, "", E.AMBIGUOUS, True),
    (204, "", E.AMBIGUOUS, True),
    # Redirects are not followed: a signed order goes only where it was meant to go.
    *((status, "{}", E.AMBIGUOUS, None) for status in (301, 302, 303, 307, 308)),
    (307, HTML, E.AMBIGUOUS, None),
)

ROWS = [
    *(
        Row(venue, status, body, evidence, outage=outage)
        for venue in EIGHT
        for status, body, evidence, outage in ANSWERS
    ),
    *(Row(venue, 403, HTML, E.AMBIGUOUS) for venue in EIGHT if venue != "bybit"),
]
