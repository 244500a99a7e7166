"""Validates a garment mask against its product photograph: polarity, channel, solidity, and whose garment it is.

A sound mask is returned as it is. Another reading of the file that fits the photograph is taken instead, a torn mask is
closed, and a mask that does not fit is recomputed where the garment stands out from the background; each is
noted. What remains is rejected. The comparison runs at a small size, and reports no fault where garment and
background look alike.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from preprocess.conditioning.masks import box_of, dilated, eroded, from_border, without
from preprocess.faults import Fault, RecordError
from preprocess.formats.images import Mask, Pixels
from preprocess.formats.label_maps import PixelParse, mask_parse
from preprocess.formats.stored_masks import StoredMask
from preprocess.loading.ground.seen_background import Ground, seen_against_border
from preprocess.loading.plain_background import LEAST, find_garment

_LONGEST = 256
"""Longer side in pixels of the comparison."""
_PLAIN = 0.6
"""Minimum share of the border that shows the background, for the photograph to be evidence."""
_STRONG = 10.0
"""Minimum distance in L*a*b* from the background of what must be garment."""
_VISIBLE = 0.5
"""Minimum share of a mask that must be garment by its colour, for background inside it to be counted."""
_MISFIT = 0.08
"""Maximum area of garment outside the mask and of background inside it, as a share of the mask."""
_SIZE = (0.01, 0.95)
"""Range of a garment's share of the image."""
_FRAME = 0.5
"""Maximum share of the image's frame inside a mask."""
_BOX = 0.985
"""Maximum share of its bounding box that a garment fills: no garment is a rectangle."""
_TORN = 0.03
"""Maximum share of a mask that is missing in holes and cracks, or lies in scraps."""
_TORN_UNSEEN = 0.08
"""The same where the missing part looks like the background."""
_SCRAP = 0.05
"""Area below which a piece is a scrap, as a share of the mask."""
_CRACK = 4
"""Radius in pixels, at the size of the comparison, of the cracks in a torn mask."""
_REPAIRABLE = 0.35
"""Maximum share of a torn mask that is closed without the photograph's help."""
_JAGGED = 1.15
"""Least length of a cracked mask's border, as a multiple of the border's without cracks."""
_LONG = 0.04
"""Minimum length of a crack that is too narrow to count as torn, as a share of the mask's longer side."""
_BESIDE = 6
"""Distance in pixels from a crack of the cloth that it is compared with."""
_SAME = 0.93
"""Minimum overlap of a stored mask with the garment found in the photograph, for the stored one to be used."""
_MISSED = 0.02
"""Maximum area of garment outside a mask that may be right although much of it looks like background."""
_MISSED_FAINT = 0.012
"""Maximum area outside a mask that is no ground by its hue or its edges, where little of the garment stands out."""

_Reading = tuple[Mask, tuple[Fault, ...]]


@dataclass(frozen=True, eq=False)
class _Evidence:
    """What a photograph shows, at the size of the comparison: what must be garment, and what is background.

    ``faint``: what has another hue than shaded background, or an edge.
    """

    strong: Mask
    faint: Mask
    flat: Mask
    plain: bool


def garment_mask_of(stored: StoredMask, pixels: Pixels, path: str) -> PixelParse:
    """Return the garment's mask with the faults repaired in it, at the stored size. Raise RecordError `wrong-mask`.

    ``pixels`` are the upright product photograph at any size.
    """
    evidence = _evidence(pixels)
    torn: list[_Reading] = []
    loose: list[_Reading] = []
    for mask, faults in stored.readings():
        small = _small(mask, evidence.flat.shape)
        if not _is_possible(small):
            continue
        solid = _solid(small)
        cracks = _cracks(mask, solid, evidence, pixels)
        if cracks is not None:
            mask, faults = mask | cracks, (*faults, Fault.TORN_MASK)
            small |= _small(cracks, small.shape)
        if _is_torn(small, solid, evidence):
            torn.append((mask, faults))
            continue
        missed, spilled = _misfit(small, evidence)
        if missed + spilled <= _MISFIT:
            return _parse(mask, path, faults)
        if missed <= _MISSED:
            loose.append((mask, faults))
    return _second_look(stored, pixels, torn, loose, path, evidence)


