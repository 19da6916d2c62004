"""What the sections of a configuration have in common."""

import difflib
from decimal import Decimal
from typing import Any, get_args

from pydantic import BaseModel, ConfigDict, model_validator

_NUMBERS = {int, float, Decimal}


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    @model_validator(mode="before")
    @classmethod
    def _truths_are_no_numbers(cls, given: Any) -> Any:
        """``failure_threshold = true`` would else be taken for 1."""
        for name, value in given.items() if isinstance(given, dict) else ():
            field = cls.model_fields.get(name)
            kinds = set() if field is None else {field.annotation, *get_args(field.annotation)}
            if isinstance(value, bool) and bool not in kinds and kinds & _NUMBERS:
                raise ValueError(f"has {name} = {str(value).lower()}, and that is no number")
        return given


def exactly(value: Any) -> Any:
    """What TOML read as binary floats, by the digits that they were written with."""
    if isinstance(value, float):
        return Decimal(repr(value))
    if isinstance(value, dict):
        return {name: exactly(one) for name, one in value.items()}
    return [exactly(one) for one in value] if isinstance(value, list) else value


def nearest(value: str, known: Any) -> str:
    close = difflib.get_close_matches(value, list(known), n=1, cutoff=0.5)
    return f"; the nearest is {close[0]}" if close else ""
