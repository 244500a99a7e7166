"""The real VITON-HD records: every one with a pose becomes a sample, and Ia keeps and hides what it has to."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from preprocess.conditioning import person_side
from preprocess.conditioning.agnostic import shown
from preprocess.conditioning.regions import LEGS, LOWER, SHOES, UPPER, WORN, claimed_by, pixels_of
from preprocess.faults import Fault
from preprocess.formats.images import cut, decode
from preprocess.formats.stored_masks import read_stored_mask
from preprocess.loading.label_map_subjects import load_mapped_product
from preprocess.loading.plain_background import find_garment
from preprocess.loading.subjects import load_person
from preprocess.planning.datasets import open_dataset, recognise
from preprocess.sharding.sample import Members, make_samples
from preprocess.sources import Files, Record
from schemas import Configuration, Reject

RECORDS = ("00008_00", "00013_00", "00017_00", "00034_00", "00035_00", "00055_00", "00064_00")
WHITE = {"00000_00": "a white top", "00008_00": "white stripes along the sleeves"}


@pytest.fixture(scope="module")
def real_records(real_data: Path) -> tuple[Files, dict[str, Record]]:
    if not (real_data / "viton-hd").is_dir():
        pytest.skip(f"no viton-hd in {real_data}")
    files = Files(real_data / "viton-hd")
    assert recognise(files) == "viton-hd"
    found = open_dataset(files, "viton-hd").records("upper", "item", "matching")
    return files, {f"{record.look}_{record.frame}": record for record in found}


def test_records_with_a_pose_become_samples(
    real_records: tuple[Files, dict[str, Record]], configuration: Configuration
) -> None:
    files, found = real_records
    told = configuration.model_copy(update={"source": "viton-hd"})
    made = list(make_samples(files, list(found.values()), told))
    samples = [one.sample for one in made if isinstance(one, Members)]
    rejects = [one for one in made if isinstance(one, Reject)]
    assert {f"{sample.look}_{sample.frame}" for sample in samples} == set(RECORDS)
    assert {sample.split for sample in samples} == {"val"}
    assert {sample.source for sample in samples} == {"viton-hd"}
    assert {(s.product_pose.origin, s.product_parse.origin, s.person_pose.origin) for s in samples} == {
        ("derived", "annotated", "annotated")
    }
    assert all(sample.product_pose.path == sample.product_parse.path for sample in samples)
    assert [reject.reason for reject in rejects] == ["missing-person-pose"] * 3


@pytest.mark.parametrize("name", RECORDS)
def test_Ia_of_a_real_record(real_records: tuple[Files, dict[str, Record]], name: str) -> None:
    files, found = real_records
    person = load_person(files, found[name])
    side = person_side(person, found[name].garment)
    points = person.pose.points - (side.crop.x, side.crop.y, 0)
    claimed = claimed_by(person.parse, WORN["upper"], side.crop)
    square = cut(person.pixels, side.crop)
    _, kept, repainted, stray = shown(square, side.labels, claimed, points, "upper", side.crop.side, whole_half=True)
    face, hair = (pixels_of(side.labels, frozenset({name})) for name in ("face", "hair"))
    lower = pixels_of(side.labels, LOWER | LEGS | SHOES)
    assert face.sum() > 10_000
    assert lower.sum() > 10_000
    assert not (face & ~kept).any()
    under = np.zeros_like(kept) if stray is None else stray  # black cloth between strands of hair, say
    assert not (lower & ~kept & ~under).any()
    assert (lower & ~kept).sum() < 0.02 * lower.sum()
    assert not (kept & ~repainted & pixels_of(side.labels, UPPER)).any()
    assert not (kept & (side.labels == 1)).any(), "neither neck nor chest is seen"
    assert ((kept | under) & hair).sum() > 0.85 * hair.sum()


@pytest.mark.parametrize("name", RECORDS)
def test_a_garment_found_without_its_mask_is_the_masks_or_unclear(
    real_records: tuple[Files, dict[str, Record]], name: str
) -> None:
    files, found = real_records
    pixels, _ = decode(files.read(found[name].product_image), name, None)
    truth, _ = next(read_stored_mask(files.read(found[name].product_parse), name).readings())
    mask, confidence, _ = find_garment(np.ascontiguousarray(pixels))
    overlap = (mask & truth).sum() / (mask | truth).sum()
    assert (confidence > 0.95) == (name not in WHITE)
    assert overlap > 0.98 or name in WHITE
    assert cv2.countNonZero(mask.view(np.uint8)) > 0


@pytest.mark.parametrize("name", RECORDS)
def test_a_tops_landmarks_are_sure_and_its_sleeves_are_alike(
    real_records: tuple[Files, dict[str, Record]], name: str
) -> None:
    files, found = real_records
    product = load_mapped_product(files, found[name])
    assert Fault.UNSURE_LANDMARKS not in product.faults
    known = product.pose.points[:, 2] > 0
    assert known[[5, 6, 11, 12]].all(), "shoulders and hem"
    assert (known[5:17:2] == known[6:17:2]).all()
