"""Adds cloth that an outline leaves out although a faint edge parts it from the background.

An outline of least cost runs around a white stripe rather than across its end: the stripe's sides are strong edges, its
end is a faint one. So the background is followed from the image's border once more, up to edges that are as faint as
its own noise lets see. What it does not reach, is beside the garment, and has not the background's colour, is cloth.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from preprocess.conditioning.masks import dilated, eroded, from_border
from preprocess.formats.images import Mask
from preprocess.loading.ground.second_opinions import areas
from preprocess.loading.ground.seen_background import hue_of

F32 = NDArray[np.float32]

_SEAL = 4
"""Radius in pixels of the gaps in an edge that the background does not pass through."""
_NOISE = (1.3, 0.98)
"""Sharpness of an edge that is none, as a multiple of a quantile of the background's own."""
_FAINTEST = 0.05
"""Minimum sharpness, in L*a*b* per pixel, of an edge."""
_FAR = 6
"""Distance in pixels from the garment at which the background's own sharpness is measured."""
_AREA = 0.001
"""Minimum area that is decided, as a share of the garment."""
_CLOSED = 0.7
"""Minimum share of an area's border to the background that lies on edges."""
_ATTACHED = 0.4
"""Minimum share of an area's border that is the garment's."""
_UNLIKE = (1.0, 2.5)
"""Minimum distance in L* and in a*b* of a colour that is not the background's."""
_BESIDE = (4, 10)
"""Distances in pixels from the garment between which a shadow is looked for."""
_SHADED = (0.95, 1.0)
"""Quantile of the darkness there, in L*, and the maximum without a shadow."""


def with_enclosed_cloth(mask: Mask, other: Mask, difference: F32, sharp: F32) -> Mask:
    """Return a garment's mask (h, w) with the cloth beyond faint edges.

    ``other``: the garment as it is outlined otherwise. ``difference``: (h, w, 3), the image's from its background in
    L*a*b*; ``sharp``: the sharpness (h, w) of its edges.
    """
    ground = ~dilated(mask | other, _FAR)
    if not ground.any():
        return mask
    multiple, quantile = _NOISE
    flat = sharp < max(_FAINTEST, multiple * float(np.quantile(sharp[ground], quantile)))
    reached = dilated(from_border(eroded(flat, _SEAL)), _SEAL + 1) & ~mask
    left_out, edge = ~(reached | mask), dilated(~flat, 1)
    beside = reached & dilated(mask, _BESIDE[1]) & ~dilated(mask | left_out, _BESIDE[0])
    shadows = _has_shadows(difference[..., 0][beside])
    added = mask.copy()
    for core in areas(eroded(left_out, 1), _AREA * float(mask.sum())):
        area = dilated(core, 1) & left_out
        border = dilated(area, 1) & ~area
        walls, mouth = border & mask, border & reached
        if walls.sum() < _ATTACHED * border.sum():
            continue
        if mouth.any() and float(edge[mouth].mean()) < _CLOSED:
            continue
        if _is_unlike_ground(difference[area], shadows):
            added |= area
    return added


def _has_shadows(lightness: F32) -> bool:
    """Return whether the background beside the garment (n,) is darker anywhere; the margin of a shadow is no edge."""
    quantile, most = _SHADED
    return bool(lightness.size) and float(np.quantile(-lightness, quantile)) > most


def _is_unlike_ground(values: F32, shadows: bool) -> bool:
    """Return whether most of the differences (n, 3) from the background cannot be its own; a shadow is darker."""
    lightness, hue = float(np.median(values[:, 0])), float(np.median(hue_of(values)))
    return lightness > _UNLIKE[0] or hue > _UNLIKE[1] or (lightness < -_UNLIKE[0] and not shadows)
