"""Where the label map shows the person: read from AI-Hub's files and from images, or not at all."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from common.errors import UserError
from schemas import AGNOSTIC, JG, JP, Crop, Keypoint, SourceImage
from train.data import ShardFolder
from train.inference.pasting.paste_back import hidden_in
from train.inference.pasting.person_regions import PersonRegions, bare_arms, read_regions
from train.inference.pasting.source_images import SourceImages, source_of
from train.inference.pasting.whole import find_original, regions_of, with_result

PICTURE = SourceImage(path="anna.jpg", width=40, height=60, crop=Crop(x=-10, y=0, side=60))
SIDE = 120


def parse(**changed: Any) -> dict[str, Any]:
    """A body in the middle, and a bare left arm beside it."""
    return {
        "image_size": {"width": 40, "height": 60},
        "region1": {"category_name": "inner_torso", "segmentation": [[10, 10, 30, 10, 30, 50, 10, 50]]},
        "region2": {"category_name": "left_arm", "segmentation": [[30, 10, 36, 10, 36, 50, 30, 50]]},
        **changed,
    }


def read(labels: object) -> PersonRegions:
    regions = read_regions(json.dumps(labels).encode(), PICTURE, SIDE)
    assert regions is not None
    return regions


def test_polygons_are_drawn_at_the_squares_size() -> None:
    regions = read(parse())
    rows, columns = np.nonzero(regions.person)
    assert (rows.min(), rows.max()) == (pytest.approx(20, abs=1), pytest.approx(100, abs=1))
    assert (columns.min(), columns.max()) == (pytest.approx(40, abs=1), pytest.approx(92, abs=1))
    assert regions.arms["left_arm"].sum() == pytest.approx(80 * 12, rel=0.12)
    assert not regions.arms["right_arm"].any()


def test_an_image_of_labels_gives_the_person_alone() -> None:
    regions = read_image(Image.fromarray(numbers()))
    assert regions is not None
    same = regions.person == read(parse()).person
    assert same.mean() > 0.98
    assert not regions.arms


def numbers(background: int = 0, body: int = 7) -> Any:
    labels = np.full((60, 40), background, np.uint8)
    labels[10:50, 10:36] = body
    return labels


def read_image(image: Image.Image, kind: str = "PNG") -> PersonRegions | None:
    data = io.BytesIO()
    image.save(data, kind)
    return read_regions(data.getvalue(), PICTURE, SIDE)


def in_palette(background: int, *colours: tuple[int, int, int]) -> Image.Image:
    """The body is 1, the background another number."""
    image = Image.fromarray(numbers(background, 1), "L").convert("P")
    image.frombytes(numbers(background, 1).tobytes())
    image.putpalette([level for colour in colours for level in colour])
    return image


def painted(body: tuple[int, int, int], background: tuple[int, int, int] = (0, 0, 0)) -> Image.Image:
    return Image.fromarray(np.where(numbers()[..., None], body, background).astype(np.uint8))


@pytest.mark.parametrize(
    "image",
    [
        painted((128, 0, 0)),
        painted((0, 0, 85)).convert("RGBA"),
        Image.fromarray(numbers()).convert("LA"),
        Image.fromarray(numbers().astype(np.uint16)),
        Image.fromarray(numbers() > 0),
        painted((255, 0, 0)).quantize(4),
        in_palette(0, (0, 0, 0), (128, 0, 0)),
        in_palette(2, (85, 255, 170), (0, 85, 85), (0, 0, 0)),
        in_palette(0, (9, 9, 9), (40, 80, 20)),
        in_palette(0, (0, 0, 0), (0, 0, 0)),
    ],
    ids=["rgb", "rgba", "la", "16-bits", "1-bit", "quantized", "palette", "renumbered", "not-black", "no-colours"],
)
def test_images_of_labels_of_any_kind_show_the_same_person(image: Image.Image) -> None:
    regions = read_image(image)
    assert regions is not None
    assert (regions.person == read(parse()).person).mean() > 0.98


@pytest.mark.parametrize(
    ("image", "kind"),
    [
        (Image.fromarray(numbers(9, 1)), "PNG"),
        (Image.fromarray(numbers(9, 0)), "PNG"),
        (painted((128, 0, 0), (1, 1, 1)), "PNG"),
        (in_palette(3, (9, 9, 9), (0, 0, 0), (5, 5, 5), (0, 0, 0)), "PNG"),
        (painted((128, 0, 0)), "JPEG"),
        (Image.fromarray(numbers()), "JPEG"),
        (Image.fromarray(numbers().astype(np.float32)), "TIFF"),
        (painted((128, 0, 0)).convert("CMYK"), "TIFF"),
    ],
    ids=["other-background", "inverted", "no-background", "two-black", "jpeg", "grey-jpeg", "fractions", "cmyk"],
)
def test_images_that_do_not_say_what_the_background_is_are_ignored(image: Image.Image, kind: str) -> None:
    assert read_image(image, kind) is None


@pytest.mark.parametrize(
    "bad",
    [[], [1, 2, 3], [1, 2, 3, 4], [5] * 7, [float("nan")] * 6, [float("inf")] * 6, None, "a", {}, [[1, 2], [3]], 7],
)
def test_a_bad_polygon_is_skipped(bad: object) -> None:
    body = [[10, 10], [30, 10], [30, 50], [10, 50]]
    regions = read(parse(region1={"category_name": "inner_torso", "segmentation": [body, bad]}))
    np.testing.assert_array_equal(regions.person, read(parse()).person)


def test_a_flat_list_of_numbers_is_one_polygon() -> None:
    flat = parse(region1={"category_name": "inner_torso", "segmentation": [10, 10, 30, 10, 30, 50, 10, 50]})
    np.testing.assert_array_equal(read(flat).person, read(parse()).person)


@pytest.mark.parametrize("far", [1e7, 1e12, 1e300])
def test_a_corner_far_away_does_not_wrap(far: float) -> None:
    wide = [[10, 10], [far, 10], [far, 50], [10, 50]]
    person = read(parse(region1={"category_name": "inner_torso", "segmentation": [wide]})).person
    assert person[22:98, 42:].all()
    assert not person[:18].any()
    assert not person[:, :38].any()


@pytest.mark.parametrize(
    "data",
    [
        b"", b"{", b"no label map", b"[]", b"\xff\xd8\xff", b"{" * 100_000,
        json.dumps(parse(image_size={"width": 41, "height": 60})).encode(),
        json.dumps(parse(region1=None)).encode(),
    ],
)  # fmt: skip
def test_what_is_no_label_map_of_the_picture_is_ignored(data: bytes) -> None:
    assert read_regions(data, PICTURE, SIDE) is None


def test_only_the_label_map_that_ia_was_made_of_fits() -> None:
    regions = read(parse())
    hidden = np.zeros((SIDE, SIDE), np.bool_)
    hidden[18:103, 38:95] = True
    hidden[18:40, 50:70] = False  # the head is shown
    hidden[5, 5] = True  # a pixel of the photograph that happens to be mid-grey
    assert regions.fits(hidden)
    part = hidden.copy()
    part[60:] = False  # by the user's own mask
    assert regions.fits(part)
    assert not regions.fits(np.zeros_like(hidden))
    assert not regions.fits(np.roll(hidden, -25, axis=1))
    assert not regions.fits(np.ones_like(hidden))
    for wrong in (np.ones_like(hidden), ~regions.person):
        assert not regions._replace(person=wrong).fits(hidden)
        assert not regions._replace(person=wrong).fits(part)


def poses(elbow: float, wrist: float) -> tuple[Any, Any]:
    """A left arm that hangs down; a garment with these joints."""
    Jp, Jg = np.zeros((17, 3), np.float32), np.zeros((17, 3), np.float32)
    for joint, y in ((Keypoint.LEFT_SHOULDER, 20), (Keypoint.LEFT_ELBOW, 60), (Keypoint.LEFT_WRIST, 100)):
        Jp[joint] = (86 / SIDE, y / SIDE, 1)
    Jg[Keypoint.LEFT_ELBOW, 2], Jg[Keypoint.LEFT_WRIST, 2] = elbow, wrist
    return Jp, Jg


@pytest.mark.parametrize(("elbow", "wrist", "first"), [(0, 0, 32), (1, 0, 64), (1, 1, None), (0, 1, None)])
def test_arms_stay_as_far_as_no_sleeve_reaches(elbow: float, wrist: float, first: int | None) -> None:
    bare = bare_arms(read(parse()), *poses(elbow, wrist))
    rows = np.flatnonzero(bare.any(axis=1))
    assert (rows.min() if rows.size else None) == (None if first is None else pytest.approx(first, abs=2))


def test_drawn_people_are_found_by_the_labels_beside_their_photographs(shards: Path) -> None:
    data, source = ShardFolder(shards, "val"), SourceImages(shards.parent / "aihub")
    for position in range(min(4, len(data))):
        regions = regions_of(source, data.sample(position))
        assert regions is not None
        assert regions.fits(hidden_in(data.image(position, AGNOSTIC)))
        placed = find_original(source, data, position)
        assert placed.regions is not None
        Ia, Jp, Jg = data.image(position, AGNOSTIC), data.pose(position, JP), data.pose(position, JG)
        whole = with_result(placed, Ia, Jp, np.full((256, 256, 3), 40, np.uint8), Jg)
        assert (whole.seen != placed.original.seen).any()


def test_labels_outside_of_the_folder_are_not_read(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "secret.json").write_text(json.dumps(parse()))
    assert SourceImages(tmp_path / "src").labels("../secret.json") is None
    assert SourceImages(tmp_path / "src").labels("missing.json") is None


def test_label_files_may_be_in_a_folder_of_their_own(tmp_path: Path) -> None:
    """The photographs are what `prep annotate` was given, the labels what it wrote."""
    for folder in ("photos", "annotated"):
        (tmp_path / folder).mkdir()
    (tmp_path / "annotated" / "anna.json").write_bytes(b"{}")
    assert SourceImages(tmp_path / "photos", tmp_path / "annotated").labels("anna.json") == b"{}"
    assert SourceImages(tmp_path / "photos").labels("anna.json") is None
    with pytest.raises(UserError, match="--labels"):
        SourceImages(tmp_path / "photos", tmp_path / "none")
    with pytest.raises(UserError, match="give --src too"):
        source_of(None, tmp_path)
