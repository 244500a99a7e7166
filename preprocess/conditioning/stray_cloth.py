"""Cloth under a wrong label: a cuff labelled as arm or trousers, cloth in the hair, a hem labelled as the next garment.

Labels that are off by an edge are corrected pixel by pixel near the garment (`agnostic`). What is wrong by more than
that is found by colour: starting from the garment, pixels that are far more likely cloth than their part of the body
are followed through the other labels, however far they reach.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from preprocess.conditioning.masks import box_of, dilated, largest_piece, subsampled, without
from preprocess.conditioning.skin_or_cloth import colour_bins, likelihood
from preprocess.formats.images import Mask, Pixels

Points = NDArray[np.float64]

_WORKING_SIDE = 220
"""The crop is searched at about this side, in pixels."""


class Part(NamedTuple):
    """A part of the person that may hold mislabelled cloth; masks (h, w)."""

    pixels: Mask
    own: Mask
    """Pixels whose colours are the part's own"""
    odds: float
    """Minimum odds of cloth over the part for a pixel to be cloth"""


CLOTHES_ODDS = 5.0
"""Odds for another garment, whose own colours may include stray cloth: a colour a fifth as frequent there is kept."""
HAIR_ODDS, SKIN_ODDS = 12.0, 20.0
"""Odds for hair and skin: their own colours are sampled around and in the face, and vary with the light elsewhere."""
_COMMON = 0.002
"""Minimum likelihood of a colour on the cloth; a rare colour is no evidence."""
_THICKNESS = 5
"""Minimum thickness of stray cloth at the working size, in pixels: folds and shadows are thinner."""
_ENOUGH = 12
"""Maximum ratio of a part's pixels to those whose colours are taken as its own."""
_NOTABLE = 0.004
"""Minimum share of the image that continues the garment in a region; less of it is found by its colours alone."""
_MOST = 0.6
"""Maximum share of a region that continues the garment: a larger one is a garment in the same cloth."""
_RUNS_ON = 5
"""Maximum border of continued cloth with its part, times where it touches the garment: stripes of a part run on."""
_SHARED = 0.35
"""Maximum overlap, of 1, of the colours on both sides of the border between cloth and the rest of its part."""
_TOUCHING = 2
"""Largest gap between stray cloth and the garment, or other stray cloth, at the working size."""


def stray_cloth(
    image: Pixels, worn: Mask, parts: Sequence[Part], hidden_limbs: Mask, garments: Sequence[Mask] = ()
) -> Mask | None:  # fmt: skip
    """Return the pixels of ``parts`` that show the garment, at the size of the image (h, w); None if there are none.

    ``hidden_limbs`` are pixels that are not shown and may be covered by mislabelled cloth, through which the garment
    is followed to a hand. ``garments`` are the other clothes' regions one by one. Pixels of ``worn`` are the
    garment's by their label. ``image`` is RGB uint8 (h, w, 3).
    """
    step = max(1, round(max(worn.shape) / _WORKING_SIDE))
    flat = [mask for part in parts for mask in (part.pixels, part.own)]
    small, (garment, limbs, *masks) = subsampled(image, (worn, hidden_limbs, *flat, *garments), step)
    masks, others = masks[: len(flat)], masks[len(flat) :]
    if not garment.any():
        return None
    cloth = likelihood(small, garment)
    bins = colour_bins(small)
    likely = cloth[bins]
    common = likely > _COMMON
    fabric, perhaps = np.zeros_like(garment), np.zeros_like(garment)
    for part, own, odds in zip(masks[::2], masks[1::2], (part.odds for part in parts), strict=True):
        if part.any() and own.any():
            alike = likelihood(small, own)[bins]
            rather = part & (likely >= alike)
            fabric |= part & common & (likely > odds * alike)
            if odds == CLOTHES_ODDS:
                fabric |= _islands(part, own, rather & common)
                for other in others:
                    fabric |= _continued(small, part & other, garment, likely, common, bins)
            perhaps |= rather
    if not fabric.any():
        return None
    kernel = np.ones((_THICKNESS, _THICKNESS), np.uint8)
    # The garment itself counts while thickness is measured: a cuff continues it.
    body = fabric | garment | (limbs & common)
    solid = cv2.morphologyEx(body.view(np.uint8), cv2.MORPH_OPEN, kernel).view(np.bool_)
    found = _connected(solid & without(body, garment), garment) & fabric
    if not found.any():
        return None
    # Its edges mix with other colours, and a print's colours are rare: next to what is sure, less evidence is enough.
    found |= perhaps & dilated(found, _THICKNESS)
    return _enlarged(found, worn.shape, step)


