"""Polygons with few corners along a part of an outline: shoulder, cuff and waist are where one straight line ends."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]


def resampled(points: Points, count: int) -> Points:
    """Return ``count`` points at equal distances along a line of points (n, 2)."""
    steps = np.hypot(*np.diff(points, axis=0).T)
    along = np.concatenate([[0.0], np.cumsum(steps)])
    at = np.linspace(0.0, along[-1], count)
    return np.stack([np.interp(at, along, points[:, 0]), np.interp(at, along, points[:, 1])], axis=1)


def chord_errors(points: Points) -> NDArray[np.float64]:
    """Return (n, n): the sum of squared distances of the points i..j from the straight line between i and j."""
    count = len(points)
    x, y = (points - points[0]).T
    sums = [np.concatenate([[0.0], np.cumsum(part)]) for part in (x, y, x * x, y * y, x * y)]
    first, last = np.arange(count)[:, None], np.arange(count)[None, :]
    sx, sy, sxx, syy, sxy = (np.maximum(part[last + 1] - part[first], 0 if index in (2, 3) else -np.inf)
                             for index, part in enumerate(sums))  # fmt: skip
    number = last - first + 1
    x0, y0 = x[:, None], y[:, None]
    dx, dy = x[None, :] - x0, y[None, :] - y0
    xx = sxx - 2 * x0 * sx + number * x0 * x0
    yy = syy - 2 * y0 * sy + number * y0 * y0
    xy = sxy - x0 * sy - y0 * sx + number * x0 * y0
    squared = dx * dx + dy * dy
    error = (dy * dy * xx + dx * dx * yy - 2 * dx * dy * xy) / np.maximum(squared, 1e-9)
    # Of a line without a length, the distance from the point.
    error = np.where(squared < 1e-6, xx + yy, error)
    return np.where(last >= first, np.maximum(error, 0.0), np.inf)


def corners(points: Points, count: int, extra: NDArray[np.float64]) -> tuple[list[int], float]:
    """Return the corners' indices of the polygon with ``count`` inner corners that fits best, and its error.

    ``extra`` (count, n) is what it costs to put a corner at a point.
    """
    errors = chord_errors(points)
    costs = errors[0] + extra[0]
    came: list[NDArray[np.int64]] = []
    for number in range(1, count):
        both = costs[:, None] + errors
        came.append(both.argmin(axis=0))
        costs = both.min(axis=0) + extra[number]
    final = costs + errors[:, -1]
    chosen = [int(final.argmin())]
    for previous in reversed(came):
        chosen.append(int(previous[chosen[-1]]))
    return chosen[::-1], float(final.min())


def first_corner_costs(points: Points, count: int, extra: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (n,): for each point, the error of the best polygon (as of `corners`) whose first inner corner it is."""
    errors = chord_errors(points)
    rest = errors[:, -1]
    for number in range(count - 1, 0, -1):
        rest = (errors + (extra[number] + rest)[None, :]).min(axis=1)
    first: NDArray[np.float64] = errors[0] + extra[0] + rest
    return first


def straight(at: NDArray[np.int64] | NDArray[np.floating], values: Points) -> tuple[float, float]:
    """Return slope and value at 0 of the straight line that fits best."""
    x = at - at.mean()
    slope = float(x @ values / max(float(x @ x), 1e-9))
    return slope, float(values.mean() - slope * at.mean())
