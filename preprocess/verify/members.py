"""The bytes of one sample's members: each decodes to what the contract says, and all speak of the same sample."""

from __future__ import annotations

import hashlib
import io
import warnings
from collections.abc import Mapping

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from preprocess.verify.twins import Look
from schemas import (
    AGNOSTIC,
    CONDITIONING_SIZE,
    GARMENT,
    JG,
    JP,
    META,
    PERSON,
    PERSON_256,
    TARGET_SIZE,
    Sample,
    check_pose,
)

_SIZES = {
    PERSON: TARGET_SIZE,
    PERSON_256: CONDITIONING_SIZE,
    AGNOSTIC: CONDITIONING_SIZE,
    GARMENT: CONDITIONING_SIZE,
}
_ENDS = {"JPEG": b"\xff\xd9", "PNG": b"IEND\xaeB`\x82"}
"""Decoders fill what a cut picture lacks and say nothing, so its end is looked for."""
_LARGEST_POSE = 1024
"""Bytes; a pose has 332."""


def check_members(
    key: str, split: str, members: Mapping[str, bytes]
) -> tuple[list[tuple[str, str]], Sample | None, tuple[Look, Look] | None]:
    """Return (ending, problem) of each damaged member, the description, and what person and garment look like.

    ``members`` maps endings to bytes; missing ones are not reported here.
    """
    problems: list[tuple[str, str]] = []
    pictures: dict[str, NDArray[np.uint8]] = {}
    sample: Sample | None = None
    for ending, data in members.items():
        try:
            if ending in _SIZES:
                pictures[ending] = _picture(data, "PNG" if ending.endswith("png") else "JPEG", _SIZES[ending])
            elif ending in (JP, JG):
                _pose(data)
            elif ending == META:
                sample = _meta(data, key, split)
        except ValueError as error:
            problems.append((ending, " ".join(str(error).split())))
    twins = (
        (_look(pictures[PERSON_256]), _look(pictures[GARMENT])) if {PERSON_256, GARMENT} <= pictures.keys() else None
    )
    return problems, sample, twins


def _picture(data: bytes, kind: str, side: int) -> NDArray[np.uint8]:
    """Decode a picture. Raise ValueError unless it is whole, RGB, and ``side`` pixels square."""
    try:
        with warnings.catch_warnings(action="error"), Image.open(io.BytesIO(data)) as head:
            found, size, mode = head.format, head.size, head.mode
    except (OSError, ValueError, SyntaxError, Warning, Image.DecompressionBombError) as error:
        raise ValueError("no picture that can be decoded") from error
    if (found, size, mode) != (kind, (side, side), "RGB"):
        raise ValueError(f"{found} {size[0]}x{size[1]} {mode}, not {kind} {side}x{side} RGB")
    if not data.endswith(_ENDS[kind]):
        raise ValueError("the end of the picture is missing")
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)
    except cv2.error:
        pixels = None
    if pixels is None:
        raise ValueError("cannot be decoded")
    return np.asarray(pixels, np.uint8)


def _pose(data: bytes) -> None:
    """Raise ValueError unless the bytes are a pose; nothing in them is ever unpickled."""
    if len(data) > _LARGEST_POSE:
        raise ValueError(f"{len(data)} bytes are no pose")
    try:
        pose = np.load(io.BytesIO(data), allow_pickle=False)
    except (OSError, EOFError, SyntaxError, MemoryError, OverflowError, TypeError) as error:
        raise ValueError("no .npy file") from error
    if not isinstance(pose, np.ndarray):
        raise ValueError("no .npy file")
    check_pose(pose)


def _meta(data: bytes, key: str, split: str) -> Sample:
    sample = Sample.model_validate_json(data)
    if sample.key != key:
        raise ValueError(f"speaks of {sample.key}")
    if sample.split != split:
        raise ValueError(f"says split {sample.split}, the shard is {split}")
    return sample


def _look(pixels: NDArray[np.uint8]) -> Look:
    exact = int.from_bytes(hashlib.sha256(pixels.tobytes()).digest()[:8], "little")
    grey = cv2.resize(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), (9, 8), interpolation=cv2.INTER_AREA).astype(np.int16)
    bits = np.packbits(grey[:, 1:] > grey[:, :-1])
    thumb = np.asarray(cv2.resize(pixels, (8, 8), interpolation=cv2.INTER_AREA), np.uint8)
    return Look(exact, int.from_bytes(bits.tobytes(), "little"), thumb.ravel())
