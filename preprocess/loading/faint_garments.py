"""Segments garments that barely differ from their background: white on white, sheer, shadowed, on an uneven ground.

Here an edge decides, not a colour. The background is a smooth surface through the image's border, and what lies beyond
an edge from it is garment. Neither a soft shadow nor a gradient has an edge; their slopes tell them from cloth. How
much is an edge, and how much a difference, follows from the border's own noise.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from preprocess.conditioning.masks import coarsely_closed, dilated, eroded, from_border, outline
from preprocess.formats.images import Mask, Pixels
from preprocess.loading.ground.second_opinions import areas, large_pieces, settled
from preprocess.loading.ground.seen_background import Ground, hue_of, seen_against_border

F32 = NDArray[np.float32]

LONGEST = 512
"""Longest side in pixels at which a garment is searched; its outline is then refined in the image itself."""
_SEAL = 2
"""Radius in pixels of the gaps in an edge that the background does not pass through."""
_BAND = 3
"""Width in pixels of an edge's slope."""
_SHADOW = 6
"""Width in pixels of the shadow beside a garment whose slope may be taken for its edge."""
_STRETCH = 6.0
"""Levels per unit of L*a*b*, so that a faint edge is several levels high."""
_NEAR = (15, 15)
"""Window in pixels of the colours on both sides of an edge."""
_STRIPE = 10.0
"""Minimum distance in L*a*b* from the nearby background of cloth that is like neither side of an edge."""
_CHAMBER = 6
"""Radius in pixels of an area that is enclosed if the background only reaches it through narrower passages."""
_GAP = 0.01
"""Minimum area of an enclosed gap, as a share of the garment."""
_SPECK = 0.002
"""The same of an area that counts at all."""
_NOTCH = 0.1
"""Radius of the notches that may be cloth, as a share of the garment's longer side."""
_FLAT = 0.2
"""Distance in L*a*b* from the background within which an area is background, where nothing is shaded."""
_GRABCUT = 320
"""Longest side in pixels for GrabCut."""
_REACH = 8
"""Width in pixels, at that size, of the band on both sides of the outline that GrabCut decides."""
_CUTS = 3
"""Rounds of GrabCut."""
_SHADED = 3.0
"""Maximum shade of a gap, as a multiple of the shade around the garment: both of its sides keep light off."""
_SHARP = 1.0
"""Minimum slope of the edge around an area of background; a fold's is a third of it."""


class Opinions(NamedTuple):
    """A garment's mask (h, w) by its edges and by GrabCut, and the share of the first one's outline on edges."""

    edged: Mask
    cut: Mask
    on_edges: float


def faint_garment(pixels: Pixels, longest: int) -> Mask:
    """Return the mask (h, w) of a garment in RGB uint8 (h, w, 3), searched at ``longest`` pixels."""
    return grown(_garment(seen_against_border(reduced(pixels, longest))), pixels)


def two_opinions(pixels: Pixels) -> Opinions:
    """Return both masks of a garment in RGB uint8 (h, w, 3); the background decides where it can."""
    small = reduced(pixels, LONGEST)
    ground = seen_against_border(small)
    edged = _garment(ground)
    edged, cut = settled(edged, _cut_out(small, edged), ground)
    edged, cut = large_pieces(edged), large_pieces(cut)
    return Opinions(grown(edged, pixels), grown(cut, pixels), _on_edges(ground, edged))


def reduced(pixels: Pixels, longest: int) -> Pixels:
    """Return the image with its longest side at most ``longest``."""
    height, width = pixels.shape[:2]
    scale = min(1.0, longest / max(height, width))
    if scale == 1:
        return pixels
    size = max(1, round(scale * width)), max(1, round(scale * height))
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)


def grown(mask: Mask, pixels: Pixels) -> Mask:
    """Return the mask at the image's size."""
    height, width = pixels.shape[:2]
    if mask.shape == (height, width):
        return mask
    grown: Mask = cv2.resize(mask.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR) > 0.5
    return grown


def _garment(ground: Ground) -> Mask:
    """Return what the background at the border does not reach."""
    open_ground = ground.shade & (ground.slope < ground.edge)
    reached = _reached(open_ground)
    # The slope of an edge belongs to nobody yet: there a pixel is of the side whose colour it is nearer to.
    garment = _up_to_ridge(ground, reached)
    core, outside = eroded(garment, _BAND), ~dilated(garment, _BAND)
    garment = core | (~outside & ~core & _nearer(ground, core, outside))
    garment = large_pieces(dilated(eroded(garment, 1), 1))
    return large_pieces(_without_gaps(_without_leaks(garment, ground), ground))


def _up_to_ridge(ground: Ground, reached: Mask) -> Mask:
    """Return the garment without the steep part of a shadow: its outline is the steepest line around it."""
    whole = dilated(eroded(~reached, 2), 2)
    sure = eroded(whole, _SHADOW) | eroded(~ground.shade & whole, _BAND)
    markers = np.zeros(whole.shape, np.int32)
    markers[reached] = 1
    markers[sure] = 2
    stretched = np.clip(128 + ground.difference * np.float32(_STRETCH), 0, 255).astype(np.uint8)
    cv2.watershed(stretched, markers)
    garment = markers == 2
    garment[[0, -1]] = garment[[1, -2]]
    garment[:, [0, -1]] = garment[:, [1, -2]]  # watershed leaves the image's frame out
    return dilated(garment, 1) & whole


