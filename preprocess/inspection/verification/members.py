"""Check of one sample's members: each decodes as the contract requires, and all describe the same sample."""

from __future__ import annotations

import hashlib
import io
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from common.text import one_line
from preprocess.formats.images import decode_as
from preprocess.inspection.verification.near_duplicates import ImageFingerprint
from schemas import (
    GARMENT,
    JG,
    JP,
    META,
    PERSON_256,
    MemberLayout,
    Sample,
    check_pose,
)

_USUAL = MemberLayout()
_KINDS = {"jpg": "JPEG", "png": "PNG", "webp": "WEBP"}
_ENDS = {"JPEG": b"\xff\xd9", "PNG": b"IEND\xaeB`\x82", "WEBP": b""}
"""End markers; decoders silently fill the missing part of a truncated image, so the marker is checked."""
_LARGEST_POSE = 1024
"""Bytes; a pose has 332."""


@dataclass
class Decoded:
    """Decoded members by ending; damaged ones are listed only among the problems."""

    problems: list[tuple[str, str]] = field(default_factory=list)
    """(ending, what is wrong)."""
    pictures: dict[str, NDArray[np.uint8]] = field(default_factory=dict)
    """By their usual names: RGB uint8 (side, side, 3)."""
    poses: dict[str, NDArray[np.float32]] = field(default_factory=dict)
    """float32 (17, 3)."""
    sample: Sample | None = None

    @property
    def looks(self) -> tuple[ImageFingerprint, ImageFingerprint] | None:
        """Fingerprints of the person's and the garment's image, None unless both were decoded."""
        if not {PERSON_256, GARMENT} <= self.pictures.keys():
            return None
        return _look(self.pictures[PERSON_256]), _look(self.pictures[GARMENT])


def decode_members(key: str, split: str, members: Mapping[str, bytes], layout: MemberLayout = _USUAL) -> Decoded:
    """Decode and check each member; ``members`` maps endings to bytes. Missing members are not reported here."""
    decoded = Decoded()
    for ending, data in members.items():
        name = layout.usual.get(ending, "")
        try:
            if name in layout.sides:
                mode = "L" if name in layout.optional else "RGB"
                decoded.pictures[name] = _picture(data, _KINDS[ending.rpartition(".")[2]], layout.sides[name], mode)
            elif ending in (JP, JG):
                decoded.poses[ending] = _pose(data)
            elif ending == META:
                decoded.sample = _meta(data, key, split)
        except ValueError as error:
            decoded.problems.append((ending, one_line(error)))
    return decoded


def check_members(
    key: str, split: str, members: Mapping[str, bytes], layout: MemberLayout = _USUAL
) -> tuple[list[tuple[str, str]], Sample | None, tuple[ImageFingerprint, ImageFingerprint] | None]:
    """Return (ending, problem) of each damaged member, the sample's metadata, and the images' fingerprints."""
    decoded = decode_members(key, split, members, layout)
    return decoded.problems, decoded.sample, decoded.looks


def _picture(data: bytes, kind: str, side: int, mode: str) -> NDArray[np.uint8]:
    """Decode an image. Raise ValueError unless it is complete, of the mode, and ``side`` pixels square."""
    try:
        with warnings.catch_warnings(action="error"), Image.open(io.BytesIO(data)) as head:
            image_format, size, actual = head.format, head.size, head.mode
    except (OSError, ValueError, SyntaxError, Warning, Image.DecompressionBombError) as error:
        raise ValueError("no image that can be decoded") from error
    if (image_format, size, actual) != (kind, (side, side), mode):
        raise ValueError(f"{image_format} {size[0]}x{size[1]} {actual}, not {kind} {side}x{side} {mode}")
    if not data.endswith(_ENDS[kind]):
        raise ValueError("the end of the image is missing")
    pixels = decode_as(data, cv2.IMREAD_COLOR_RGB)
    if pixels is None:
        raise ValueError("cannot be decoded")
    return pixels


def _pose(data: bytes) -> NDArray[np.float32]:
    """Read a pose (17, 3). Raise ValueError for anything else; pickled data is never loaded."""
    if len(data) > _LARGEST_POSE:
        raise ValueError(f"{len(data)} bytes are no pose")
    try:
        pose = np.load(io.BytesIO(data), allow_pickle=False)
    except (OSError, EOFError, SyntaxError, MemoryError, OverflowError, TypeError) as error:
        raise ValueError("no .npy file") from error
    if not isinstance(pose, np.ndarray):
        raise ValueError("no .npy file")
    check_pose(pose)
    return pose


def _meta(data: bytes, key: str, split: str) -> Sample:
    sample = Sample.model_validate_json(data)
    if sample.key != key:
        raise ValueError(f"speaks of {sample.key}")
    if sample.split != split:
        raise ValueError(f"says split {sample.split}, the shard is {split}")
    return sample


def _look(pixels: NDArray[np.uint8]) -> ImageFingerprint:
    exact = int.from_bytes(hashlib.sha256(pixels.tobytes()).digest()[:8], "little")
    grey = cv2.resize(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), (9, 8), interpolation=cv2.INTER_AREA).astype(np.int16)
    bits = np.packbits(grey[:, 1:] > grey[:, :-1])
    thumb = np.asarray(cv2.resize(pixels, (8, 8), interpolation=cv2.INTER_AREA), np.uint8)
    return ImageFingerprint(exact, int.from_bytes(bits.tobytes(), "little"), thumb.ravel())