def _islands(part: Mask, own: Mask, cloth: Mask) -> Mask:
    """Return the pieces of the part, apart from its own pixels' pieces, of which at least half is like ``cloth``.

    A cuff labelled as trousers is a piece by itself, so its colours decide together: in stripes some are shared.
    """
    count, numbers = cv2.connectedComponents(part.view(np.uint8), connectivity=4)
    sizes, alike, owned = (np.bincount(numbers[mask], minlength=count) for mask in (part, cloth, own))
    chosen = (2 * alike >= sizes) & (_ENOUGH * owned < sizes) & (sizes >= _THICKNESS**2)
    chosen[0] = False
    return np.asarray(chosen[numbers])


def _continued(
    image: Pixels, part: Mask, garment: Mask, likely: NDArray[np.float32], common: Mask, bins: NDArray[np.int64]
) -> Mask:  # fmt: skip
    """Return what continues the garment into a part in colours that the rest of the part has not, up to an edge.

    A deep hem or a whole sleeve labelled as trousers is a large share of their colours, so these are taken from what
    does not continue the garment. Without an edge the light may merely change from one to the other, and stripes that
    the garment's colours share run on beside others. ``part`` is of one region: trousers in the top's cloth are no
    hem because bare legs are below them.
    """
    none = np.zeros_like(part)
    least = _NOTABLE * part.size
    alike = part & common
    if np.count_nonzero(alike) < least:  # the usual case, told before the costly steps
        return none
    found = _solid(alike, garment)
    rest = without(part, dilated(found, _TOUCHING))
    if not found.any() or np.count_nonzero(found) > _MOST * np.count_nonzero(part):
        return none
    sure = found & (likely > CLOTHES_ODDS * likelihood(image, rest)[bins])
    if 2 * np.count_nonzero(sure) < np.count_nonzero(found):
        return none
    found = _solid(sure, garment)
    if np.count_nonzero(found) < least:
        return none
    rest = without(part, dilated(found, _TOUCHING))
    inside, outside = found & dilated(rest, _THICKNESS), rest & dilated(found, _THICKNESS)
    if np.count_nonzero(inside) > _RUNS_ON * np.count_nonzero(found & dilated(garment, _TOUCHING)):
        return none
    if inside.any() and outside.any():
        shared = np.minimum(likelihood(image, inside), likelihood(image, outside)).sum()
        return found if shared < _SHARED else none
    return found


def _solid(cloth: Mask, garment: Mask) -> Mask:
    """Return the pixels of the cloth that are no thin line and connected to the garment."""
    kernel = np.ones((_THICKNESS, _THICKNESS), np.uint8)
    thick = cv2.morphologyEx((cloth | garment).view(np.uint8), cv2.MORPH_OPEN, kernel).view(np.bool_)
    return _connected(thick & cloth, garment)


def _connected(pieces: Mask, start: Mask) -> Mask:
    """Return the pieces that touch ``start``, directly or by way of others."""
    joined = dilated(pieces | start, _TOUCHING)
    _, numbers = cv2.connectedComponents(joined.view(np.uint8), connectivity=8)
    reached = np.zeros(int(numbers.max()) + 1, np.bool_)
    reached[numbers[start]] = True
    reached[0] = False
    return np.asarray(pieces & reached[numbers])


def _enlarged(found: Mask, shape: tuple[int, ...], step: int) -> Mask:
    """Return the mask at the image's size, grown by what lies between its sampled pixels."""
    height, width = shape
    large = np.kron(found.view(np.uint8), np.ones((step, step), np.uint8))[:height, :width]
    padded = np.zeros((height, width), np.uint8)
    padded[: large.shape[0], : large.shape[1]] = large
    return dilated(padded.view(np.bool_), step + 1)


def far_from(part: Mask, worn: Mask, points: Points, margin: int) -> Mask:
    """Return the part's pixels farther than ``margin`` from the garment and from the ``points`` (n, 2).

    No mislabelled cuff, hem or sleeve is expected there. If there are few such pixels, the whole part is returned.
    """
    if not part.any():
        return part
    near = dilated(worn, margin).view(np.uint8)
    for x, y in np.rint(points).astype(int).tolist():
        cv2.circle(near, (x, y), 3 * margin, 1, cv2.FILLED)
    far = largest_piece(without(part, near.view(np.bool_)))
    return far if _ENOUGH * np.count_nonzero(far) >= np.count_nonzero(part) else part


def beside(mask: Mask, other: Mask) -> Mask:
    """Return the mask's pixels above the lower edge of ``other``: for long hair, the part around the face."""
    box = box_of(other)
    if box is None:
        return mask
    upper = mask.copy()
    upper[box[0].stop :] = False
    return upper
