"""A drawn person of the shards: photograph, Ia, pose and crop."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from schemas import AGNOSTIC, JP, PERSON_256, SourceImage
from train.data import ShardFolder
from train.data.shards import Pixels
from train.inference.pasting.agreement import Mask
from train.inference.pasting.paste_back import Region, hidden_in


@dataclass(frozen=True)
class Person:
    """A drawn person and what the shards hold of it."""

    photograph: Pixels
    picture: SourceImage
    path: Path
    small: Pixels
    Ia: Pixels
    pose: NDArray[np.float32]

    @property
    def region(self) -> Region:
        """The crop."""
        return Region.of(self.picture.crop)

    @property
    def hidden(self) -> Mask:
        """The hidden pixels of Ia."""
        return hidden_in(self.Ia)

    @property
    def square(self) -> Pixels:
        """The crop's pixels; they lie inside of the photograph."""
        crop = self.picture.crop
        return self.photograph[crop.y : crop.y + crop.side, crop.x : crop.x + crop.side]


@pytest.fixture(scope="session")
def person(shards: Path) -> Person:
    """Return the first person of the validation split."""
    data = ShardFolder(shards, "val")
    picture = data.sample(0).person
    path = shards.parent / "aihub" / picture.path
    with Image.open(path) as image:
        photograph = np.asarray(image.convert("RGB"))
    return Person(
        photograph, picture, path, data.image(0, PERSON_256), data.image(0, AGNOSTIC), data.pose(0, JP)
    )  # fmt: skip
