"""Decides between two outlines of one garment: areas that only one makes garment are held against the background.

Near strong edges a single pixel tells little, as JPEG spreads their colours over a block. Over an area that averages
out: it is garment if most of it has another hue than shaded background, and shadow if it has the background's hue, is
darker, and has no edge towards the background. What is neither stays as doubtful as it is.
"""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np

from preprocess.conditioning.masks import dilated, eroded, without
from preprocess.formats.images import Mask
from preprocess.loading.ground.seen_background import TINT, Ground, hue_of

_AREA = 0.0005
"""Minimum area that is decided, as a share of the garment; what is less is the outline's own breadth."""
_MOST = 0.25
"""Quantile of the hues in an area that must differ from the background's: three quarters of it."""
_BESIDE = 4
"""Distance in pixels from what both make garment within which an edge may be that garment's."""
_NEAR = 12
"""Distance in pixels from an area of the background that it is compared with."""
_SPREAD = 3
"""Distance in pixels that the colours of a garment spread."""
_BROAD = 2
"""Radius in pixels of an area that is more than noise."""
_OPEN = 0.3
"""Maximum share of a shadow's border to the background that lies on an edge."""
_PIECE = 0.15
"""Minimum area of a further piece (of a two-piece garment), as a share of the largest."""
_SOLID = 0.5
"""Minimum share of the border to the background that can be seen apart from the garment, for a shadow to be told."""


def settled(one: Mask, other: Mask, ground: Ground) -> tuple[Mask, Mask]:
    """Return both masks (h, w) of a garment with the areas in which the background tells which of them is right."""
    differ, both, neither = one ^ other, one & other, ~dilated(one | other, _BESIDE)
    steep = cv2.dilate(ground.slope, np.ones((3, 3), np.uint8)) > float(ground.edge.min())
    apart = ~dilated(both, _BESIDE)
    for core in areas(dilated(eroded(differ, 1), 1), _AREA * float(one.sum())):
        area = dilated(core, 2) & differ
        if _is_cloth(area, neither, ground):
            one, other = one | area, other | area
        elif _is_shadow(area, both, steep, apart, ground):
            one, other = one & ~area, other & ~area
    for area in _missed(one | other, ground):
        if _is_cloth(area, neither, ground):
            one, other = one | area, other | area
    return one, other


def _missed(found: Mask, ground: Ground) -> Iterator[Mask]:
    """Yield areas beside a garment whose hue is not that of shaded background, broader than colour spreads."""
    bound = ground.hue - TINT * np.minimum(ground.difference[..., 0], 0)
    coloured = without(hue_of(ground.difference) > bound, found)
    broad = dilated(eroded(without(coloured, dilated(found, _SPREAD)), _BROAD), _BROAD)
    for core in areas(broad, _AREA * float(found.sum())):
        area = dilated(core, _SPREAD + 1) & coloured
        if (dilated(area, 1) & found).any():
            yield area


def areas(mask: Mask, least: float) -> Iterator[Mask]:
    """Yield the pieces of a mask with the least area."""
    _, pieces, stats, _ = cv2.connectedComponentsWithStats(mask.view(np.uint8), connectivity=4)
    for number in np.flatnonzero(stats[1:, cv2.CC_STAT_AREA] > least) + 1:
        yield pieces == number


def large_pieces(mask: Mask) -> Mask:
    """Return the largest piece, and others that are large too."""
    _, pieces, stats, _ = cv2.connectedComponentsWithStats(mask.view(np.uint8), connectivity=8)
    areas = stats[:, cv2.CC_STAT_AREA].copy()
    areas[0] = 0
    kept: Mask = (areas >= max(1.0, _PIECE * areas.max()))[pieces]
    return kept


def _is_cloth(area: Mask, outside: Mask, ground: Ground) -> bool:
    """Return whether most of an area has a hue that shaded background does not have, or is brighter than it."""
    inner = eroded(area, 1)
    values = ground.difference[inner if inner.any() else area]
    beside = ground.difference[dilated(area, _NEAR) & outside]
    if len(beside):
        values = values - np.asarray(np.median(beside, axis=0), np.float32)
    lightness = float(np.median(values[:, 0]))
    bound = ground.hue - TINT * min(0.0, lightness)
    return float(np.quantile(hue_of(values), _MOST)) > bound or lightness > float(ground.least.min())


def _is_shadow(area: Mask, both: Mask, steep: Mask, apart: Mask, ground: Ground) -> bool:
    """Return whether an area in the background's hue is darker than it, and has no edge towards it."""
    if float(np.median(ground.difference[area][:, 0])) >= 0:
        return False
    border = dilated(area, 1) & ~area & ~both
    seen = border & apart
    if float(seen.sum()) < _SOLID * float(border.sum()) or not seen.any():
        return False
    return float(steep[seen].mean()) <= _OPEN
