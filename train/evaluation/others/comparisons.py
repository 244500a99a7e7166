"""Each image of another system with what it is compared with: whole photographs, or the crops of shards."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from PIL import Image

from common.errors import UserError
from schemas import AGNOSTIC, PERSON, PERSON_256, Crop
from train.data import ShardFolder
from train.data.batches import to_size
from train.data.shards import Pixels
from train.evaluation.others.image_folders import ImageOf, image_files, matched, read_pixels
from train.evaluation.paired import Mask, hidden, within_photo

_LEAST, _MOST = 32, 4096
"""Pixels of a side at which images are compared: no photograph of a dataset is larger, and memory is not either."""
_ASPECT = 0.02
"""How far an image's proportions may be off its photograph's: rounding of small images, no other framing."""
RESIZED = "Pillow, bilinear with antialiasing, 8 bits, as torchvision's Resize of images"


@dataclass(frozen=True)
class Comparison:
    """An image beside its photograph, both (h, w, 3)."""

    image: Pixels
    truth: Pixels
    hidden: Mask | None
    """Where the system had to paint, if that is known."""
    paired: bool
    """Whether it shows the photograph's own garment."""


class Comparisons(Protocol):
    """The images to compare, and how they are prepared."""

    protocol: dict[str, str]

    def __len__(self) -> int:
        """Return the number of images."""

    def __iter__(self) -> Iterator[Comparison]:
        """Yield one after the other, decoded as it is reached."""


class WithPhotographs:
    """Images beside the photographs of a folder, whole, both resized to one size."""

    def __init__(self, images: Path, photographs: Path, size: tuple[int, int], *, paired: bool) -> None:
        """``size`` is width and height. Raise UserError if an image has no photograph."""
        self._photographs = {path.stem: path for path in image_files(photographs, "--photos")}
        self._images = matched(image_files(images, "--images"), list(self._photographs), "photograph")
        self._size, self._paired = size, paired
        self.protocol = {
            "images": str(images), "photographs": str(photographs), "region": "whole photographs",
            "size": f"{size[0]}x{size[1]} (width x height)", "resized by": RESIZED,
        }  # fmt: skip

    def __len__(self) -> int:
        return len(self._images)

    def __iter__(self) -> Iterator[Comparison]:
        for one in self._images:
            image, truth = read_pixels(one.path), read_pixels(self._photographs[one.name])
            _check_framing(one.path, image, (truth.shape[1], truth.shape[0]))
            yield Comparison(resized(image, self._size), resized(truth, self._size), None, self._paired)


class WithShards:
    """Images beside the photographs of shards, in their crops: what `trainer evaluate` measures of a cascade.

    An image is the crop itself, a square, or the whole photograph, which is cropped as `prep` cropped it. Its name is a
    sample's key or the name of the person's file; of `person__garment`, as `trainer sample` writes, both are keys.
    """

    def __init__(self, images: Path, shards: ShardFolder, size: int, *, paired: bool) -> None:
        """Raise UserError if an image belongs to no sample of the split."""
        self._shards, self._size, self._paired = shards, size, paired
        self._positions = {key: position for position, key in enumerate(shards.keys)}
        for position in range(len(shards)):
            stem = Path(shards.sample(position).person.path).stem
            self._positions.setdefault(stem, position)
        self._images = matched(image_files(images, "--images"), list(self._positions), "sample")
        self.protocol = {
            "images": str(images), "photographs": f"{shards.folder}, split {shards.split}",
            "shards": shards.manifest.fingerprint, "region": "the shards' crops, as far as they show a photograph",
            "size": f"{size}x{size}", "resized by": RESIZED,
        }  # fmt: skip

    def __len__(self) -> int:
        return len(self._images)

    def __iter__(self) -> Iterator[Comparison]:
        for one in self._images:
            yield self._comparison(one)

    def _comparison(self, one: ImageOf) -> Comparison:
        position = self._positions[one.name]
        person = self._shards.sample(position).person
        image = read_pixels(one.path)
        if image.shape[0] != image.shape[1] or person.width == person.height:
            _check_framing(one.path, image, (person.width, person.height))
            image = cropped(image, person.crop, (person.width, person.height), self._size)
        else:
            image = resized(image, (self._size, self._size))
        truth = to_size(self._shards.image(position, PERSON_256 if self._size <= 256 else PERSON), self._size)
        part = within_photo(person.photo_box, self._size)
        inside = hidden(self._shards.image(position, AGNOSTIC), self._size)
        other = self._positions.get(one.rest)
        return Comparison(image[part], truth[part], inside[part], self._paired and other in (None, position))


def resized(image: Pixels, size: tuple[int, int]) -> Pixels:
    """Return an image at a width and height."""
    if (image.shape[1], image.shape[0]) == size:
        return image
    return np.array(Image.fromarray(image).resize(size, Image.Resampling.BILINEAR))


def cropped(image: Pixels, crop: Crop, whole: tuple[int, int], size: int) -> Pixels:
    """Return the square ``crop`` of a photograph of ``whole`` width and height, of which ``image`` is a resized one."""
    x, y = image.shape[1] / whole[0], image.shape[0] / whole[1]
    box = (crop.x * x, crop.y * y, (crop.x + crop.side) * x, (crop.y + crop.side) * y)
    margin = max(0, *(int(-edge) + 2 for edge in box[:2])), max(0, *(int(edge) + 2 for edge in box[2:]))
    # Beyond the photograph is nothing to compare; its edge is repeated there, so that no other colour bleeds in.
    padded = np.pad(image, (margin, margin, (0, 0)), mode="edge")
    moved = tuple(edge + margin[0] for edge in box)
    square = Image.fromarray(padded).resize((size, size), Image.Resampling.BILINEAR, box=moved)
    return np.array(square)


def parse_size(text: str | None, square: bool) -> tuple[int, int]:
    """Return width and height of `384x512`, or of `256` for a square. Raise UserError for anything else."""
    text = text or ("256" if square else "384x512")
    parts = text.lower().split("x")
    digits = all(part.isascii() and part.isdecimal() and len(part) < 6 for part in parts)
    if not digits or len(parts) > 2 or not all(_LEAST <= int(part) <= _MOST for part in parts):
        raise UserError(f"--size {text}: give width x height of {_LEAST} to {_MOST} each, as in 384x512")
    width, height = int(parts[0]), int(parts[-1])
    if square and width != height:
        raise UserError(f"--size {text}: the crops of shards are square; give one number, or --photos for 3:4")
    return width, height


def _check_framing(path: Path, image: Pixels, whole: Sequence[int]) -> None:
    height, width = image.shape[:2]
    if abs(width * whole[1] / (height * whole[0]) - 1) > _ASPECT:
        raise UserError(
            f"{path}: {width}x{height}, but its photograph is {whole[0]}x{whole[1]}: another framing, whose pixels "
            "cannot be compared; give images of the whole photograph, of any size"
        )
