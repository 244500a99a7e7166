"""The conditions of `prep subset --where`: FIELD OPERATOR VALUE, on the description of a sample.

A field is a path in the sample's JSON, as garment, person.crop.side or product_pose.origin; one that the JSON omits has
its usual value, as worn has true. Operators: = (or ==) and != compare texts, <, <=, > and >= numbers, ~ and !~ search a
text, or look for a value in a list. Nothing is evaluated as code.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from common.errors import UserError
from schemas import Sample

_ORDERS: dict[str, Callable[[float, float], bool]] = {
    "<=": operator.le, ">=": operator.ge, "<": operator.lt, ">": operator.gt,
}  # fmt: skip
_CONDITION = re.compile(r"^\s*([A-Za-z_][A-Za-z_0-9.]*)\s*(!=|!~|<=|>=|==?|~|<|>)\s*(.*?)\s*$")


@dataclass(frozen=True)
class Condition:
    """One condition, as it was given and taken apart."""

    text: str
    field: str
    sign: str
    value: str

    def holds(self, sample: Sample) -> bool:
        """Return whether a sample fulfils it. Raise UserError if it has no such field, or no number there."""
        found = self.found(sample)
        if self.sign in _ORDERS:
            try:
                return _ORDERS[self.sign](float(found), float(self.value))
            except (TypeError, ValueError) as error:
                raise UserError(f"--where {self.text}: {self.field} is {found!r}, and compared as a number") from error
        wanted = self.sign in ("=", "==", "~")
        value = self.value.lower() if isinstance(found, bool) else self.value
        if self.sign.endswith("="):
            return (as_text(found) == value) is wanted
        within = found if isinstance(found, list) else as_text(found)
        return (value in within) is wanted

    def found(self, sample: Sample) -> Any:
        """Return the field's value. Raise UserError if the sample has no such field."""
        value: Any = {**sample.model_dump(mode="json"), "worn": sample.worn}
        for name in self.field.split("."):
            if not isinstance(value, dict) or name not in value:
                known = ", ".join(value) if isinstance(value, dict) else "nothing below it"
                raise UserError(f"--where {self.text}: a sample has no field {self.field}; there is {known}")
            value = value[name]
        return value


def as_text(value: object) -> str:
    """Return a field's value as conditions have it: true and false are those of JSON."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def read_conditions(texts: Sequence[str]) -> list[Condition]:
    """Return the conditions. Raise UserError for one that is none."""
    conditions = []
    for text in texts:
        match = _CONDITION.match(text)
        if match is None:
            raise UserError(f"--where {text}: give FIELD=VALUE, or with !=, <, <=, >, >=, ~ (contains) or !~ for =")
        conditions.append(Condition(" ".join(text.split()), *match.groups()))
    return conditions
