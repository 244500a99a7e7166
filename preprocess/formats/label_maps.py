"""Reads label maps (one label per pixel) and garment masks.

A map is a palette or grey image, or painted in a known palette's colours, which are turned back into numbers. One that
was averaged by JPEG or by a smooth filter is repaired where that is safe. Unreliable files raise RecordError: other
colours (whose values are not labels), a file that cannot be decoded completely, a label that the table does not have,
or an image of only background.
"""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from preprocess.faults import Fault, RecordError
from preprocess.formats.images import Mask, is_cut_short
from preprocess.formats.label_borders import borders_of, repaired, small_of
from preprocess.formats.label_colours import numbers_of
from preprocess.label_tables import BACKGROUND, PALETTES, UNUSED, Pixelwise, label_names, region_names, shown_name
from schemas import Origin

Bounds = tuple[float, float, float, float]
"""Left, top, right, bottom."""

_PIXEL_LIMIT = 100_000_000
_SPECK = 0.0005
"""Patches below this share of the image do not widen a box, and a region with only such patches is noise."""
_NEAR = 2
"""Tolerance of palette colours in levels: some programs write 254 for 255."""
_MOST = 0.5
"""Minimum share of the used colours that must be in a known palette for it to be recognised."""
_EXACT_STEP = 8
"""The coarsest step of a JPEG's averages, in its file's units, that keeps the numbers of large patches."""
_DEPTHS = ("1", "L", "P", "I;16", "I")


@dataclass(frozen=True, eq=False)
class PixelParse:
    """The region that each pixel shows.

    ``numbers`` is uint8 (h, w), ``names`` the region of each number, "" for background.
    """

    numbers: NDArray[np.uint8]
    names: tuple[str, ...]
    faults: tuple[Fault, ...] = ()
    origin: Origin = "annotated"

    @property
    def image_size(self) -> tuple[int, int]:
        """(width, height) of the image that the map belongs to."""
        return self.numbers.shape[1], self.numbers.shape[0]

    @cached_property
    def present(self) -> frozenset[str]:
        """Names of the visible regions, without noise."""
        counts = np.bincount(self.numbers.ravel(), minlength=len(self.names))
        names = {name for name, count in zip(self.names, counts, strict=True) if name and count}
        return frozenset(name for name in names if self.box(frozenset({name})) is not None)

    def mask(self, names: frozenset[str] | None = None) -> Mask:
        """Return the mask (h, w) of the named regions, of all regions for None."""
        selected = [int(name in names if names is not None else name != BACKGROUND) for name in self.names]
        return table_look_up(self.numbers, selected).view(np.bool_)

    def box(self, names: frozenset[str] | None = None) -> Bounds | None:
        """Return left, top, right, bottom around the named (or all) regions without specks, None if there are none.

        Right and bottom are inclusive.
        """
        _, _, stats, _ = cv2.connectedComponentsWithStats(self.mask(names).view(np.uint8), connectivity=8)
        large = stats[1:][stats[1:, cv2.CC_STAT_AREA] >= _SPECK * self.numbers.size].astype(np.float64)
        if not len(large):
            return None
        first, size = large[:, :2], large[:, 2:4]
        (left, top), (right, bottom) = first.min(axis=0).tolist(), (first + size - 1).max(axis=0).tolist()
        return left, top, right, bottom


def table_look_up(numbers: NDArray[np.uint8], values: list[int]) -> NDArray[np.uint8]:
    """Return the value of each number, 0 for numbers beyond the list."""
    table = np.zeros(256, np.uint8)
    table[: len(values)] = values
    return np.asarray(cv2.LUT(numbers, table), np.uint8)


class Numbers(NamedTuple):
    """A label map's numbers, uint8 (h, w), and what was repaired in it."""

    numbers: NDArray[np.uint8]
    faults: tuple[Fault, ...]


def read_numbers(data: bytes, path: str) -> Numbers:
    """Read a label map's numbers, whatever its table. Raise RecordError, see the module's docstring."""
    found = _numbers(data, path)
    numbers, stray, faults = found.numbers, found.stray, list(found.faults)
    borders = None if stray is not None else borders_of(numbers)
    small = small_of(numbers) if borders is not None and not borders.averaged else None
    if small is not None:
        borders = borders_of(small.numbers)
    if borders is None or borders.averaged:
        whole = None if found.coarse else repaired(numbers if small is None else small.numbers, stray)
        repaired_numbers = whole if whole is None or small is None else small.enlarged(whole)
        if repaired_numbers is None:
            figures = f": {borders.alien:.0%} of its border pixels are of no label nearby" if borders else ""
            raise RecordError(Fault.BLURRED_PARSE, path, f"labels were averaged{figures}; fetch the map as it was made")
        numbers = repaired_numbers
        faults.append(Fault.AVERAGED_PARSE)
    return Numbers(numbers, tuple(faults))


