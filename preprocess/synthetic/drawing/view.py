"""From the body's coordinates to the image's: a person's place, size and turn.

Body coordinates are fractions of the person's height: X to the wearer's left, Y down from the crown, Z to the front.
Images have x to the right, y down and a depth towards the camera, all in pixels; the projection is parallel.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

Point = tuple[float, float, float]

HIP: Final = 0.505
"""Height of the hip joints below the crown; the body leans above them."""


@dataclass(frozen=True)
class Light:
    """Light on round bodies: its direction in the image and towards the camera, and its strength."""

    across: float = -0.42
    """To the image's right where positive"""
    towards: float = 0.86
    """To the camera"""
    down: float = -0.5
    """From below where positive; only folds of the varied set show it"""
    ambient: float = 0.62
    direct: float = 0.45


@dataclass(frozen=True)
class View:
    """Projection of a body into the image."""

    yaw: float
    """Turn in radians; 0 faces the camera, a quarter turn faces the image's right edge"""
    unit: float
    """The body's height, pixels"""
    x: float
    """Of the body's axis at the hip, pixels"""
    y: float
    """Of the crown, pixels"""
    lean: float = 0.0
    """Sideways slope of everything above the hip"""
    light: Light = Light()

    @property
    def cos(self) -> float:
        """Cosine of the yaw."""
        return math.cos(self.yaw)

    @property
    def sin(self) -> float:
        """Sine of the yaw."""
        return math.sin(self.yaw)

    def screen(self, point: Point) -> Point:
        """Return a body point as x, y, depth in pixels."""
        across, down, fore = point
        across += self.lean * max(HIP - down, 0.0)
        x = self.x + self.unit * (across * self.cos + fore * self.sin)
        return x, self.y + self.unit * down, self.unit * (fore * self.cos - across * self.sin)
