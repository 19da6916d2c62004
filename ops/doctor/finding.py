"""One thing the doctor looked at."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    check: str
    #: warn: works, or is not started; fail: orders can't be executed like this
    state: Literal["ok", "warn", "fail"]
    message: str
    #: what to do; empty where nothing is to be done
    advice: str = ""