def _second_look(
    stored: StoredMask, pixels: Pixels, torn: list[_Reading], loose: list[_Reading], path: str, evidence: _Evidence
) -> PixelParse:
    """Return a mask made from the photograph where that is clear, else a loose mask, or a torn one closed.

    A loose mask leaves no garment out, but some of it looks like background, as white stripes do.
    """
    found = find_garment(pixels)
    if found.confidence >= LEAST:
        shape = stored.grey.shape
        clear = _small(found.mask, shape) if found.mask.shape != shape else found.mask
        same = (reading for reading in loose if _overlap(reading[0], clear) >= _SAME)
        mask, faults = next(same, (clear, (Fault.RECOMPUTED_MASK,)))
        return _parse(mask, path, faults)
    if loose:
        mask, faults = loose[0]
        return _parse(mask, path, (*faults, Fault.LOOSE_MASK))
    for mask, faults in torn:
        closed = _solid(mask, round(_CRACK * max(mask.shape) / _LONGEST))
        small = _small(closed, evidence.flat.shape)
        whole = float(mask.sum()) / max(1, int(closed.sum())) >= 1 - _REPAIRABLE
        if whole and _is_possible(small) and sum(_misfit(small, evidence)) <= _MISFIT:
            return _parse(closed, path, tuple(dict.fromkeys((*faults, Fault.TORN_MASK))))
    raise RecordError(
        Fault.WRONG_MASK, path,
        "it is not the mask of the garment in the product's photograph, which is not clear enough to make another; "
        "make the mask again",
    )  # fmt: skip


def _parse(mask: Mask, path: str, faults: tuple[Fault, ...]) -> PixelParse:
    parse = mask_parse(np.ascontiguousarray(mask), path)
    return PixelParse(parse.numbers, parse.names, faults) if faults else parse


def _overlap(one: Mask, other: Mask) -> float:
    return float((one & other).sum()) / max(1, int((one | other).sum()))


def _evidence(pixels: Pixels) -> _Evidence:
    height, width = pixels.shape[:2]
    scale = min(1.0, _LONGEST / max(height, width))
    size = max(1, round(scale * width)), max(1, round(scale * height))
    ground = seen_against_border(np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8))
    strong = (ground.away > np.maximum(_STRONG, 2 * ground.least)) & ~ground.shade
    frame = np.ones(strong.shape, np.bool_)
    frame[2:-2, 2:-2] = False
    plain = float((ground.away < ground.least)[frame].mean()) >= _PLAIN
    faint = dilated(eroded(~ground.shade | (ground.slope > ground.edge), 1), 1)
    faint &= float(faint[frame].mean()) < 1 - _PLAIN  # a ground of noise is full of edges
    return _Evidence(strong, faint, _flat(ground), plain)


def _flat(ground: Ground) -> Mask:
    """Return the background that is connected to the image's border."""
    return from_border(ground.shade & (ground.slope < ground.edge))


def _small(mask: Mask, shape: tuple[int, ...]) -> Mask:
    values = cv2.resize(mask.view(np.uint8) * np.uint8(255), (shape[1], shape[0]), interpolation=cv2.INTER_AREA)
    small: Mask = values >= 128
    return small


def _is_possible(mask: Mask) -> bool:
    """Return whether a mask can be a garment's by its shape: not the background, nor a box, nor the whole frame."""
    share = float(mask.mean())
    frame = np.concatenate([mask[0], mask[-1], mask[:, 0], mask[:, -1]])
    if not _SIZE[0] <= share <= _SIZE[1] or float(frame.mean()) > _FRAME:
        return False
    _, _, width, height = cv2.boundingRect(mask.view(np.uint8))
    return float(mask.sum()) <= _BOX * width * height


def _misfit(mask: Mask, evidence: _Evidence) -> tuple[float, float]:
    """Return the area of garment outside the mask and of background inside it, as shares of the mask."""
    if not evidence.plain:
        return 0.0, 0.0
    size = float(mask.sum())
    missed = float((evidence.strong & ~dilated(mask, 2)).sum()) / size
    if float((evidence.strong & mask).sum()) < _VISIBLE * size:
        faint = float((evidence.faint & ~dilated(mask, 4)).sum()) / size
        return (missed, 0.0) if faint <= _MISSED_FAINT else (max(missed, faint), _MISFIT)
    return missed, float((evidence.flat & eroded(mask, 2)).sum()) / size


def _is_torn(mask: Mask, solid: Mask, evidence: _Evidence) -> bool:
    """Return whether a mask has holes and cracks that are no background, or lies in scraps."""
    size = float(mask.sum())
    lost = solid & ~mask
    told = evidence.plain and float((evidence.strong & mask).sum()) >= _VISIBLE * size
    unseen = lost & ~evidence.flat if told else lost
    return (
        (evidence.plain and float((lost & evidence.strong).sum()) > _TORN * size)
        or float(unseen.sum()) > _TORN_UNSEEN * size
        or float((mask & ~solid).sum()) > _TORN * size
    )


