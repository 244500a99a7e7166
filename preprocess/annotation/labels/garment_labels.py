"""Estimates the outline and the landmarks of a photographed garment."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from preprocess.annotation.estimators.protocols import GarmentSegmenter
from preprocess.annotation.labels.confidence import Estimate, certainty, check
from preprocess.annotation.labels.product_outline import for_landmarks
from preprocess.conditioning.masks import Box, box_of, share_of
from preprocess.faults import Fault, RecordError
from preprocess.formats.images import Mask, Pixels
from preprocess.formats.stored_masks import StoredMask
from preprocess.loading.garment_masks import garment_mask_of
from preprocess.loading.garment_outline import UNSURE, estimate
from preprocess.synthetic.drawing.annotated import BACKGROUND, Drawing, region
from preprocess.synthetic.drawing.canvas import U8
from schemas import Garment

_HALF: Final = 0.5
_SMALLEST, _LARGEST = 0.02, 0.95
"""Smallest and largest share of the image that a garment may fill."""
_PART: Final = 0.15
"""A separate piece belongs to the garment if it has at least this share of the largest piece's size."""
_HOLE: Final = 0.002
"""Holes up to this share of the garment are filled: prints, but not the gap between sleeve and body."""
_MARGIN: Final = 0.08
_CUT_OFF: Final = 0.02
"""Share of the image's border above which a garment looks cut off."""
_VISIBLE: Final = (1, 1, 2)
"""Factor that marks known landmarks as visible, as in AI-Hub's files."""
_NAMES: Final[dict[Garment, str]] = {"upper": "torso", "lower": "hip", "dress": "torso"}
"""The region that the whole outline is written as."""


def estimate_garment(
    image: Pixels,
    kind: Garment,
    masks: GarmentSegmenter | None,
    *,
    least: float,
    name: str,
    given: StoredMask | None = None,
) -> Estimate:
    """Estimate outline and landmarks of a garment's front, RGB uint8 (h, w, 3).

    A mask that is ``given`` is used instead of an estimate, once it is seen to be the photograph's; ``masks`` may be
    None then. Raise RecordError if there is no garment or no background, or the confidence is below ``least``.
    """
    if given is not None:
        parse = garment_mask_of(given, image, name)
        notes = tuple(fault.meaning for fault in parse.faults)
        return _described(image, parse.mask(), kind, {}, notes, frozenset({"parse"}))
    assert masks is not None, "a segmenter is needed"
    mask, sure = _estimated(image, masks, name)
    notes = check(sure, least, name)
    if _on_rim(mask) > _CUT_OFF:
        notes = (*notes, "reaches the image's edge, perhaps cut off")
    return _described(image, mask, kind, sure, notes)


def _estimated(image: Pixels, masks: GarmentSegmenter, name: str) -> tuple[Mask, dict[str, float]]:
    """Return the garment's mask and its confidence.

    The mask is estimated twice, the second time on a crop around the first, so that it is as fine for a small garment
    as for a large one.
    """
    first = masks.garment(image)
    box = _around(_largest(first > _HALF))
    if box is None:
        raise RecordError(Fault.NO_GARMENT, name, "no garment found; lay it on a plain background of another colour")
    probability = np.zeros_like(first)
    probability[box] = masks.garment(np.ascontiguousarray(image[box]))
    mask = _largest(probability > _HALF)
    share = share_of(mask)
    if share < _SMALLEST:
        raise RecordError(Fault.NO_GARMENT, name, f"the garment fills only {share:.1%} of the photo; go nearer")
    if share > _LARGEST:
        raise RecordError(
            Fault.NO_BACKGROUND, name, "the garment fills the photo; step back until its outline is visible"
        )
    return mask, {"garment": certainty(probability, mask)}


def _described(
    image: Pixels,
    mask: Mask,
    kind: Garment,
    sure: dict[str, float],
    notes: tuple[str, ...],
    given: frozenset[str] = frozenset(),
) -> Estimate:
    """Return a garment's outline with the landmarks that follow from it."""
    points, plain = estimate(for_landmarks(mask, kind), kind)
    if plain < UNSURE:
        notes = (*notes, f"unsure landmarks ({plain:.2f})")
    labels = np.where(mask, region(_NAMES[kind], "item"), BACKGROUND).astype(np.uint8)
    return Estimate(Drawing(image, labels, points * _VISIBLE, 0), sure, notes, given)


def _largest(mask: Mask) -> Mask:
    """Return the mask's largest piece and those of similar size, with small holes filled."""
    _, numbers, stats, _ = cv2.connectedComponentsWithStats(mask.view(np.uint8), connectivity=8)
    sizes = stats[1:, cv2.CC_STAT_AREA]
    if not sizes.size:
        return mask
    kept = np.concatenate([[False], sizes >= _PART * sizes.max()])
    return _filled(kept[numbers])


def _filled(mask: Mask) -> Mask:
    _, numbers, stats, _ = cv2.connectedComponentsWithStats((~mask).view(np.uint8), connectivity=4)
    small: NDArray[np.bool_] = stats[:, cv2.CC_STAT_AREA] < _HOLE * np.count_nonzero(mask)
    small[0] = False
    whole: Mask = mask | small[numbers]
    return whole


def _around(mask: Mask) -> Box | None:
    box = box_of(mask)
    if box is None:
        return None
    longer = max(side.stop - side.start for side in box)
    return box_of(mask, max(2, round(_MARGIN * longer)))


def _on_rim(mask: Mask) -> float:
    rim: U8 = np.concatenate([mask[0], mask[-1], mask[:, 0], mask[:, -1]]).view(np.uint8)
    return cv2.countNonZero(rim) / rim.size
