"""The format of metrics.jsonl: one JSON object per line, one line per step and one per validation.

A validation's line has the key ``validation``. A killed process may leave its last line unfinished, and a resumed run
repeats steps: if two lines are about the same step, the later one counts.
"""

from __future__ import annotations

import json
import math
from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from common.atomic import write_atomically
from common.errors import writing
from common.progress import notice

TIME_RANGES: Final = 10
"""Equal ranges of t in [0, 1] whose validation losses are reported separately."""
COLUMNS: Final = (
    "step", "loss", "images_per_second", "data_wait", "memory_bytes", "skipped", "replaced",
    "grad_norm", "lr", "loss_scale", "tflops", "mfu",
)  # fmt: skip
"""The keys of a step's line."""
_MAX_STEP: Final = 2**53
"""Larger numbers are not exact as a float."""

Series = NDArray[np.float64]
"""(n,): one number per step; NaN if there is none."""


@dataclass(frozen=True)
class ValidationPoint:
    """One validation: its mean loss, and the mean loss of each range of t, NaN if there is none."""

    step: int
    loss: float
    by_time: tuple[float, ...]


@dataclass(frozen=True)
class MetricsSeries:
    """All of metrics.jsonl."""

    columns: Mapping[str, Series]
    """The numbers of the steps by column name, in order of steps."""
    validations: tuple[ValidationPoint, ...]
    """In the order of the steps."""
    unreadable: int
    """Lines that are neither a step's nor a validation's."""


class MetricsFile:
    """One metrics.jsonl, which need not exist."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def append(self, values: Mapping[str, Any]) -> None:
        """Append a line. Raise UserError if it cannot be written."""
        with writing(self.path), self.path.open("a") as file:
            file.write(json.dumps(values) + "\n")

    def truncate(self, step: int) -> dict[int, float]:
        """Keep the lines up to ``step``, sorted; return the validation losses by step.

        Damaged lines are dropped and counted in a notice, except an unfinished last one. Raise UserError if the file
        cannot be read or written.
        """
        with writing(self.path):
            lines = self._lines_up_to(step)
            write_atomically(self.path, b"".join(line.text + b"\n" for line in lines))
        return {line.step: line.validation for line in lines if line.validation is not None}

    def read(self) -> MetricsSeries:
        """Return all readable lines; none if the file is missing or unreadable."""
        numbers = array("d")  # for a million steps, objects would take a gigabyte
        validations: dict[int, ValidationPoint] = {}
        unreadable = 0
        for text in filter(bytes.strip, self._raw_lines()):
            if (values := _parse(text)) is None:
                unreadable += 1
            elif "validation" in values:
                validations[values["step"]] = _validation_point(values)
            else:
                numbers.extend(_number(values.get(name)) for name in COLUMNS)
        ordered = tuple(validations[step] for step in sorted(validations))
        return MetricsSeries(_columns(numbers), ordered, unreadable)

    def last_change(self) -> float:
        """Return the time of the last write in seconds since the epoch; 0 if there is no file."""
        try:
            return self.path.stat().st_mtime
        except OSError:
            return 0.0

    def _raw_lines(self) -> Iterator[bytes]:
        try:
            with self.path.open("rb") as file:
                yield from file
        except OSError:
            return

    def _lines_up_to(self, step: int) -> list[_Line]:
        """Return the lines up to a step in order, the later one of two about the same step."""
        texts = self.path.read_bytes().split(b"\n") if self.path.exists() else []
        lines = [_line(text) for text in texts]
        damaged = sum(line is None and text.strip() != b"" for line, text in zip(lines[:-1], texts[:-1], strict=True))
        if damaged:
            notice("trainer", f"{self.path}: {damaged} damaged line{'s' if damaged > 1 else ''} skipped")
        latest = {(line.step, line.validation is not None): line for line in lines if line and line.step <= step}
        return [latest[key] for key in sorted(latest)]


@dataclass(frozen=True, slots=True)
class _Line:
    """A line as written, and its values that truncation needs."""

    text: bytes
    step: int
    validation: float | None
    """The validation loss; None in a step's line."""


def _line(text: bytes) -> _Line | None:
    if (values := _parse(text)) is None:
        return None
    return _Line(text, values["step"], _number(values["validation"]) if "validation" in values else None)


def _parse(text: bytes) -> dict[str, Any] | None:
    """Return a line's values; None unless it has an integer step and, if a validation's, a numeric loss."""
    try:
        values = json.loads(text)
    except (ValueError, RecursionError):
        return None
    step = values.get("step") if isinstance(values, dict) else None
    if type(step) is not int or abs(step) > _MAX_STEP:
        return None
    return values if type(values.get("validation", 0)) in (int, float) else None


def _validation_point(values: Mapping[str, Any]) -> ValidationPoint:
    by_time = values.get("validation_by_t")
    losses = tuple(map(_number, by_time[:TIME_RANGES])) if isinstance(by_time, list) else ()
    return ValidationPoint(values["step"], _number(values["validation"]), losses)


def _columns(numbers: array[float]) -> dict[str, Series]:
    """Return the columns of the steps' lines, sorted by step, the last line of each step."""
    table = np.array(numbers, np.float64).reshape(-1, len(COLUMNS))[::-1]
    _, last = np.unique(table[:, 0], return_index=True)
    return dict(zip(COLUMNS, table[last].T, strict=True))


def _number(value: object) -> float:
    """Return a finite number as a float, anything else as NaN."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return math.nan
    try:
        number = float(value)
    except OverflowError:
        return math.nan
    return number if math.isfinite(number) else math.nan