def parse_of(found: Numbers, path: str, labels: Pixelwise) -> PixelParse:
    """Return the regions of a label map's numbers by a table. Raise RecordError for a number that the table lacks."""
    names = label_names(labels)
    used = np.flatnonzero(np.bincount(found.numbers.ravel(), minlength=256)[:256]).tolist()
    lacking = [number for number in used if number >= len(names) or names[number] == UNUSED]
    if lacking:
        raise RecordError(
            Fault.BAD_PARSE, path, f"label {lacking[-1]}, which the table {shown_name(labels)} lacks; give --labels"
        )
    if all(names[number] == "background" for number in used):
        raise RecordError(Fault.EMPTY_PARSE, path, "nothing but background; the image has to be parsed again")
    return PixelParse(found.numbers, region_names(labels), found.faults)


def mask_parse(mask: Mask, path: str) -> PixelParse:
    """Return a garment's mask as a parse of one region. Raise RecordError `empty-parse` if it is empty."""
    if not mask.any():
        raise RecordError(Fault.EMPTY_PARSE, path, "a mask without the garment; it has to be made again")
    return PixelParse(mask.view(np.uint8), (BACKGROUND, "torso"))


class _Decoded(NamedTuple):
    """A label map as decoded; ``stray`` are pixels of no palette's colour, ``coarse`` a JPEG that shifts numbers."""

    numbers: NDArray[np.uint8]
    stray: NDArray[np.bool_] | None = None
    faults: tuple[Fault, ...] = ()
    coarse: bool = False


def _numbers(data: bytes, path: str) -> _Decoded:
    """Return the numbers (h, w) of a label map, whatever its kind of image."""
    if is_cut_short(data):
        raise RecordError(Fault.BAD_PARSE, path, "its end is missing; fetch the file again")
    try:
        with warnings.catch_warnings(action="error"), Image.open(io.BytesIO(data)) as image:
            if image.width * image.height > _PIXEL_LIMIT:
                raise RecordError(Fault.BAD_PARSE, path, f"{image.width}x{image.height} pixels; fetch it again")
            found, mode, lossy = np.asarray(image), image.mode, image.format == "JPEG"
            palette = image.getpalette("RGB") if mode == "P" else None
            tables = getattr(image, "quantization", None)
    except RecordError:
        raise
    except Exception as error:  # a decoder that fails on odd bytes, in whatever way, has found no image
        raise RecordError(Fault.BAD_PARSE, path, "cannot be decoded whole; fetch the file again") from error
    coarse = lossy and tables is not None and tables[0][0] > _EXACT_STEP
    if mode == "LA" or (mode in ("RGB", "RGBA") and bool((found[..., :1] == found[..., :3]).all())):
        found, mode = found[..., 0], "L"
    if mode in ("RGB", "RGBA"):
        return _unpainted(np.ascontiguousarray(found[..., :3]), path, lossy)
    if mode not in _DEPTHS:
        raise RecordError(
            Fault.COLOUR_PARSE, path, f"a colour image ({mode}), not a map of labels; give the palette PNG it shows"
        )
    if found.max() > 255:
        raise RecordError(Fault.BAD_PARSE, path, f"label {found.max()} is in no table; fetch it again")
    numbers = np.ascontiguousarray(found, np.uint8)
    if palette is not None:
        colours = np.array(palette, np.int64).reshape(-1, 3)
        used = np.flatnonzero(np.bincount(numbers.ravel(), minlength=256))
        if _is_painted(colours, used):
            all_colours = np.zeros((256, 3), np.uint8)
            all_colours[: len(colours)] = colours
            return _unpainted(all_colours[numbers], path, lossy=False)
    return _Decoded(numbers, coarse=coarse)


def _unpainted(pixels: NDArray[np.uint8], path: str, lossy: bool) -> _Decoded:
    """Return the labels of a painted map. Raise RecordError if its colours are no known palette's."""
    found = numbers_of(pixels, lossy)
    if found is None:
        raise RecordError(Fault.COLOUR_PARSE, path, "a colour image in no known palette; give the palette PNG it shows")
    return _Decoded(*found, faults=(Fault.PAINTED_PARSE,))


def _is_painted(palette: NDArray[np.int64], used: NDArray[np.int64]) -> bool:
    """Return whether the used numbers have colours of a known palette, but those of other labels.

    An unknown palette (grey, or any other) allows no conclusion about the numbers.
    """
    used = used[used < len(palette)]
    if not used.size:
        return True
    in_palette = agreeing = 0.0
    for known in (np.array(colours) for colours in PALETTES):
        near = np.abs(palette[used][:, None] - known).max(axis=-1) <= _NEAR
        near[used > 0, 0] = False  # a grey palette's first labels are nearly black
        own = [number < len(known) and bool(near[row, number]) for row, number in enumerate(used)]
        in_palette, agreeing = max(in_palette, float(near.any(axis=1).mean())), max(agreeing, float(np.mean(own)))
    return in_palette >= _MOST and agreeing < in_palette
