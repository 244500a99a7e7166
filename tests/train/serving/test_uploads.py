"""Photographs that are sent: the true `prep`, with the drawn labels where hand-made ones are looked for."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from labels_by_hand import front_in_one_layer, label_by_hand, labelled
from PIL import Image

from common.errors import UserError
from schemas import AGNOSTIC, GARMENT, JG, JP, Garment
from train.data import ShardFolder
from train.inference.outfits.photographs import Labelled, PhotoPair
from train.inference.pasting.paste_back import Region
from train.inference.sampling import Role
from train.serving import UploadedPhotographs, read_catalogue
from train.serving.forms import image_suffix
from train.serving.uploads import LIMITS, find_partners


@pytest.fixture(scope="module")
def partners(shards: Path) -> dict[Garment, dict[Role, Labelled]]:
    return find_partners(shards.parent / "aihub")


@pytest.fixture
def photographs(partners: dict[Garment, dict[Role, Labelled]]) -> Iterator[UploadedPhotographs]:
    made = UploadedPhotographs(())
    made._partners = partners
    yield made
    made.close()
    assert not made.folder.exists()


@pytest.mark.parametrize("role", ["person", "garment"])
def test_a_photograph_gives_the_conditioning_of_its_sample(
    photographs: UploadedPhotographs, partners: dict[Garment, dict[Role, Labelled]], shards: Path, role: Role
) -> None:
    """The half of the very picture in the shards, but for a JPEG more; keypoints are the same to the bit."""
    data = ShardFolder(shards, "val")
    place = front_in_one_layer(data, shards.parent / "aihub")
    sent = labelled(data.sample(place), role, shards.parent / "aihub")
    other: Role = "garment" if role == "person" else "person"
    label_by_hand(photographs, role, "upper", sent, partners["upper"][other])
    picture, pose, _ = photographs.conditioning(role, "upper", sent.image.read_bytes())
    np.testing.assert_array_equal(pose, data.pose(place, JP if role == "person" else JG))
    true = data.image(place, AGNOSTIC if role == "person" else GARMENT)
    assert picture.shape == (256, 256, 3)
    assert np.abs(picture.astype(float) - true).mean() < 1.5
    assert not list(photographs.folder.iterdir())  # nothing of it stays on disk
    if role == "person":
        placed = photographs.placed("upper", sent.image.read_bytes())
        assert placed.region == Region.of(data.sample(place).person.crop)
    again, _, _ = photographs.conditioning(role, "upper", sent.image.read_bytes())
    assert again is picture


def test_a_damaged_photograph_is_refused_with_preps_reason(
    photographs: UploadedPhotographs, partners: dict[Garment, dict[Role, Labelled]]
) -> None:
    data = partners["upper"]["person"].image.read_bytes()
    with pytest.raises(UserError, match="photograph of the person cannot be used: bad-image"):
        photographs.conditioning("person", "upper", data[: len(data) // 3])
    assert not list(photographs.folder.iterdir())


def test_nothing_is_left_of_a_photograph_that_is_refused_before_prep_runs(
    photographs: UploadedPhotographs,
    partners: dict[Garment, dict[Role, Labelled]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(pairs: list[PhotoPair], _out: Path) -> None:
        raise UserError(f"{pairs[0].person}: too many pixels; scale the photograph down")

    monkeypatch.setattr("train.serving.uploads.PhotoSet", refuse)
    data = partners["upper"]["person"].image.read_bytes()
    with pytest.raises(UserError, match=r"^the photograph of the person cannot be used: too many pixels"):
        photographs.conditioning("person", "upper", data)
    assert not list(photographs.folder.iterdir())


def test_without_weights_uploads_are_off_with_the_reason(
    shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("U2NET_HOME", str(tmp_path))
    monkeypatch.setenv("REMBG_HOME", str(tmp_path))
    photographs = UploadedPhotographs(())
    photographs.check(read_catalogue(ShardFolder(shards, "val")))
    photographs.close()
    assert photographs.state == "off"
    assert photographs.why.startswith("weights are missing")


def test_every_kind_has_a_synthetic_partner(tmp_path: Path, photographs: UploadedPhotographs) -> None:
    photographs._partners = {}
    photographs._draw_partners()
    assert set(photographs._partners) == {"upper", "lower", "dress"}
    names = {kind: {role: one.image.name for role, one in both.items()} for kind, both in photographs._partners.items()}
    assert len({both["garment"] for both in names.values()}) == 3


def test_image_types_are_detected_by_content(tmp_path: Path) -> None:
    for kind, suffix in (("JPEG", ".jpg"), ("PNG", ".png"), ("WEBP", ".webp"), ("TIFF", ".tif")):
        buffer = io.BytesIO()
        Image.new("RGB", (8, 8)).save(buffer, kind)
        assert image_suffix(buffer, LIMITS.pixels) == suffix
    buffer = io.BytesIO()
    Image.new("1", (9000, 9000)).save(buffer, "PNG")
    with pytest.raises(UserError, match="81 million pixels"):
        image_suffix(buffer, LIMITS.pixels)
