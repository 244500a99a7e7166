"""What drawing a picture gives, and annotating one: pixels, labels, keypoints."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from preprocess.synthetic.drawing.canvas import U8


@dataclass(frozen=True)
class Drawing:
    """A picture whose every pixel is known, or estimated."""

    image: U8
    """(h, w, 3) RGB; drawn ones (1280, 720, 3)"""
    labels: U8
    """(h, w), number of the region that is visible, 255 where there is none"""
    keypoints: NDArray[np.float64]
    """(17, 3): x and y in pixels, and 0 absent (x = y = 0), 1 occluded, 2 visible; COCO's order"""
    view_point: int
    """0 front, 1 back, -1 side"""
