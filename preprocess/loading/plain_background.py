"""Segments the garment in a product photograph with a plain background, for datasets without masks.

The background's colour is that of the image's border; its variation there determines how much a pixel must differ to
count as garment. Soft shadows, which have the background's hue and no edge towards it, are background. Enclosed areas
in the background's colour are prints if they are small, and gaps (e.g. next to a sleeve) if they are large.

The confidence is the share of the outline's pixels across which the colour changes clearly; it is 0 if the outline is
frayed, as with white cloth on a white background. What colour cannot tell is searched by its edges
(`faint_garments`), and cut out by GrabCut as a second opinion: their agreement is the confidence then, and the edges'
outline, refined at full size (`fine_outlines`), is the garment's. On an even background the outline of least cost
(`closed_outline`) is used instead where all of it lies on edges; where the two differ, its doubtful parts count more.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from preprocess.conditioning.masks import box_of, dilated, enclosed, eroded, largest_piece, longer_side, outline
from preprocess.faults import Fault, RecordError
from preprocess.formats.images import Mask, Pixels
from preprocess.loading.faint_garments import LONGEST, faint_garment, grown, reduced, two_opinions
from preprocess.loading.fine_outlines import refined, smooth_lab
from preprocess.loading.ground.closed_outline import closed_outline

Method = Literal["colour", "grabcut"]

_BORDER = 0.02
"""Width of the border, as a share of the image's shorter side."""
_PLAIN = 0.75
"""Share of the border that must have one colour: a sleeve may extend across the border."""
_DISTANCE = 6.0
"""Minimum distance in L*a*b* from the background's colour for a pixel to be foreground."""
_SPREADS = 4.0
"""The same in multiples of the border's own spread."""
_CLEAR = 12.0
"""Distance in L*a*b* across the outline that counts as a clear change."""
LEAST = 0.95
"""Minimum confidence to accept the garment."""
_HUE = 4.0
"""Maximum distance of a shadow's hue from the background's, in a*b*."""
_DARKEST = 40.0
"""Maximum difference in L* of a shadow from the background."""
_STEP = 0.8
"""Maximum change of L* between neighbouring pixels that does not count as an edge."""
_GAP = 0.01
"""Minimum area of an enclosed gap, as a share of the garment."""
_NOTCH = 0.015
"""Radius of the notches of a frayed outline, as a share of the garment's longer side."""
_FRAYED = 0.02
"""Maximum growth of a garment's area when its notches are closed."""
_RIM = 2
"""Width in pixels of the outline that mixes with the background, through the lens and the blur against noise."""
_RIM_AT = 768
"""Shorter side in pixels of the images of that rim; smaller ones have a narrower one."""
_CHECK = 256
"""Longer side in pixels at which the edges are compared with a garment found by its colour."""
_AGREED = 0.93
"""Minimum overlap of the two."""
_AGREED_IN_FULL = 0.95
"""The same at full size, with either the edges or GrabCut."""
_CLEARLY = 0.985
"""Confidence of a garment found by its colour below which the other ways are tried, too."""
_THIN = 0.02
"""Minimum share of a garment's outermost pixels for one pixel more or less along the outline to matter."""
_EXACT = 0.98
"""Minimum overlap of a garment found by its colour with its refined mask."""
_DOUBT_ALONE = 6.0
"""Loss of confidence per doubtful share of an outline of least cost where no other outline agrees with it."""
_DOUBT = 5.0
"""Loss of confidence per share of disagreement between edges and GrabCut, both refined."""
_SAME = 0.97
"""Minimum overlap of a garment by its colour or edges with that of the outline of least cost."""
_UNSEEN = 0.03
"""Share of an outline that may be invisible without a doubt."""
_SIZE = (0.05, 0.95)
"""Range of a garment's share of the image."""


class Found(NamedTuple):
    """A garment's mask (h, w), the confidence in [0, 1] that it is the garment's, and how it was found."""

    mask: Mask
    confidence: float
    method: Method


def garment_before(pixels: Pixels, path: str) -> Found:
    """Return the garment in RGB uint8 (h, w, 3). Raise RecordError if it is unclear."""
    found = find_garment(pixels)
    if found.confidence < LEAST:
        raise RecordError(
            Fault.UNCLEAR_GARMENT, path,
            f"the garment is separated from the background with confidence {found.confidence:.2f}, {LEAST} is required "
            f"(by {found.method}); remove the pair",
        )  # fmt: skip
    return found


