"""Where a sample's square lies in a photograph of another size or orientation, and files that are none of it."""

from __future__ import annotations

import io
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from common.errors import UserError
from schemas import Crop
from train.inference.pasting.matching_crop import place
from train.inference.pasting.originals import Original, decode_original
from train.inference.pasting.whole import with_result


def original_of(pixels: Any) -> Original:
    return Original(pixels, pixels, "a.jpg")


def test_the_photograph_itself(person: Any) -> None:
    placed = place(original_of(person.photograph), person.picture, person.small)
    assert (placed.region, placed.quarters) == (person.region, 0)


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_a_photograph_on_its_side_comes_back_on_its_side(person: Any, quarters: int) -> None:
    lying = np.ascontiguousarray(np.rot90(person.photograph, -quarters))
    placed = place(original_of(lying), person.picture, person.small)
    assert placed.quarters == quarters
    assert np.array_equal(placed.original.seen, person.photograph)
    whole = with_result(placed, person.Ia, person.pose, np.zeros((256, 256, 3), np.uint8))
    assert whole.seen.shape == lying.shape
    upright = np.rot90(whole.seen, quarters)
    crop = person.picture.crop
    assert np.array_equal(upright[: crop.y], person.photograph[: crop.y])


@pytest.mark.parametrize("scale", [0.7, 1.9, 3.125])
def test_a_larger_or_smaller_photograph(person: Any, scale: float) -> None:
    height, width = person.photograph.shape[:2]
    size = round(width * scale), round(height * scale)
    scaled = np.asarray(cv2.resize(person.photograph, size, interpolation=cv2.INTER_CUBIC), np.uint8)
    placed = place(original_of(scaled), person.picture, person.small)
    assert placed.region.left == pytest.approx(person.picture.crop.x * size[0] / width)
    whole = with_result(placed, person.Ia, person.pose, person.small)
    assert np.abs(whole.seen.astype(int) - scaled).mean() < 0.6


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_of_a_file(person: Any, orientation: int) -> None:
    """Stored turned, and displayed upright: the result is what the display shows."""
    back = {
        2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_90, 7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }  # fmt: skip
    image = Image.fromarray(person.photograph)
    stored = image.transpose(back[orientation]) if orientation > 1 else image
    exif = Image.Exif()
    exif[0x0112] = orientation
    buffer = io.BytesIO()
    stored.save(buffer, "PNG", exif=exif, compress_level=1)
    placed = place(decode_original(buffer.getvalue(), "a.png"), person.picture, person.small)
    whole = with_result(placed, person.Ia, person.pose, np.zeros((256, 256, 3), np.uint8))
    crop = person.picture.crop
    assert np.array_equal(whole.seen[: crop.y], person.photograph[: crop.y])
    assert placed.quarters == 0


def test_another_photograph_is_refused(person: Any) -> None:
    other = np.random.default_rng(0).integers(0, 256, person.photograph.shape, np.uint8)
    for wrong in (other, person.photograph[:, 50:], person.photograph[::-1, ::-1, ::-1] // 2):
        with pytest.raises(UserError, match=r"a\.jpg: .*not the photograph") as caught:
            place(original_of(np.ascontiguousarray(wrong)), person.picture, person.small)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "crop", [Crop(x=10**6, y=0, side=600), Crop(x=0, y=0, side=10**6), Crop(x=0, y=-700, side=600)]
)
def test_a_crop_that_no_image_has_is_refused(person: Any, crop: Crop) -> None:  # fmt: skip
    picture = person.picture.model_copy(update={"crop": crop})
    with pytest.raises(UserError, match=r"a\.jpg: the sample's crop"):
        place(original_of(person.photograph), picture, person.small)
