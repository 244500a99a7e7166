"""From a painted canvas to a photograph: camera, light's colour, tone curve, blur and noise.

Image, labels and keypoints go through the same deformation, so labels stay true. All of it is a function of the
photograph and ``frame`` alone: two outfits photographed alike differ nowhere but at their clothes.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from preprocess.synthetic.drawing.annotated import BACKGROUND, Drawing
from preprocess.synthetic.drawing.canvas import F32, HEIGHT, U8, WIDTH
from preprocess.synthetic.photography.photograph import Photograph

_CELLS: Final = (8, 14)
"""Cells of the random deformation across and down."""
_GRAIN: Final = (HEIGHT + 256, WIDTH + 256)


def develop(image: F32, labels: U8, keypoints: NDArray[np.float64], photograph: Photograph, frame: int) -> Drawing:
    """Return the photograph of a canvas, 0..255; ``view_point`` is 0.

    Keypoints that leave the image are absent.
    """
    rng = np.random.default_rng([photograph.seed, 24, frame])
    move = cv2.getRotationMatrix2D((WIDTH / 2, HEIGHT / 2), photograph.tilt, 1.0)
    wobble = rng.normal(0, photograph.wobble, (_CELLS[1], _CELLS[0], 2)).astype(np.float32)
    maps = _sources(move, wobble)
    lit = _expose(image, photograph)
    lit = np.asarray(cv2.remap(lit, *maps, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101), np.float32)
    if photograph.blur:
        lit = np.asarray(cv2.GaussianBlur(lit, (0, 0), photograph.blur), np.float32)
    left, top = int(rng.integers(256)), int(rng.integers(256))
    lit += np.float32(photograph.noise) * _grain()[top : top + HEIGHT, left : left + WIDTH, None]
    # The nearest source pixel, as OpenCV's fixed-point maps round differently from one build to the next.
    columns, rows = (np.rint(one).astype(np.int32) for one in maps)
    turned = labels[_reflected(rows, HEIGHT), _reflected(columns, WIDTH)]
    pixels: U8 = cv2.convertScaleAbs(np.maximum(lit, 0.0)).astype(np.uint8, copy=False)
    points = _moved(keypoints, move, maps, turned)
    return Drawing(pixels, turned, points, 0, photograph.quality)


def _sources(move: NDArray[np.float64], wobble: F32) -> tuple[F32, F32]:
    """Return the source column and row of every pixel."""
    back = cv2.invertAffineTransform(move)
    smooth = cv2.resize(wobble, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    xs = np.arange(WIDTH, dtype=np.float32)[None, :]
    ys = np.arange(HEIGHT, dtype=np.float32)[:, None]
    one, two = (
        (row[0] * xs + row[1] * ys + row[2] + smooth[..., axis]).astype(np.float32)
        for axis, row in enumerate(back.astype(np.float32))
    )
    return one, two


def _reflected(at: NDArray[np.int32], size: int) -> NDArray[np.int32]:
    """Return indices within an axis, mirrored at its ends as the image is."""
    inside: NDArray[np.int32] = (size - 1 - np.abs(size - 1 - np.abs(at))).astype(np.int32)
    return inside


def _expose(image: F32, photograph: Photograph) -> F32:
    """Return the image under the light's slope and colour, through the tone curve."""
    across = np.linspace(-1, 1, WIDTH, dtype=np.float32)[None, :] * np.float32(photograph.slope[0])
    down = np.linspace(-1, 1, HEIGHT, dtype=np.float32)[:, None] * np.float32(photograph.slope[1])
    factor = (1.0 + across + down)[..., None] * np.asarray(photograph.tint, np.float32)
    lit = np.clip(image * factor, 0.0, 255.0)
    levels = np.linspace(0, 1, 1025, dtype=np.float32) ** np.float32(photograph.gamma) * np.float32(255.0)
    curved: F32 = levels[np.rint(lit * np.float32(1024 / 255)).astype(np.int16)]
    return curved


@cache
def _grain() -> F32:
    """Return noise of unit variance, somewhat coarser than a pixel as a sensor's is after interpolation."""
    noise = np.random.default_rng(25).standard_normal(_GRAIN, dtype=np.float32)
    soft = cv2.GaussianBlur(noise, (0, 0), 0.6)
    return np.asarray(soft / soft.std(), np.float32)


def _moved(
    keypoints: NDArray[np.float64], move: NDArray[np.float64], maps: tuple[F32, F32], labels: U8
) -> NDArray[np.float64]:
    """Return the keypoints in the photograph; visible ones that the deformation put off the subject are occluded."""
    moved = np.zeros_like(keypoints)
    back = cv2.invertAffineTransform(move)
    for slot, (x, y, visible) in enumerate(keypoints.tolist()):
        if not visible:
            continue
        px, py = move @ (x, y, 1.0)
        column, row = (min(max(round(one), 0), size - 1) for one, size in ((px, WIDTH), (py, HEIGHT)))
        # What the deformation adds to the source there is taken away from the target.
        px -= float(maps[0][row, column] - (back[0] @ (column, row, 1.0)))
        py -= float(maps[1][row, column] - (back[1] @ (column, row, 1.0)))
        if 0.5 <= px <= WIDTH - 1.5 and 0.5 <= py <= HEIGHT - 1.5 and math.isfinite(px):
            lost = visible == 2 and labels[round(py), round(px)] == BACKGROUND
            moved[slot] = px, py, 1.0 if lost else visible
    return moved
