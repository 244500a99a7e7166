"""Segments a garment by the outline of least cost around it: for cloth in the background's own colour.

White cloth in full light before white differs from it along its outline only, and not even there all the way. An edge
here is a change that is sharp, over a pixel or two: the margin of a shadow and the folds of cloth are soft. What has
another hue than shaded background, or is darker than the shadows beside the garment, is garment. Between that and the
image's border the outline of least cost is taken.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from preprocess.conditioning.masks import dilated, eroded, from_border, outline
from preprocess.formats.images import Mask, Pixels
from preprocess.loading.ground.enclosed_cloth import with_enclosed_cloth
from preprocess.loading.ground.gaps import mean_of, without_faded_notches, without_false_gaps, without_shadows
from preprocess.loading.ground.least_outline import least_outline
from preprocess.loading.ground.notched_prints import with_prints
from preprocess.loading.ground.second_opinions import areas, large_pieces
from preprocess.loading.ground.seen_background import TINT, background_of, hue_of, slope_of

F32 = NDArray[np.float32]

_SMOOTH = 0.9
"""Blur in pixels against noise."""
_WIDE = 3.0
"""Further blur under which an edge loses more of its slope than a shadow's margin or a fold does."""
_SHARPER = 1.3
"""Minimum ratio of the slopes without and with this blur at an edge."""
_FAINTEST = 0.05
"""Sharpness, in L*a*b* per pixel, of an edge that costs half as much as none."""
_ROUGH = 2.5
"""The same in multiples of the border's own."""
_RINGING = 0.06
"""The same as a share of the strongest edge within a block of JPEG, whose error is an edge too."""
_BLOCK = 17
"""Width in pixels of the area that JPEG's error around an edge spreads over."""
_LEAST_COST = 0.003
"""Cost of an outline along the clearest edge."""
_HUE = 1.2
"""Maximum distance of the background's own hue, in a*b*."""
_NOISES = 5.0
"""The same in multiples of its noise."""
_OTHER = 6.0
"""Distance in a*b* or L* beyond those limits that is garment for certain."""
_ERROR = 0.12
"""JPEG's error of colour, as a share of an edge's slope."""
_DARKEST = (45.0, 20.0)
"""Difference in L* that no shadow has, and what makes it certain."""
_RIM = 2
"""Width in pixels of an edge's blur."""
_CERTAIN = np.float32(0.3)
"""Preference of a pixel that is garment for certain."""
_DARKER = 0.02
"""Preference of a pixel 10 L* darker than the shadows beside the garment."""
_ALIKE = (0.06, 0.003)
"""Preference of the background's own colour; where it is white, cloth may well have it too."""
_WHITE = 253
"""Level of a white background."""
_SHADOWS = 2.0
"""Maximum darkness of a shadow, as a multiple of that beside the garment: both legs shade what is between them."""
_SHADED = 0.5
"""Minimum of that for there to be shadows."""
_DEEP = 3.0
"""Minimum of that for gaps to be told by their shadow."""
_UNEVEN = 1.0
"""Maximum noise of the background, in L*a*b*: of a studio's, not of a floor."""
_FAR = 12
"""Distance in pixels from the garment at which the background's surface is measured."""
_STEP = 0.4
"""Slope in L*a*b* per pixel that parts the background seen around a garment from what is within it."""
_SEAL = np.float32(2.0)
"""Preference of the image's border."""
_AREA = 0.001
"""Minimum area that is decided, as a share of the garment."""
_UNDECIDED = 0.15
"""Difference of the mean costs of two outlines within which neither is right for certain."""
_LARGE = 0.01
"""Minimum area that may be cloth before white, as a share of the garment, to doubt an outline that leaves it out."""
_DOUBT = 3.0
"""Loss of confidence per share of the garment in such areas."""
_PIECE = 0.03
"""Minimum area of a piece beside the outline that makes it doubtful, as a share of the garment."""


class Closed(NamedTuple):
    """A garment's mask (h, w), the share of its outline on edges, and a confidence that falls with doubtful areas.

    ``white``: whether the background is, so that cloth may have its very colour.
    """

    mask: Mask
    on_edges: float
    sure: float
    white: bool


