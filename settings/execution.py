"""``[execution]`` and ``[breaker]``: how steps are tried, and when a venue account is left alone."""

from decimal import Decimal
from typing import Any, Self

from pydantic import Field, field_validator, model_validator

from models.algorithm import ALGORITHMS
from models.fill_policy import FILL_POLICIES
from models.request_fields import Fields
from models.request_parts import read_algorithm, read_fill_policy
from settings.section import Section, exactly


class Execution(Section):
    #: the algorithm and fill policy of orders that name none
    #: a name, or a table with the name and its parameters
    algorithm: str | dict[str, Any] = "single"
    fill_policy: str | dict[str, Any] = "accept_partial"
    #: tries of one step before its row waits for ``rescue``
    max_retries: int = Field(default=3, ge=0, le=100)
    #: milliseconds before the second try; doubled each time, ±25 % jitter
    retry_base_ms: int = Field(default=100, ge=1, le=60_000)
    retry_max_ms: int = Field(default=5_000, ge=1, le=600_000)
    #: milliseconds after which a step is taken over
    order_timeout_ms: int = Field(default=30_000, ge=1_000, le=3_600_000)
    #: seconds in which a market, IOC or FOK order must first be sent
    max_age_s: int = Field(default=60, ge=1, le=86_400)
    #: seconds after its time from which a slice of a schedule is planned anew and not sent
    late_slice_s: float = Field(default=5.0, ge=0.1, le=3_600)
    #: requests in flight at the venues
    max_concurrent_orders: int = Field(default=100, ge=1, le=10_000)
    #: false: orders become FOK
    enable_partial_fills: bool = True
    #: milliseconds a claim holds without a heartbeat, on the database's clock
    lease_ms: int = Field(default=3_000, ge=500, le=60_000)
    #: a market buy holds remaining × ask × (1 + this)
    market_hold_buffer: Decimal = Field(default=Decimal("0.02"), ge=0, le=1, allow_inf_nan=False)

    @field_validator("algorithm", "fill_policy")
    @classmethod
    def _can_be_taken(cls, value: str | dict[str, Any], info: Any) -> str | dict[str, Any]:
        """By the rules of a request, so that a default never makes a request wrong that names nothing."""
        name: str = info.field_name
        given = {"name": value} if isinstance(value, str) else exactly(value)
        fields = Fields({name: given}, (name,))
        if name == "algorithm":
            read_algorithm(fields, "single", ALGORITHMS)
        else:
            read_fill_policy(fields, "accept_partial", FILL_POLICIES)
        if fields.errors:
            raise ValueError("can't be used: " + "; ".join(error.sentence() for error in fields.errors))
        return value if isinstance(value, str) else given

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.retry_max_ms < self.retry_base_ms:
            raise ValueError(f"has retry_max_ms {self.retry_max_ms} under retry_base_ms {self.retry_base_ms}")
        return self


class Breaker(Section):
    #: failures within a minute, of all processes together, that open the breaker of one venue account
    failure_threshold: int = Field(default=5, ge=1, le=1_000)
    #: milliseconds from a venue's recovery until it is used again, at the latest
    recovery_timeout_ms: int = Field(default=60_000, ge=100, le=86_400_000)