def find_garment(pixels: Pixels) -> Found:
    """Return the garment: by colour if that is clear and the edges agree, else by edges, GrabCut and least outline."""
    mask, confidence = by_colour(pixels)
    clear = confidence >= LEAST
    if confidence >= _CLEARLY and _is_whole(mask) and _overlap(mask, faint_garment(pixels, _CHECK)) >= _AGREED:
        return Found(_without_shadow(pixels, mask), confidence, "colour")
    edged, cut, on_edges = two_opinions(pixels)
    closed = _closed(pixels, edged)
    colour_agrees = clear and max(_overlap(mask, edged), _overlap(mask, cut)) >= _AGREED_IN_FULL
    if colour_agrees and closed.confidence < LEAST:
        return Found(mask, confidence, "colour")
    scale = min(1.0, LONGEST / max(edged.shape))
    lab = smooth_lab(pixels)
    least = refined(lab, closed.mask, scale)
    within = least.without_rim(_rim(edged))
    if colour_agrees and _overlap(mask, within) >= _SAME:
        return Found(mask, confidence, "colour")
    by_edges = least if closed.mask is edged else refined(lab, edged, scale)
    agreed = _overlap(by_edges.mask, refined(lab, cut, scale).mask)
    sure = max(0.0, min(on_edges + _UNSEEN, 1.0 - _DOUBT * (1.0 - agreed)))
    if not _is_plausible(edged) or _fray(cut) > _FRAYED:
        sure = 0.0
    alike = closed.unlike_ground or _overlap(by_edges.mask, least.mask) >= _SAME
    if alike and closed.confidence < LEAST:
        return Found(by_edges.without_rim(_rim(edged)), sure, "grabcut")
    return Found(within, closed.confidence if alike else closed.alone, "grabcut")


class _Closed(NamedTuple):
    """A garment within the outline of least cost, its confidence, and whether edges alone will do without that.

    ``alone``: the confidence where no other outline agrees with it.
    """

    mask: Mask
    confidence: float
    alone: float
    unlike_ground: bool


def _closed(pixels: Pixels, edged: Mask) -> _Closed:
    """Return the garment within the outline of least cost, and how much of that lies on edges and is beyond doubt."""
    small = reduced(pixels, LONGEST)
    height, width = small.shape[:2]
    other = cv2.resize(edged.astype(np.float32), (width, height), interpolation=cv2.INTER_AREA) > 0.5
    found = closed_outline(small, other)
    if found is None:
        return _Closed(edged, 0.0, 0.0, unlike_ground=True)
    mask = grown(found.mask, pixels)
    confidence = min(found.on_edges, found.sure) if _is_plausible(mask) else 0.0
    alone = max(0.0, min(confidence, 1.0 - _DOUBT_ALONE * (1.0 - found.sure)))
    return _Closed(mask, confidence, alone, confidence < LEAST and not found.white)


def _without_shadow(pixels: Pixels, mask: Mask) -> Mask:
    """Return a garment found by its colour without the shadow along its outline, unless that is too thin to matter."""
    if float(outline(mask).sum()) < _THIN * float(mask.sum()):
        return mask
    fine = refined(smooth_lab(pixels), mask, 1.0)
    return mask if _overlap(fine.mask, mask) >= _EXACT else fine.without_rim(_rim(mask))


def _is_whole(mask: Mask) -> bool:
    """Return whether there are no enclosed gaps, which may be prints in the background's colour."""
    return not enclosed(mask).any()


def _is_plausible(mask: Mask) -> bool:
    """Return whether a garment's size and outline may be a garment's."""
    return _SIZE[0] <= float(mask.mean()) <= _SIZE[1] and _fray(mask) <= _FRAYED