def closed_outline(pixels: Pixels, other: Mask) -> Closed | None:
    """Return the garment in RGB uint8 (h, w, 3) within the outline of least cost; None on an uneven background.

    ``other`` is the garment as it is outlined otherwise: it may tell gaps in shadow, and doubt this outline.
    """
    smooth = cv2.GaussianBlur(pixels.astype(np.float32), (0, 0), _SMOOTH) / np.float32(255)
    lab = np.asarray(cv2.cvtColor(smooth, cv2.COLOR_RGB2LAB), np.float32)
    surface, known = background_of(lab)
    difference = lab - surface
    if not known.any() or _noise(difference, known) > _UNEVEN:
        return None
    white = float(np.median(pixels[known])) >= _WHITE
    slope = slope_of(difference)
    cost = _cost(difference, slope, known)
    scene = _Scene(slope, known, _ALIKE[1] if white else _ALIKE[0])
    first = least_outline(cost, _preference(difference, scene, 0.0), coarse=True)
    if not white:
        difference = _levelled(difference, first, slope)
    bright = least_outline(cost, _preference(difference, scene, 0.0))
    shade = _SHADOWS * _shade_beside(first, difference)
    shaded = least_outline(cost, _preference(difference, scene, shade)) if shade > _SHADED else bright
    cheap = _cheapest_near(cost)
    mask, doubtful = _decided(bright, shaded, cheap)
    mask = without_false_gaps(mask, cheap)
    mask = with_enclosed_cloth(mask, other, difference, _sharpness(difference, slope))
    whole, mask = mask, large_pieces(mask)
    doubtful += _dropped(whole, mask)
    if shade > _DEEP:
        mask = without_shadows(mask, other, cheap, -difference[..., 0] * np.float32(_SHADOWS / shade))
    if white:
        mask, faded = without_faded_notches(mask, slope)
        doubtful += faded
    mask = with_prints(mask, difference, cheap)
    doubtful += round(_DOUBT * _left_out(mask, other)) if white else 0
    return Closed(mask, _on_edges(mask, cost), max(0.0, 1.0 - doubtful / max(1, int(mask.sum()))), white)


class _Scene(NamedTuple):
    """The slopes (h, w), where (h, w) the border shows the background, and how much its colour speaks for it."""

    slope: F32
    known: Mask
    alike: float


def _noise(difference: F32, known: Mask) -> float:
    return float(np.quantile(np.sqrt(np.square(difference[known]).sum(axis=-1)), 0.75))


def _cost(difference: F32, slope: F32, known: Mask) -> F32:
    """Return what an outline costs at each pixel (h, w): little on an edge, in units of the image's own noise."""
    sharp = _sharpness(difference, slope)
    strongest = cv2.dilate(sharp, np.ones((_BLOCK, _BLOCK), np.uint8))
    half = np.maximum(max(_FAINTEST, _ROUGH * float(np.quantile(sharp[known], 0.9))), _RINGING * strongest)
    return np.asarray(np.maximum(1 / (1 + np.square(sharp / half)), _LEAST_COST), np.float32)


def _sharpness(difference: F32, slope: F32) -> F32:
    """Return how much steeper each pixel (h, w) is than a shadow's margin or a fold, in L*a*b* per pixel."""
    wide = slope_of(np.asarray(cv2.GaussianBlur(difference, (0, 0), _WIDE), np.float32))
    return np.asarray(np.maximum(slope - np.float32(_SHARPER) * wide, np.float32(0)), np.float32)


