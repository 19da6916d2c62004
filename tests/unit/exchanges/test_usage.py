"""What venues say in their headers of how much they have counted."""

from __future__ import annotations

import pytest

from exchanges.protection.usage import RateUsage, rate_usage

#: 12:00:50 UTC
NOW_S = 1_893_499_250.0
DATE = "Tue, 01 Jan 2030 12:00:30 GMT"


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        pytest.param({}, None, id="nothing"),
        pytest.param({"X-MBX-USED-WEIGHT-1M": "many"}, None, id="no number"),
        pytest.param({"X-MBX-USED-WEIGHT-1M": "4800"}, RateUsage(used=960, resets_in_s=10), id="Binance, by our clock"),
        pytest.param(
            {"x-mbx-used-weight-1m": "4800", "Date": DATE}, RateUsage(used=960, resets_in_s=30), id="by the venue's"
        ),
        pytest.param(
            {
                "X-Bapi-Limit": "100",
                "X-Bapi-Limit-Status": "0",
                "X-Bapi-Limit-Reset-Timestamp": str(int(NOW_S * 1000) + 500),
            },
            RateUsage(used=100, limit=100, resets_in_s=0.5, one_endpoint=True),
            id="Bybit",
        ),
        pytest.param(
            {
                "X-Gate-RateLimit-Limit": "10",
                "X-Gate-RateLimit-Requests-Remain": "3",
                "X-Gate-RateLimit-Reset-Timestamp": str(int(NOW_S) - 1),
            },
            RateUsage(used=7, limit=10, resets_in_s=0, one_endpoint=True),
            id="Gate, in seconds and past",
        ),
        pytest.param(
            {"gw-ratelimit-limit": "4000", "gw-ratelimit-remaining": "1000", "gw-ratelimit-reset": "12500"},
            RateUsage(used=3000, limit=4000, resets_in_s=12.5),
            id="KuCoin",
        ),
        pytest.param(
            {"gw-ratelimit-limit": "4000", "gw-ratelimit-remaining": "0", "gw-ratelimit-reset": "99000000"},
            RateUsage(used=4000, limit=4000, resets_in_s=120),
            id="an end that can't be",
        ),
        pytest.param({"gw-ratelimit-limit": "0", "gw-ratelimit-remaining": "0"}, None, id="a limit of nothing"),
    ],
)
def test_the_headers_of_each_venue(headers: dict[str, str], expected: RateUsage | None) -> None:
    assert rate_usage(headers, NOW_S) == expected