def by_colour(pixels: Pixels) -> tuple[Mask, float]:
    """Return the mask (h, w) of what differs from the border's colour, and its confidence; 0 on an uneven ground."""
    lab = _lab(pixels)
    border = _border(lab.shape[:2])
    background = np.median(lab[border], axis=0)
    away = np.asarray(np.sqrt(np.square(lab - background).sum(axis=-1)), np.float32)
    spread = float(np.quantile(away[border], _PLAIN))
    least = max(_DISTANCE, _SPREADS * float(np.median(away[border])))
    differs = (away > least) & ~_shadow(lab, background)
    mask = largest_piece(_opened(_filled(differs)))
    mask = eroded(mask, _rim(mask))
    share = float(mask.mean())
    if spread > least or not _SIZE[0] <= share <= _SIZE[1] or _fray(mask) > _FRAYED:
        return mask, 0.0
    return mask, _clear_share(lab, mask)


def _overlap(one: Mask, other: Mask) -> float:
    """Return the intersection over union."""
    return float((one & other).sum()) / max(1, int((one | other).sum()))


def _rim(mask: Mask) -> int:
    """Return the width of the rim in an image of the mask's size."""
    return max(1, round(_RIM * int(min(mask.shape)) / _RIM_AT))


def _lab(pixels: Pixels) -> NDArray[np.float32]:
    smooth = cv2.GaussianBlur(pixels, (0, 0), 1.0).astype(np.float32) / np.float32(255)
    return np.asarray(cv2.cvtColor(smooth, cv2.COLOR_RGB2LAB), np.float32)


def _border(shape: tuple[int, ...]) -> Mask:
    width = max(2, round(_BORDER * min(shape)))
    border = np.ones(shape, np.bool_)
    border[width:-width, width:-width] = False
    return border


def _shadow(lab: NDArray[np.float32], background: NDArray[np.float32]) -> Mask:
    """Return the pixels connected to the border without an edge, through pixels that may be shaded background."""
    hue = np.sqrt(np.square(lab[..., 1:] - background[1:]).sum(axis=-1))
    darker = background[0] - lab[..., 0]
    shade = (hue < _HUE) & (darker < _DARKEST) & (darker > -_DISTANCE)
    # A one-pixel frame of background is the seed of the flood fill; 1 in the mask blocks the fill.
    light = np.pad(lab[..., 0], 1, constant_values=float(background[0]))
    barred = np.pad(~shade, 1, constant_values=False).view(np.uint8)
    reached = np.pad(barred, 1, constant_values=1)
    cv2.floodFill(light, reached, (0, 0), 0, _STEP, _STEP, 4 | cv2.FLOODFILL_MASK_ONLY | (2 << 8))
    shadow: Mask = reached[2:-2, 2:-2] == 2
    return shadow


def _filled(differs: Mask) -> Mask:
    """Fill small enclosed areas."""
    outside = np.pad(~differs, 1, constant_values=True).view(np.uint8)
    _, pieces, stats, _ = cv2.connectedComponentsWithStats(outside, connectivity=4)
    small = stats[:, cv2.CC_STAT_AREA] < _GAP * max(1, int(differs.sum()))
    small[[0, pieces[0, 0]]] = False
    filled: Mask = differs | small[pieces[1:-1, 1:-1]]
    return filled


def _fray(mask: Mask) -> float:
    """Return the share by which the mask grows when its notches are closed."""
    box = box_of(mask)
    if box is None:
        return 0.0
    radius = max(2, round(_NOTCH * longer_side(mask)))
    padded = np.pad(mask[box], 2 * radius)
    closed = ~dilated(~dilated(padded, radius), radius)
    return float(closed.sum()) / float(mask.sum()) - 1.0


def _opened(mask: Mask) -> Mask:
    return dilated(eroded(mask, 2), 2)


def _clear_share(lab: NDArray[np.float32], mask: Mask) -> float:
    """Return the share of the outline across which the colour changes clearly."""
    inside, outside = eroded(mask, 3), ~dilated(mask, 3)
    ring = outline(mask)
    if not ring.any():
        return 0.0
    window = (13, 13)
    means = []
    for side in (inside, outside):
        weight = cv2.boxFilter(side.astype(np.float32), -1, window, normalize=False)[ring]
        total = cv2.boxFilter(lab * side[..., None], -1, window, normalize=False)[ring]
        means.append(total / np.maximum(weight, 1)[:, None])
    across = np.sqrt(np.square(means[0] - means[1]).sum(axis=-1))
    return float((across > _CLEAR).mean())
