"""Label maps (one number a pixel, in a palette or grey PNG) and masks of garments, as they come in files.

What cannot be trusted raises RecordError: an image painted in the labels' colours (its numbers, if it has any, are no
labels), one that cannot be decoded whole or holds numbers that the table does not have, nothing but background.
"""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from preprocess.faults import Fault, RecordError
from preprocess.formats.images import Mask, decode_as, is_cut_short
from preprocess.label_tables import BACKGROUND, PALETTES, Pixelwise, region_names
from schemas import Origin

Bounds = tuple[float, float, float, float]
"""Left, top, right, bottom."""

_PIXEL_LIMIT = 100_000_000
_SPECK = 0.0005
"""Patches on less than this share of the image do not widen a box, and a region with nothing larger is noise."""
_HALF_GREY = 128
_NEAR = 2
"""Levels by which a palette's colours may differ: some programs write 254 for 255."""
_MOST = 0.5
"""Share of the used colours that have to be of a known palette for it to say anything."""
_DEPTHS = ("1", "L", "P", "I;16", "I")


@dataclass(frozen=True, eq=False)
class PixelParse:
    """Which region each pixel shows.

    ``numbers`` is uint8 (h, w), ``names`` the region of each number, "" for background.
    """

    numbers: NDArray[np.uint8]
    names: tuple[str, ...]
    faults: tuple[Fault, ...] = ()
    origin: Origin = "annotated"

    @property
    def image_size(self) -> tuple[int, int]:
        """(width, height) of the image that the map is of."""
        return self.numbers.shape[1], self.numbers.shape[0]

    @cached_property
    def present(self) -> frozenset[str]:
        """Names of the regions that are seen, noise left aside."""
        counts = np.bincount(self.numbers.ravel(), minlength=len(self.names))
        found = {name for name, count in zip(self.names, counts, strict=True) if name and count}
        return frozenset(name for name in found if self.box(frozenset({name})) is not None)

    def mask(self, names: frozenset[str] | None = None) -> Mask:
        """Return the pixels (h, w) of the named regions, of all regions for None."""
        wanted = [int(name in names if names is not None else name != BACKGROUND) for name in self.names]
        return table_look_up(self.numbers, wanted).view(np.bool_)

    def box(self, names: frozenset[str] | None = None) -> Bounds | None:
        """Return left, top, right, bottom around the named (or all) regions without specks, None where there is none.

        Right and bottom are those of the last pixels.
        """
        _, _, found, _ = cv2.connectedComponentsWithStats(self.mask(names).view(np.uint8), connectivity=8)
        large = found[1:][found[1:, cv2.CC_STAT_AREA] >= _SPECK * self.numbers.size].astype(np.float64)
        if not len(large):
            return None
        first, size = large[:, :2], large[:, 2:4]
        (left, top), (right, bottom) = first.min(axis=0).tolist(), (first + size - 1).max(axis=0).tolist()
        return left, top, right, bottom


def table_look_up(numbers: NDArray[np.uint8], values: list[int]) -> NDArray[np.uint8]:
    """Return the value of each number, 0 of those beyond the list."""
    table = np.zeros(256, np.uint8)
    table[: len(values)] = values
    return np.asarray(cv2.LUT(numbers, table), np.uint8)


def read_label_map(data: bytes, path: str, labels: Pixelwise) -> PixelParse:
    """Read a label map by its table. Raise RecordError as the module says."""
    names = region_names(labels)
    numbers, palette = _numbers(data, path)
    used = np.flatnonzero(np.bincount(numbers.ravel(), minlength=256)[:256])
    if palette is not None and _is_painted(palette, used):
        raise RecordError(Fault.COLOUR_PARSE, path, "its palette gives labels other numbers: a painted copy; remove it")
    if used[-1] >= len(names):
        raise RecordError(
            Fault.BAD_PARSE, path, f"label {used[-1]}, and the table {labels} ends at {len(names) - 1}; fetch it again"
        )
    if not used.any():
        raise RecordError(Fault.EMPTY_PARSE, path, "nothing but background; the image has to be parsed again")
    return PixelParse(numbers, names)


def read_mask(data: bytes, path: str) -> PixelParse:
    """Read a garment's mask, grey or black and white; from half grey on a pixel is the garment's (`torso`).

    Raise RecordError `bad-parse` or `empty-parse`.
    """
    grey = None if is_cut_short(data) else decode_as(data, cv2.IMREAD_GRAYSCALE)
    if grey is None:
        raise RecordError(Fault.BAD_PARSE, path, "cannot be decoded whole; fetch the file again")
    return mask_parse(grey >= _HALF_GREY, path)


def mask_parse(mask: Mask, path: str) -> PixelParse:
    """Return a garment's mask as a parse of one region. Raise RecordError `empty-parse` where it holds nothing."""
    if not mask.any():
        raise RecordError(Fault.EMPTY_PARSE, path, "a mask without the garment; it has to be made again")
    return PixelParse(mask.view(np.uint8), (BACKGROUND, "torso"))


def _numbers(data: bytes, path: str) -> tuple[NDArray[np.uint8], NDArray[np.int64] | None]:
    """Return the numbers (h, w) and the palette (n, 3) of a label map, None where it has none."""
    try:
        with warnings.catch_warnings(action="error"), Image.open(io.BytesIO(data)) as image:
            if image.width * image.height > _PIXEL_LIMIT:
                raise RecordError(Fault.BAD_PARSE, path, f"{image.width}x{image.height} pixels; fetch it again")
            found, mode = np.asarray(image), image.mode
            palette = image.getpalette("RGB") if mode == "P" else None
    except (OSError, ValueError, SyntaxError, Warning, Image.DecompressionBombError) as error:
        raise RecordError(Fault.BAD_PARSE, path, "cannot be decoded whole; fetch the file again") from error
    if mode in ("RGB", "RGBA") and bool((found[..., :1] == found[..., :3]).all()):
        found, mode = found[..., 0], "L"
    if mode not in _DEPTHS:
        raise RecordError(
            Fault.COLOUR_PARSE, path, f"a colour image ({mode}), not a map of labels; give the palette PNG it shows"
        )
    if found.max() > 255:
        raise RecordError(Fault.BAD_PARSE, path, f"label {found.max()} is in no table; fetch it again")
    colours = None if palette is None else np.array(palette, np.int64).reshape(-1, 3)
    return np.ascontiguousarray(found, np.uint8), colours


def _is_painted(palette: NDArray[np.int64], used: NDArray[np.int64]) -> bool:
    """Return whether the used numbers have the colours of a known palette's labels, but of other ones.

    A palette of its own (grey, or any other) says nothing about the numbers.
    """
    if used[-1] >= len(palette):
        return True
    seen = agreeing = 0.0
    for known in (np.array(colours) for colours in PALETTES):
        near = np.abs(palette[used][:, None] - known).max(axis=-1) <= _NEAR
        near[used > 0, 0] = False  # a grey palette's first labels are nearly black
        own = [number < len(known) and bool(near[row, number]) for row, number in enumerate(used)]
        seen, agreeing = max(seen, float(near.any(axis=1).mean())), max(agreeing, float(np.mean(own)))
    return seen >= _MOST and agreeing < seen
