"""Garments before a plain background without any network: by colour, edges and GrabCut, as for Dress Code."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from preprocess.formats.images import Pixels
from preprocess.loading.plain_background import find_garment


class PlainGarments:
    """`GarmentSegmenter` for garments on a plain ground; on another its confidence is low."""

    def garment(self, image: Pixels) -> NDArray[np.float32]:
        """Return the confidence at each pixel of the garment, 0 elsewhere."""
        found = find_garment(image)
        return found.mask.astype(np.float32) * np.float32(found.confidence)
