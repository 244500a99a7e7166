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
_SMOOTH: Final = (WIDTH // 8, HEIGHT // 8)
_GRAIN: Final = (HEIGHT + 256, WIDTH + 256)


def develop(image: F32, labels: U8, keypoints: NDArray[np.float64], photograph: Photograph, frame: int) -> Drawing:
    """Return the photograph of a canvas, 0..255, which is changed; ``view_point`` is 0.

    Keypoints that leave the image are absent.
    """
    rng = np.random.default_rng([photograph.seed, 24, frame])
    move = np.asarray(cv2.getRotationMatrix2D((WIDTH / 2, HEIGHT / 2), photograph.tilt, 1.0), np.float64)
    across, down = _sources(move, rng.normal(0, photograph.wobble, (_CELLS[1], _CELLS[0], 2)).astype(np.float32))
    pixels = _exposed(image, photograph)
    pixels = np.asarray(cv2.remap(pixels, across, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101), np.uint8)
    pixels = np.asarray(cv2.LUT(pixels, _tones(photograph)), np.uint8)
    if photograph.blur:
        pixels = np.asarray(cv2.GaussianBlur(pixels, (0, 0), photograph.blur), np.uint8)
    left, top = int(rng.integers(256)), int(rng.integers(256))
    grain = np.float32(photograph.noise) * _grain()[top : top + HEIGHT, left : left + WIDTH]
    noise = np.rint(grain).astype(np.int16)
    pixels = np.asarray(cv2.add(pixels, cv2.merge((noise, noise, noise)), dtype=cv2.CV_8U), np.uint8)
    turned = np.asarray(cv2.remap(labels, across, down, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REFLECT_101), np.uint8)
    return Drawing(pixels, turned, _moved(keypoints, move, (across, down), turned), 0, photograph.quality)


def _sources(move: NDArray[np.float64], wobble: F32) -> tuple[F32, F32]:
    """Return the source column and row of every pixel."""
    back = np.asarray(cv2.invertAffineTransform(move), np.float32)
    xs = np.arange(WIDTH, dtype=np.float32)[None, :]
    ys = np.arange(HEIGHT, dtype=np.float32)[:, None]
    maps = []
    for axis in (0, 1):
        # Smooth at an eighth of the size; a cubic curve for every pixel would take as long as half a drawing.
        smooth = cv2.resize(np.ascontiguousarray(wobble[..., axis]), _SMOOTH, interpolation=cv2.INTER_CUBIC)
        source = np.asarray(cv2.resize(smooth, (WIDTH, HEIGHT), interpolation=cv2.INTER_LINEAR), np.float32)
        source += back[axis, 0] * xs + (back[axis, 1] * ys + back[axis, 2])
        maps.append(source)
    return maps[0], maps[1]


def _exposed(image: F32, photograph: Photograph) -> U8:
    """Return the image under a light that is stronger on one side."""
    across = np.linspace(-1, 1, WIDTH, dtype=np.float32) * np.float32(photograph.slope[0])
    down = np.linspace(1, -1, HEIGHT, dtype=np.float32)[:, None] * np.float32(-photograph.slope[1])
    rows = np.repeat(1.0 + across, 3)[None, :]
    flat = image.reshape(HEIGHT, WIDTH * 3)
    flat *= rows + down
    np.maximum(flat, 0.0, out=flat)
    return np.asarray(cv2.convertScaleAbs(image), np.uint8)


def _tones(photograph: Photograph) -> U8:
    """Return the levels (1, 256, 3) that the light's colour and the tone curve make of the drawn ones."""
    levels = np.arange(256, dtype=np.float64)[:, None] / 255 * np.asarray(photograph.tint)
    curve = np.clip(levels, 0, 1) ** photograph.gamma
    return np.asarray(np.rint(curve * 255), np.uint8)[None]


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
