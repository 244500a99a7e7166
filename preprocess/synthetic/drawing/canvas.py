"""The canvas: colours, labels, and soft shadows between layers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from preprocess.synthetic.drawing.annotated import BACKGROUND
from preprocess.synthetic.drawing.palette import RGB

F32 = NDArray[np.float32]
U8 = NDArray[np.uint8]

WIDTH: Final = 720
HEIGHT: Final = 1280


@dataclass(frozen=True)
class Box:
    """A rectangle of whole pixels, clipped to the canvas; right and bottom are exclusive."""

    left: int
    top: int
    right: int
    bottom: int

    @staticmethod
    def around(left: float, top: float, right: float, bottom: float) -> Box:
        """Return the smallest box with two spare pixels around the given edges."""
        xs = [min(max(int(x), 0), WIDTH) for x in (left - 2, right + 3)]
        ys = [min(max(int(y), 0), HEIGHT) for y in (top - 2, bottom + 3)]
        return Box(xs[0], ys[0], xs[1], ys[1])

    @property
    def slices(self) -> tuple[slice, slice]:
        """Index of the box in an image."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    @property
    def empty(self) -> bool:
        """Whether the box holds no pixel."""
        return self.right <= self.left or self.bottom <= self.top

    def grid(self) -> tuple[F32, F32]:
        """Return x as (1, w) and y as (h, 1), pixel centres at whole numbers."""
        xs = np.arange(self.left, self.right, dtype=np.float32)
        ys = np.arange(self.top, self.bottom, dtype=np.float32)
        return xs[None, :], ys[:, None]


class Canvas:
    """Layers are painted from far to near; a later one hides the earlier ones."""

    def __init__(self, image: F32) -> None:
        """Take the background, float (1280, 720, 3) in 0..255; it is painted over."""
        self.image = image
        self.labels: U8 = np.full((HEIGHT, WIDTH), BACKGROUND, np.uint8)

    def paint(self, box: Box, cover: F32, colour: F32, label: int | U8 | None, shadow: float = 0.0) -> None:
        """Paint a layer.

        cover: (h, w) in 0..1; colour: (h, w, 3) or (3,), 0..255; label: one number, or (h, w) numbers, or None to
        keep what is there; shadow: 0..1, how much the layer darkens what lies beneath beside it.
        """
        if box.empty:
            return
        image, labels = self.image[box.slices], self.labels[box.slices]
        if shadow:
            halo = cv2.blur(cover, (21, 21)) * (labels != BACKGROUND)
            image *= (1.0 - np.float32(shadow) * halo)[..., None]
        image += cover[..., None] * (colour - image)
        if label is not None:
            solid = cover > 0.5
            labels[solid] = label[solid] if isinstance(label, np.ndarray) else label

    def spot(self, x: float, y: float, rx: float, ry: float, colour: RGB, strength: float = 1.0) -> None:
        """Paint an ellipse of radii (rx, ry) pixels without changing labels."""
        if min(rx, ry) < 0.3:
            return
        box = Box.around(x - rx, y - ry, x + rx, y + ry)
        self.paint(box, ellipse(box, x, y, rx, ry) * np.float32(strength), as_colour(colour), None)

    def pixels(self) -> U8:
        """Return the image as uint8 (1280, 720, 3) RGB."""
        pixels: U8 = cv2.convertScaleAbs(np.maximum(self.image, 0.0)).astype(np.uint8, copy=False)
        return pixels


def as_colour(colour: RGB) -> F32:
    """Return a colour as float (3,)."""
    return np.asarray(colour, np.float32)


def ellipse(box: Box, x: float, y: float, rx: float, ry: float) -> F32:
    """Return the coverage (h, w) of an ellipse with a smooth edge."""
    xs, ys = box.grid()
    radius = np.hypot((xs - x) / rx, (ys - y) / ry)
    cover: F32 = np.clip((1.0 - radius) * min(rx, ry) + 0.5, 0.0, 1.0).astype(np.float32)
    return cover


def studio(colour: RGB, floor: tuple[float, float, float] | None) -> F32:
    """Return a background (1280, 720, 3): lighter in the middle, with a shadow (x, y, half-width) on the floor."""
    ys, xs = np.mgrid[0:80, 0:45].astype(np.float32)
    glow = 1.015 - 0.10 * np.hypot((xs - 22.0) / 45.0, (ys - 34.0) / 80.0) ** 2
    small = as_colour(colour) * glow[..., None].astype(np.float32)
    image: F32 = cv2.resize(small, (WIDTH, HEIGHT), interpolation=cv2.INTER_LINEAR).astype(np.float32)
    if floor is not None:
        x, y, half = floor
        box = Box.around(x - half * 1.6, y - half * 0.5, x + half * 1.6, y + half * 0.5)
        gx, gy = box.grid()
        dark = np.exp(-2.2 * (((gx - x) / half) ** 2 + ((gy - y) / (half * 0.24)) ** 2))
        image[box.slices] *= (1.0 - 0.32 * dark)[..., None]
    return image