def _cracks(mask: Mask, solid: Mask, evidence: _Evidence, pixels: Pixels) -> Mask | None:
    """Return the cracks in a mask that are narrow, and in which the photograph shows cloth; None if there are none.

    ``solid`` is the mask without cracks, at the size of the comparison.
    """
    scale = max(mask.shape) / max(solid.shape)
    if _border_length(mask) <= _JAGGED * scale * _border_length(solid):
        return None
    radius = 1 + round(scale / 2)
    margin = 2 * radius
    box = box_of(mask)
    assert box is not None, "a possible mask is not empty"
    closed = ~dilated(~dilated(np.pad(mask[box], margin), radius), radius)
    narrow = np.zeros_like(mask)
    narrow[box] = without(closed[margin:-margin, margin:-margin], mask[box])
    _, pieces, stats, _ = cv2.connectedComponentsWithStats(narrow.view(np.uint8), connectivity=8)
    lengths = np.maximum(stats[:, cv2.CC_STAT_WIDTH], stats[:, cv2.CC_STAT_HEIGHT])
    long = lengths >= _LONG * max(cv2.boundingRect(mask.view(np.uint8))[2:])
    long[0] = False
    if not long.any():
        return None
    if evidence.plain:
        for number in np.flatnonzero(long):
            long[number] = _shows_cloth(pieces == number, mask, pixels)
    cracks: Mask = long[pieces]
    return cracks if cracks.any() else None


def _shows_cloth(crack: Mask, mask: Mask, pixels: Pixels) -> bool:
    """Return whether the photograph shows in a crack what lies beside it, and clearly no background."""
    box = box_of(crack, 2 * _BESIDE)
    assert box is not None, "a crack is not empty"
    shown = pixels
    if pixels.shape[:2] != mask.shape:
        shown = np.asarray(cv2.resize(pixels, (mask.shape[1], mask.shape[0]), interpolation=cv2.INTER_AREA), np.uint8)
    frame = np.concatenate([shown[0], shown[-1], shown[:, 0], shown[:, -1]])
    lab, background = _lab(shown[box]), _lab(np.median(frame, axis=0).reshape(1, 1, 3))
    cloth, window = eroded(mask[box], 1), (2 * _BESIDE + 1, 2 * _BESIDE + 1)
    weight = cv2.boxFilter(cloth.astype(np.float32), -1, window, normalize=False)
    beside = cv2.boxFilter(lab * cloth[..., None], -1, window, normalize=False) / np.maximum(weight, 1)[..., None]
    to_cloth, to_background = (
        float(np.median(np.linalg.norm((lab - colour)[crack[box]], axis=1))) for colour in (beside, background)
    )
    return to_background > max(_STRONG, 2 * to_cloth)


def _lab(pixels: NDArray[Any]) -> NDArray[np.float32]:
    return np.asarray(cv2.cvtColor(pixels.astype(np.float32) / np.float32(255), cv2.COLOR_RGB2LAB), np.float32)


def _border_length(mask: Mask) -> int:
    """Return how often neighbouring pixels differ."""
    return int(np.count_nonzero(mask[1:] != mask[:-1]) + np.count_nonzero(mask[:, 1:] != mask[:, :-1]))


def _solid(mask: Mask, radius: int = _CRACK) -> Mask:
    """Return a mask without scraps, its cracks and small holes closed."""
    padded = np.pad(mask, 2 * radius)
    closed = np.ascontiguousarray(~dilated(~dilated(padded, radius), radius))
    _, pieces, stats, _ = cv2.connectedComponentsWithStats(closed.view(np.uint8), connectivity=8)
    kept = stats[:, cv2.CC_STAT_AREA] >= _SCRAP * max(1, int(mask.sum()))
    kept[0] = False
    solid = kept[pieces]
    _, holes, areas, _ = cv2.connectedComponentsWithStats((~solid).view(np.uint8), connectivity=4)
    small = areas[:, cv2.CC_STAT_AREA] < _SCRAP * max(1, int(mask.sum()))
    small[holes[0, 0]] = False
    filled: Mask = (solid | small[holes])[2 * radius : -2 * radius, 2 * radius : -2 * radius]
    return np.ascontiguousarray(filled)
