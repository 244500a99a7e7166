"""Rows of figures in the tables of `trainer evaluate`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

Columns = Mapping[str, tuple[str, int]]
"""Figure → its column's title and number of decimals."""

_BASELINES = {"bicubic": "  bicubic baseline", "mean colour": "  mean colour", "Ia": "  Ia"}


def titles(columns: Columns, width: int = 9) -> str:
    """Return the line above the figures."""
    return _line("", [title for title, _ in columns.values()], width)


def figure_row(stage: str, size: int, row: str, figures: Mapping[str, float], columns: Columns, width: int = 9) -> str:
    """Return a row of figures; a baseline is labelled by its name, the stage's own images by stage and size."""
    cells = [f"{figures[key]:.{digits}f}" if key in figures else "–" for key, (_, digits) in columns.items()]
    return _line(_BASELINES.get(row, f"{stage}, {size}²"), cells, width)


def _line(name: str, cells: Sequence[str], width: int) -> str:
    return (f"{name:<18}" + "".join(f"{cell:>{width}}" for cell in cells)).rstrip()
