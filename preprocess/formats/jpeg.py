"""What libjpeg does not do by itself: decoding a JPEG's upper rows alone, and telling that its data is corrupt.

An image is decoded from the top, so half of it takes half the time.

libjpeg stops at the height given in the file. Only plain files are truncated: one scan from top to bottom, nothing
after it, and no EXIF data that may rotate it. The decoded rows are then bit-identical.
"""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
import threading
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

_START = b"\xff\xd8"
_END = b"\xff\xd9"
_SIZES = frozenset({0xC0, 0xC1, 0xC2, 0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF})
"""Markers of the segments that contain the size."""
_SEQUENTIAL = frozenset({0xC0, 0xC1})
"""Those whose pixels are stored from top to bottom."""
_SCAN, _RESTARTS = 0xDA, 0xDD
_XMP, _XMP_ORIENTATION = b"http://ns.adobe.com/xap/", b"tiff:Orientation"
_BLOCK_ROWS = 16
"""Maximum number of rows decoded together; the rows below them affect the upsampling of chroma."""


class Frame(NamedTuple):
    """The information in the segments before a JPEG's pixels."""

    width: int
    """In pixels, as stored."""
    height: int
    place: int
    """Byte offset of the height."""
    scan: int
    """Byte offset of the pixel data."""
    has_exif: bool
    """Whether EXIF data, or an orientation in XMP, may turn it."""
    plain: bool
    """Whether the pixels are stored from top to bottom, in one scan, without restart markers."""


def frame_of(data: bytes) -> Frame | None:
    """Return the frame of a JPEG; None if the file is not a JPEG or is truncated before its pixels."""
    if not data.startswith(_START):
        return None
    place, at, has_exif, plain = 2, 0, False, True
    while place + 10 <= len(data) and data[place] == 0xFF:
        marker = data[place + 1]
        if marker == _SCAN:
            break
        if marker in _SIZES:
            at, plain = place + 5, plain and marker in _SEQUENTIAL
        following = place + 2 + int.from_bytes(data[place + 2 : place + 4])
        has_exif |= data.startswith(b"Exif", place + 4) or (
            data.startswith(_XMP, place + 4) and data.find(_XMP_ORIENTATION, place, following) >= 0
        )
        plain &= marker != _RESTARTS
        place = following
    else:
        return None
    if not at:
        return None
    height, width = (int.from_bytes(data[start : start + 2]) for start in (at, at + 2))
    single_scan = data[place + 4] == data[at + 4]  # number of components in the scan, and in the image
    return Frame(width, height, at, place, has_exif, plain and single_scan)


def cut_below(data: bytes, frame: Frame, rows: int) -> bytes | None:
    """Return the JPEG truncated to its first ``rows`` and a few more; None if it cannot be truncated.

    The end marker is removed too: libjpeg would otherwise warn on stderr about extra bytes before it.
    """
    kept = -(-(rows + _BLOCK_ROWS) // _BLOCK_ROWS) * _BLOCK_ROWS
    if not frame.plain or frame.has_exif or kept >= frame.height or data.find(_END, frame.scan) != len(data) - 2:
        return None
    return data[: frame.place] + kept.to_bytes(2) + data[frame.place + 2 : -2]


_WARNING = re.compile(
    rb"^(?:Corrupt JPEG data: (?!\d+ extraneous bytes before marker 0xd9)|Premature end of JPEG|"
    rb"Inconsistent progression|Invalid SOS parameters|Unsupported marker type|"
    rb"Invalid (?:component|crop|scan|color)).*$\n?",
    re.MULTILINE,
)
"""libjpeg's warnings of wrong pixels; bytes between the pixels and the end, which many programs leave, do no harm."""
_HARMLESS = re.compile(rb"^Corrupt JPEG data: \d+ extraneous bytes before marker 0xd9\s*$\n?", re.MULTILINE)
_STDERR = 2
_redirected = threading.Lock()


class Warnings:
    """Whether libjpeg warned while it decoded an image."""

    found = False


@contextlib.contextmanager
def listening() -> Iterator[Warnings]:
    """Take libjpeg's warnings from stderr, its only way to give them; whatever else is written meanwhile passes."""
    warnings = Warnings()
    with contextlib.ExitStack() as stack:
        if not _redirected.acquire(blocking=False):  # another thread listens; images are decoded in one thread
            yield warnings
            return
        stack.callback(_redirected.release)
        try:
            kept, spool = os.dup(_STDERR), _spool(os.getpid())
            os.dup2(spool, _STDERR)
        except OSError:  # there is no stderr
            yield warnings
            return
        try:
            yield warnings
        finally:
            os.dup2(kept, _STDERR)
            os.close(kept)
            if size := os.lseek(spool, 0, os.SEEK_CUR):
                warnings.found = _heard(os.pread(spool, size, 0))
                os.lseek(spool, 0, os.SEEK_SET)


def _heard(text: bytes) -> bool:
    """Return whether a warning of wrong pixels is in the text; the rest of it is written to stderr."""
    rest = _HARMLESS.sub(b"", _WARNING.sub(b"", text))
    if rest:
        os.write(_STDERR, rest)
    return _WARNING.search(text) is not None


@lru_cache(maxsize=1)
def _spool(_: int) -> int:
    """Return the file descriptor that takes stderr in this process; a forked process gets its own."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("stderr")
    descriptor, path = tempfile.mkstemp()
    with contextlib.suppress(OSError):
        os.unlink(path)  # noqa: PTH108 -- Windows refuses, and removes it later
    return descriptor
