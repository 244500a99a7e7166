"""Turns images upright by their EXIF orientation, whatever a damaged file holds in its place."""

from __future__ import annotations

from typing import Final

from PIL import Image
from PIL.TiffImagePlugin import TiffImageFile

ORIENTATION: Final = 0x0112
"""The EXIF tag."""
LYING: Final = (5, 6, 7, 8)
"""Orientations of images whose stored width is their height."""
_TURNS: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_270, 7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}  # fmt: skip


def orientation_of(image: Image.Image) -> int:
    """Return the EXIF orientation, 1 to 8; 1 if there is none, or one of a type that is no number."""
    try:
        value = image.getexif().get(ORIENTATION, 1)
        number = int(value[0] if isinstance(value, tuple) else value)
    except Exception:  # EXIF data may hold anything
        return 1
    return number if number in range(1, 9) else 1


def is_turned_by_its_reader(image: Image.Image) -> bool:
    """Return whether readers turn an image themselves, size and pixels: a TIFF whose own tag, not XMP, says how."""
    return isinstance(image, TiffImageFile) and ORIENTATION in image.tag_v2


def upright_size(image: Image.Image) -> tuple[int, int]:
    """Return width and height of an image that is not decoded yet, upright by its EXIF orientation."""
    turned = orientation_of(image) in LYING and not is_turned_by_its_reader(image)
    return (image.height, image.width) if turned else image.size


def upright(image: Image.Image) -> Image.Image:
    """Return an image as it is displayed; it is decoded.

    Pillow's own function understands fewer types of the orientation than `orientation_of`, and writes the EXIF data
    again, which fails where that is damaged.
    """
    image.load()  # which turns a TIFF, and removes its orientation
    turn = _TURNS.get(orientation_of(image))
    return image if turn is None else image.transpose(turn)