def _preference(difference: F32, scene: _Scene, shade: float) -> F32:
    """Return how much each pixel (h, w) looks like background, or, negative, like garment.

    ``shade``: how much darker than the background a shadow may be.
    """
    known = scene.known
    away = np.sqrt(np.square(difference).sum(axis=-1))
    noise, lightness = _noise(difference, known), difference[..., 0]
    hue = hue_of(difference)
    error = np.float32(_ERROR) * cv2.dilate(scene.slope, np.ones((_BLOCK, _BLOCK), np.uint8))
    own = max(_HUE, _NOISES * float(np.quantile(hue[known], 0.75))) - TINT * np.minimum(lightness, 0)
    own = np.minimum(own + error, np.maximum(own, 5.0))
    brighter = lightness - np.maximum(max(_HUE, _NOISES * noise), error)
    darker = (-lightness - _DARKEST[0]) / _DARKEST[1]
    other = np.clip(np.maximum(np.maximum(hue - own, brighter) / _OTHER, darker), 0, 1).astype(np.float32)
    certain = cv2.erode(other, np.ones((2 * _RIM + 1, 2 * _RIM + 1), np.uint8))
    alike = np.exp(-0.5 * np.square(away / max(0.6, 2 * noise)))
    beyond = np.clip((-lightness - 0.6 - 3 * noise - shade) / 10, 0, 1)
    preference = np.asarray(scene.alike * alike - _DARKER * beyond - _CERTAIN * certain, np.float32)
    frame = known.copy()
    frame[3:-3, 3:-3] = False
    preference[frame] = _SEAL
    return preference


def _levelled(difference: F32, garment: Mask, slope: F32) -> F32:
    """Return the difference from the background's surface as all of it shows it, not only the border.

    A white stripe that the ``garment`` so far leaves out is no background if an edge lies across its end.
    """
    height, width = garment.shape
    like = ~garment & (np.square(difference).sum(axis=-1) < _OTHER * _OTHER)
    seen = from_border(like & (slope < _STEP)) & ~dilated(garment, _FAR)
    weight = seen.astype(np.float32)
    small = max(1, width // 4), max(1, height // 4)
    blur = min(height, width) / 40
    weights, values = (
        cv2.GaussianBlur(cv2.resize(image, small, interpolation=cv2.INTER_AREA), (0, 0), blur)
        for image in (weight, difference * weight[..., None])
    )
    surface = cv2.resize(values / (weights + 1e-3)[..., None], (width, height), interpolation=cv2.INTER_CUBIC)
    return np.asarray(difference - surface, np.float32)


def _shade_beside(garment: Mask, difference: F32) -> float:
    """Return how much darker the background is beside the garment."""
    ring = dilated(garment, 10) & ~dilated(garment, 4)
    return float(np.quantile(np.maximum(-difference[..., 0][ring], 0), 0.75)) if ring.any() else 0.0


def _decided(bright: Mask, shaded: Mask, cheap: F32) -> tuple[Mask, int]:
    """Return the garment of two outlines, with and without shadows, and the number of pixels that stay doubtful.

    Each area that only one of them has belongs to the side from which no edge divides it.
    """
    mask, doubtful = bright & shaded, 0
    outside = ~(bright | shaded)
    for area in areas(bright ^ shaded, _AREA * float(bright.sum())):
        beside = dilated(area, 1) & ~area
        to_garment, to_ground = (mean_of(cheap, beside & dilated(side, 1)) for side in (mask, outside))
        if to_garment > to_ground:
            mask = mask | area
        if abs(to_garment - to_ground) < _UNDECIDED:
            doubtful += int(area.sum())
    return dilated(eroded(mask, 1), 1), doubtful


def _dropped(whole: Mask, kept: Mask) -> int:
    """Return the number of pixels of pieces that are no part of the garment: a striped sleeve may be in pieces."""
    return sum(int(piece.sum()) for piece in areas(whole & ~kept, _PIECE * float(kept.sum())))


def _left_out(mask: Mask, other: Mask) -> int:
    """Return the number of pixels of large areas that only another outline has."""
    cores = areas(eroded(other & ~mask, 1), _LARGE * float(mask.sum()))
    return sum(int(core.sum()) for core in cores)


def _cheapest_near(cost: F32) -> F32:
    return np.asarray(cv2.erode(cost, np.ones((3, 3), np.uint8)), np.float32)


def _on_edges(mask: Mask, cost: F32) -> float:
    """Return the share of the outline that lies on an edge."""
    ring = outline(mask)
    return float((cv2.erode(cost, np.ones((5, 5), np.uint8))[ring] < 0.5).mean()) if ring.any() else 0.0
