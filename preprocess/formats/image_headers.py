"""What a picture's header says, without decoding it: its upright size, and the oddities of other people's copies.

exif-turned          stored on its side, with an EXIF orientation that turns it upright
mpo-image            several pictures in one JPEG file, as some cameras write them; the first one is read
cmyk-image           a JPEG in print colours; converted
sixteen-bit-image    16 bits a channel; the upper 8 are read
"""

from __future__ import annotations

import io
import warnings
from typing import NamedTuple

from PIL import Image

_ORIENTATION = 0x0112
_LYING = (5, 6, 7, 8)
_PNG = b"\x89PNG"
_PNG_DEPTH = 24
"""Where in a PNG the bits a channel stand."""


class Header(NamedTuple):
    """(width, height) of the upright picture, and codes of what is odd about it."""

    size: tuple[int, int]
    odd: tuple[str, ...]


def read_header(data: bytes) -> Header | None:
    """Return what a picture's header says, None where the bytes are no picture."""
    try:
        with warnings.catch_warnings(action="ignore"), Image.open(io.BytesIO(data)) as picture:
            size, mode, kind = picture.size, picture.mode, picture.format
            orientation = picture.getexif().get(_ORIENTATION, 1)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
    deep = mode.startswith("I") or (data.startswith(_PNG) and data[_PNG_DEPTH] == 16)
    found = {
        "exif-turned": orientation in range(2, 9),
        "mpo-image": kind == "MPO",
        "cmyk-image": mode == "CMYK",
        "sixteen-bit-image": deep,
    }
    upright = (size[1], size[0]) if orientation in _LYING else size
    return Header(upright, tuple(code for code, is_so in found.items() if is_so))
