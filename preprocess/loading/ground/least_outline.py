"""Finds the outline that costs least: a cut between an image's border and what is certainly garment.

An outline costs little along an edge and much elsewhere, so that it bridges short gaps of an edge by a straight line
and never runs through even cloth. Minimising the total variation of a mask that may be partly garment has the same
minimum as the cut itself (Chan, Esedoglu and Nikolova, 2006); it is found by the primal-dual steps of Chambolle and
Pock (2011), from a coarse image to a fine one.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from preprocess.formats.images import Mask

F32 = NDArray[np.float32]

_STEPS = (300, 200, 120, 60)
"""Steps at each size of the image, the coarsest first: each has twice the width of the one before."""
_COARSE = (300, 150, 40)
"""The same where half the image's size will do."""
_STEP = np.float32(0.35)
"""Length of a step: its square times the gradient's norm, 8, must not exceed 1."""


def least_outline(cost: F32, preference: F32, coarse: bool = False) -> Mask:
    """Return the mask (h, w) with the least sum of its outline's cost and of its pixels' preference.

    ``cost``: of an outline's pixel, in [0, 1]; ``preference``: negative for garment, positive for background.
    """
    steps = _COARSE if coarse else _STEPS
    costs, preferences = [cost], [preference]
    for _ in _STEPS[1:]:
        costs.append(_least_of_four(costs[-1]))
        height, width = costs[-1].shape
        halved = cv2.resize(preferences[-1], (width, height), interpolation=cv2.INTER_AREA)
        preferences.append(np.asarray(halved * np.float32(2), np.float32))
    levels = list(zip(costs[::-1], preferences[::-1], strict=True))[: len(steps)]
    share = np.full(levels[0][0].shape, 0.5, np.float32)
    flow = np.zeros((2, *share.shape), np.float32)
    for (level_cost, level_preference), count in zip(levels, steps, strict=True):
        height, width = level_cost.shape
        share = np.asarray(cv2.resize(share, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)
        size = width, height
        parts = [
            np.asarray(cv2.resize(part, size, interpolation=cv2.INTER_NEAREST), np.float32)
            for part in (flow[0], flow[1])
        ]
        flow = np.stack(parts)
        _descend(share, flow, level_cost, level_preference, count)
    height, width = cost.shape
    whole: Mask = cv2.resize(share, (width, height), interpolation=cv2.INTER_LINEAR) > 0.5
    return whole


def _least_of_four(cost: F32) -> F32:
    """Return the least cost of each two by two pixels, with the last row and column repeated if they are odd."""
    height, width = cost.shape
    even = np.pad(cost, ((0, height % 2), (0, width % 2)), mode="edge")
    rows = np.minimum(even[::2], even[1::2])
    return np.asarray(np.minimum(rows[:, ::2], rows[:, 1::2]), np.float32)


def _descend(share: F32, flow: F32, cost: F32, preference: F32, steps: int) -> None:
    """Take steps towards the minimum, in place: ``share`` (h, w) of garment, and its dual, ``flow`` (2, h, w)."""
    ahead, before = share.copy(), np.empty_like(share)
    change, length = np.empty_like(share), np.empty_like(share)
    across, down = flow
    for _ in range(steps):
        np.subtract(ahead[:, 1:], ahead[:, :-1], out=change[:, 1:])
        across[:, :-1] += _STEP * change[:, 1:]
        np.subtract(ahead[1:], ahead[:-1], out=change[1:])
        down[:-1] += _STEP * change[1:]
        cv2.magnitude(across, down, length)
        np.maximum(length, cost, out=length)
        np.divide(cost, length, out=length)
        across *= length
        down *= length
        np.add(across, down, out=change)
        change[:, 1:] -= across[:, :-1]
        change[1:] -= down[:-1]
        change -= preference
        change *= _STEP
        np.copyto(before, share)
        share += change
        np.clip(share, 0, 1, out=share)
        np.subtract(share, before, out=ahead)
        ahead += share
