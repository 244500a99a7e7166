"""Assigns a person's regions to worn garments, and checks whether the image agrees with the wearing list.

The rule: `outer_*` regions are the outermost top, which the list calls `main_top`; `inner_*` (and `dress_*`) are the
outermost top if nothing is worn over it, else the layer beneath. Two cases are ambiguous: the list names one top but
the parse has two layers, and the list names two but the parse has one. Then the colours of the product photograph are
compared with those in the image of the person, and the record is rejected if it remains unclear. If list and parse
agree on two layers, the colours can still overrule them.

A layer counts only above a minimum share of the top: a few pixels labelled as a coat, or as a shirt below one, are
noise.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from preprocess.conditioning.colours import distribution, histogram, smoothed
from preprocess.conditioning.masks import subsampled
from preprocess.conditioning.regions import LOWER, UPPER, AnyParse, LabelMap, area, garment_mask, names_of, pixels_of
from preprocess.formats.images import Mask, Pixels
from schemas import Crop, Garment

Palette = NDArray[np.float32]
"""Frequency of each colour: flat, sums to 1."""

_OUTER = frozenset(name for name in UPPER if name.startswith("outer"))
_BENEATH = UPPER - _OUTER
_LAYER = 0.05
"""Minimum share of the top's area for a layer: a coat worn open covers a fifth, a collar at its neckline a tenth."""
_CLEAR = 0.15
"""Minimum difference of two likenesses, in [0, 1], to be significant."""
_STEP = 3
"""Stride in rows and columns: ten thousand pixels are as informative as a hundred thousand."""
_BINS = (6, 16, 16)
"""Bins of L, a and b: lightness differs most between a product photograph and that of a person."""
_KERNELS = tuple(
    tuple(round(256 * math.exp(-0.5 * (step / width) ** 2)) / 256 for step in range(-3, 4)) for width in (1.0, 1.2, 1.2)
)
"""Colours are smoothed by about one bin, since the light differs too."""


def outermost(parse: AnyParse, garment: Garment) -> frozenset[str]:
    """Return the names of the regions covered by the garment that is tried on."""
    if garment == "lower":
        return LOWER
    if garment == "dress":
        return _BENEATH | LOWER
    return _OUTER if has_outer_layer(parse) else _BENEATH


def has_outer_layer(parse: AnyParse) -> bool:
    """Return whether something is worn over another top, or the only top is an outer one."""
    names = names_of(parse)
    return not _OUTER.isdisjoint(names) and (_BENEATH.isdisjoint(names) or _outer_share(parse) >= _LAYER)


def beneath(parse: AnyParse) -> frozenset[str]:
    """Return the names of the regions beneath the outermost top, none if there is only one layer."""
    return _BENEATH if has_outer_layer(parse) else frozenset()


def layers_in(parse: AnyParse) -> int:
    """Return the number of layers of tops in the parse, 1 or 2."""
    return 2 if has_outer_layer(parse) else 1


def _outer_share(parse: AnyParse) -> float:
    """Return the share of the top's area that is the outer layer's."""
    outer, inner = area(parse, _OUTER), area(parse, _BENEATH)
    return outer / max(1.0, outer + inner)


def contradicts_list(
    square: Pixels,
    labels: LabelMap,
    parse: AnyParse,
    listed: int,
    product: Callable[[], Palette | None],
    listed_beneath: Callable[[], Palette | None],
) -> bool:
    """Return whether the product may not be the outermost top of the person in the crop ``square``.

    ``listed`` is the number of tops listed. ``product`` and ``listed_beneath`` return the colours of the product and of
    the top listed beneath it; they are called only if list and parse do not decide, since the latter must be loaded.
    """
    layers = layers_in(parse)
    if layers == listed == 1:
        return False  # a single layer
    visible_beneath = pixels_of(labels, beneath(parse))
    visible = pixels_of(labels, outermost(parse, "upper"))
    if layers == 2 and _share(visible_beneath, visible) < _LAYER:
        return False  # the inner layer is not visible
    mine = product()
    worn = palette(square, visible)
    if layers == 1:
        return is_clearly_more_like(worn, listed_beneath(), mine)
    inner = palette(square, visible_beneath)
    wrong = is_clearly_more_like(mine, inner, worn)
    return wrong or (listed == 1 and not is_clearly_more_like(mine, worn, inner))


def _share(layer: Mask, other: Mask) -> float:
    """Return the first layer's share of the area of both, in [0, 1]."""
    pixels = cv2.countNonZero(layer.view(np.uint8))
    return pixels / max(1, pixels + cv2.countNonZero(other.view(np.uint8)))


def product_palette(pixels: Pixels, parse: AnyParse, factor: int) -> Palette | None:
    """Return the colours of a product's own cloth; ``pixels`` are at one ``factor``-th of the parse's size."""
    height, width = pixels.shape[:2]
    mask = garment_mask(parse, Crop(x=0, y=0, side=factor * max(width, height)), factor=factor)
    return palette(pixels, np.ascontiguousarray(mask[:height, :width]))


def palette(pixels: Pixels, mask: Mask) -> Palette | None:
    """Return the smoothed distribution of colours inside the mask, flat, sums to 1; None for an empty mask."""
    if not mask.any():
        return None
    small, (small_mask,) = subsampled(pixels, (mask,), _STEP)
    lab = np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2LAB), np.uint8)
    return distribution(smoothed(histogram(lab, small_mask, _BINS), _KERNELS))


def is_clearly_more_like(
    garment: Palette | None, one: Palette | None, other: Palette | None
) -> bool:  # fmt: skip
    """Return whether the garment's colours are clearly more similar to those of ``one`` than of ``other``."""
    if garment is None or one is None or other is None:
        return False
    return likeness(garment, one) > likeness(garment, other) + _CLEAR


def likeness(one: Palette, other: Palette) -> float:
    """Return the Bhattacharyya coefficient of two palettes, in [0, 1]."""
    return float(np.sqrt(one * other).sum())
