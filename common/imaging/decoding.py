"""Opens a photograph by its content, not by its name, and says in one line why it cannot be used."""

from __future__ import annotations

import io
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from PIL import Image, UnidentifiedImageError

from common.text import one_line

PIXEL_LIMIT: Final = 100_000_000
"""Pixels above which no photograph is decoded."""
_HEAD: Final = 12
"""Bytes of a file that tell whether it is HEIC."""
_HEIF_BRANDS: Final = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
"""Of files that may hold HEIC; AVIF has its own."""
_DECODERS: Final = (
    OSError, ValueError, SyntaxError, TypeError, RuntimeError, LookupError, ArithmeticError, EOFError, struct.error,
)  # fmt: skip
"""Errors of Pillow's decoders on damaged files; AVIF's raises RuntimeError."""


class UnreadableImageError(ValueError):
    """Why a file cannot be used as a photograph, and what to do about it."""


@contextmanager
def opened(file: Path | bytes) -> Iterator[Image.Image]:
    """Open an image; the block decodes what it needs of it.

    Raise UnreadableImageError if the file is not an image, is damaged, or is too large, also if Pillow notices only in
    the block. Raise OSError if the file cannot be read.
    """
    data = file.read_bytes() if isinstance(file, Path) else file
    heif = data[4:8] == b"ftyp" and data[8:_HEAD] in _HEIF_BRANDS
    readable = register_heif() if heif else True
    try:
        with warnings.catch_warnings(action="ignore"), Image.open(io.BytesIO(data)) as image:
            refuse_size(image.width, image.height)
            yield image
    except UnidentifiedImageError as error:
        raise UnreadableImageError(_not_an_image(data) if readable else NO_HEIF) from error
    except Image.DecompressionBombError as error:
        raise UnreadableImageError("too many pixels; scale the photograph down") from error
    except UnreadableImageError:
        raise
    except _DECODERS as error:
        raise UnreadableImageError(
            f"cannot be fully decoded ({one_line(error)}); export it again as JPEG or PNG"
        ) from error


def refuse_size(width: int, height: int) -> None:
    """Raise UnreadableImageError if an image has too many pixels."""
    if width * height > PIXEL_LIMIT:
        raise UnreadableImageError(f"{width}x{height} pixels are too many; scale the photograph down")


def register_heif() -> bool:
    """Let Pillow read HEIC, as phones write it; return whether the package for it is installed."""
    try:
        from pillow_heif import register_heif_opener
    except ImportError:
        return False
    register_heif_opener()
    return True


NO_HEIF: Final = "HEIC needs pip install 'tryon-cascade[estimate]'; or export it as JPEG"
"""Said of a HEIC file where its package is missing."""


def _not_an_image(data: bytes) -> str:
    if not data:
        return "the file is empty; copy it again"
    return "not an image that can be read here; export it as JPEG or PNG"