def _nearer(ground: Ground, inside: Mask, outside: Mask) -> Mask:
    """Return the pixels whose colour is more like the nearby inside's than the nearby outside's, or like neither's."""
    means = []
    for side in (inside, outside):
        weight = cv2.boxFilter(side.astype(np.float32), -1, _NEAR, normalize=False)
        total = cv2.boxFilter(ground.difference * side[..., None], -1, _NEAR, normalize=False)
        means.append(total / np.maximum(weight, 1.0)[..., None])
    towards = means[0] - means[1]
    nearer: Mask = ((ground.difference - (means[0] + means[1]) / 2) * towards).sum(axis=-1) > 0
    # The stripe at a garment's edge is neither background nor what lies next to it.
    contrast = np.maximum(np.square(towards).sum(axis=-1), _STRIPE * _STRIPE)
    nearer |= ~ground.shade & (np.square(ground.difference - means[1]).sum(axis=-1) > contrast)
    return nearer


def _reached(open_ground: Mask) -> Mask:
    """Return the open ground connected to the border through passages wider than the gaps of an edge.

    What widens behind a narrow passage is cloth whose edge is invisible there, or a gap between a sleeve and the body.
    """
    wide = eroded(open_ground, _CHAMBER)
    chambers = dilated(wide & ~from_border(wide), _CHAMBER + 1)
    passable = eroded(open_ground & ~chambers, _SEAL)
    return dilated(from_border(passable), _SEAL) & open_ground


def _without_leaks(garment: Mask, ground: Ground) -> Mask:
    """Fill notches that are cloth: the background entered where cloth and ground have one colour."""
    notches = eroded(coarsely_closed(garment, _NOTCH) & ~garment, 1)
    for notch in areas(notches, _SPECK * int(garment.sum())):
        if not _is_ground(notch, garment, ground):
            garment = garment | dilated(notch, 2)
    return garment


def _without_gaps(garment: Mask, ground: Ground) -> Mask:
    """Leave out areas of the background: gaps, e.g. between a sleeve and the body, and the narrow ends of notches."""
    like = dilated(eroded(garment & ground.shade & (ground.slope < ground.edge), 1), 1)
    size = int(garment.sum())
    for area in areas(like, _SPECK * size):
        is_notch = bool((dilated(area, 4) & ~garment).any())
        if (is_notch or area.sum() > _GAP * size) and _is_ground(area, garment, ground):
            garment = garment & ~dilated(area, 1)
    return garment


def _is_ground(area: Mask, garment: Mask, ground: Ground) -> bool:
    """Return whether an area beside or within a garment is background.

    It has the ground's hue, is shaded no more than the ground around the garment lets expect, and is sharply bounded.
    """
    beside = garment & dilated(area, 3) & ~area
    around = ~dilated(garment, 2) & dilated(garment, 10) & ~area
    if not beside.any():
        return True
    inner = eroded(area, 1)
    values = ground.difference[inner if inner.any() else area]
    if float(np.median(hue_of(values))) > ground.hue:
        return False
    shades = np.abs(ground.difference[around][:, 0])
    shaded = float(np.quantile(shades, 0.9)) if len(shades) else 0.0
    if float(np.quantile(np.abs(values[:, 0]), 0.75)) > _FLAT + _SHADED * shaded:
        return False
    steep = cv2.dilate(ground.slope, np.ones((5, 5), np.uint8))[beside]
    return float(np.median(steep)) > _SHARP


def _on_edges(ground: Ground, mask: Mask) -> float:
    """Return the share of the outline that lies on an edge."""
    ring = outline(mask)
    return float(dilated(ground.slope > ground.edge, 2)[ring].mean()) if ring.any() else 0.0


def _cut_out(pixels: Pixels, mask: Mask) -> Mask:
    """Return the garment as GrabCut separates it by colours and edges, starting from a mask; the same on every run."""
    height, width = mask.shape
    scale = min(1.0, _GRABCUT / max(height, width))
    size = max(1, round(scale * width)), max(1, round(scale * height))
    small = np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)
    start = cv2.resize(mask.view(np.uint8), size, interpolation=cv2.INTER_NEAREST).view(np.bool_)
    seeds = np.where(start, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    seeds[~dilated(start, _REACH)] = cv2.GC_BGD
    seeds[eroded(start, _REACH)] = cv2.GC_FGD
    if not (seeds == cv2.GC_FGD).any() or not (seeds == cv2.GC_BGD).any():
        return mask
    cv2.setRNGSeed(0)  # its clusters start at random
    cv2.grabCut(small, seeds, (0, 0, *size), np.zeros((1, 65)), np.zeros((1, 65)), _CUTS, cv2.GC_INIT_WITH_MASK)
    found = ((seeds == cv2.GC_FGD) | (seeds == cv2.GC_PR_FGD)).astype(np.float32)
    grown: Mask = cv2.resize(found, (width, height), interpolation=cv2.INTER_LINEAR) > 0.5
    return large_pieces(grown)
