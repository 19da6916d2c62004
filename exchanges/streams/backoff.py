"""How long to wait before the next try to connect: pure."""

#: the first try after a break: most breaks are a server's own restart, over at once
FIRST_S = 0.5
#: Venues ban addresses that connect too often; Binance allows 300 connections in five minutes.
LONGEST_S = 30.0
#: the part of a wait that chance decides, so that many do not come back in one moment
JITTER = 0.5


def reconnect_delay_s(failures: int, chance: float) -> float:
    """Seconds to wait after ``failures`` (1, 2, …) tries that broke; ``chance`` is in [0, 1)."""
    whole = min(LONGEST_S, FIRST_S * 2.0 ** min(max(failures - 1, 0), 16))
    return whole * (1 - JITTER * chance)
