"""The optimal trajectory of Almgren and Chriss, "Optimal execution of portfolio transactions", J. Risk 3(2), 2000.

Analysis in binary floating point: its results are weights and estimates, quantities are shared exactly elsewhere.
Units: time in days, prices in quote per base, quantities in base.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import asinh, cosh, exp, isfinite

#: e to this power is still a float
_LARGEST_EXPONENT = 600.0

#: what a weight is measured in; the smallest that is told from 0 is 10⁻¹² of the next slot's
_WEIGHT_PARTS = 2**40


class Degenerate(ValueError):
    """No trajectory follows from these figures; the message says which one is to blame."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Impact:
    """What trading costs and what waiting risks."""

    #: standard deviation of the price, in quote per √day
    sigma: float
    #: half the spread, in quote
    epsilon: float
    #: permanent impact: quote by which the price moves per base traded
    gamma: float
    #: temporary impact: quote per base at a rate of one base a day
    eta: float


def kappa(impact: Impact, risk_aversion: float, tau: float) -> float:
    """Urgency per day: holdings fall by half about every 0.7 / kappa days. ``tau``: days between two slices.

    cosh(kappa · tau) = 1 + kappa_tilde² · tau² / 2 with kappa_tilde² = lambda · sigma² / eta_tilde and
    eta_tilde = eta - gamma · tau / 2. By the half-angle formula that is sinh(kappa · tau / 2) = kappa_tilde · tau / 2,
    which keeps its digits where urgency is small. Raises Degenerate.
    """
    eta_tilde = impact.eta - impact.gamma * tau / 2
    if not (isfinite(eta_tilde) and eta_tilde > 0):
        raise Degenerate("the impact of trading comes out as nothing or less")
    if not (isfinite(impact.sigma) and impact.sigma > 0):
        raise Degenerate("the volatility is nothing")
    if not (isfinite(risk_aversion) and risk_aversion > 0):
        raise Degenerate("the risk aversion is 0")
    kappa_tilde = (risk_aversion / eta_tilde) ** 0.5 * impact.sigma
    urgency = 2 / tau * asinh(kappa_tilde * tau / 2)
    if not (isfinite(urgency) and urgency > 0):
        raise Degenerate("the urgency is beyond what can be computed")
    return urgency


def trades(urgency: float, tau: float, slices: int) -> Sequence[float]:
    """Shares of what is left in each of ``slices`` slices to the end; they fall, and sum to 1.

    n_j = X · 2 sinh(kappa · tau / 2) / sinh(kappa · T) · cosh(kappa · (T - (j - 1/2) · tau)); the first two factors
    are the same for all.
    """
    weights = [_cosh_from_end(urgency * tau, slices, index) for index in range(slices)]
    total = sum(weights)
    return [weight / total for weight in weights]


def trade_weights(urgency: float, tau: float, slices: int) -> Sequence[int]:
    """``trades`` as whole weights. Those of the last k slices are the same however many come before them, so that a
    plan made in the middle goes on along the same trajectory."""
    return [int(_cosh_from_end(urgency * tau, slices, index) * _WEIGHT_PARTS) for index in range(slices)]


def expected_cost(impact: Impact, tau: float, quantities: Sequence[float]) -> float:
    """Implementation shortfall expected of trading ``quantities`` one ``tau`` apart, in quote:
    gamma X² / 2 + epsilon · sum |n| + eta_tilde / tau · sum n²."""
    whole = sum(quantities)
    eta_tilde = impact.eta - impact.gamma * tau / 2
    return (
        impact.gamma * whole**2 / 2
        + impact.epsilon * sum(abs(quantity) for quantity in quantities)
        + eta_tilde / tau * sum(quantity**2 for quantity in quantities)
    )


def variance(impact: Impact, tau: float, quantities: Sequence[float]) -> float:
    """Variance of that shortfall, in quote²: sigma² · tau · sum of squared holdings after each slice."""
    holding, total = sum(quantities), 0.0
    for quantity in quantities[:-1]:
        holding -= quantity
        total += holding**2
    return impact.sigma**2 * tau * total


def _cosh_from_end(step: float, slices: int, index: int) -> float:
    """cosh of the distance to the end in units of 1 / kappa; relative to the first slice's where it is too far."""
    from_end = step * (slices - index - 0.5)
    furthest = step * (slices - 0.5)
    if furthest <= _LARGEST_EXPONENT:
        return cosh(from_end)
    return exp(from_end - furthest) * (1 + exp(-2 * from_end))
