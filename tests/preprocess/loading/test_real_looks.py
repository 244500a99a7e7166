"""The seven real looks of the AI-Hub sample: every one becomes a sample, and nothing of the garment is left in Ia."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from preprocess.conditioning import person_side
from preprocess.conditioning.agnostic import shown
from preprocess.conditioning.regions import UPPER, claimed_by, pixels_of
from preprocess.formats.images import cut
from preprocess.loading.subjects import load_person
from preprocess.planning.pairing import records
from preprocess.sources import Files, Record
from preprocess.sources.aihub import is_aihub, open_aihub

LOOKS = 7
HANDS_IN_POCKETS = 2


@pytest.fixture(scope="module")
def real_records(real_data: Path) -> tuple[Files, list[Record]]:
    files = Files(real_data / "aihub-sample")
    assert is_aihub(files)
    return files, list(records(open_aihub(files), "upper"))


def test_all_looks_are_found(real_records: tuple[Files, list[Record]]) -> None:
    assert [record.split for record in real_records[1]] == ["train"] * 6 + ["val"]


@pytest.mark.parametrize("number", range(LOOKS))
def test_Ia_of_a_real_look(real_records: tuple[Files, list[Record]], number: int) -> None:
    files, found = real_records
    person = load_person(files, found[number])
    made = person_side(person, found[number].garment)
    labels = made.labels
    points = person.pose.points - (made.crop.x, made.crop.y, 0)
    square = cut(person.pixels, made.crop)
    claimed = claimed_by(person.parse, UPPER, made.crop)
    _, kept, repainted, stray = shown(square, labels, claimed, points, "upper", made.crop.side)
    face, hair = (pixels_of(labels, frozenset({name})) for name in ("face", "hair"))
    lower, garment = pixels_of(labels, frozenset({"pants_hip"})), pixels_of(labels, UPPER)
    assert not (kept & ~repainted & (garment | claimed)).any()
    assert (kept & face).sum() == face.sum() > 0
    # Its polygon takes in a little of the garment, and where that is much, it is found by its colours.
    under = np.zeros_like(hair) if stray is None else hair & stray
    assert ((kept | under) & hair).sum() > 0.95 * hair.sum() > 0
    assert under.sum() < 0.25 * hair.sum()
    if under.sum() > 500:
        garments, hairs = (square[mask].mean(axis=0) for mask in (garment, hair & kept))
        those = square[under].mean(axis=0)
        assert np.abs(those - garments).sum() < np.abs(those - hairs).sum()
    assert (kept & lower).sum() > 0.9 * lower.sum()
    hands = kept & pixels_of(labels, frozenset({"left_arm", "right_arm"}))
    assert hands.sum() > (0 if number == HANDS_IN_POCKETS else 100)
    box = cv2.boundingRect(cv2.findNonZero((labels > 0).astype(np.uint8)))
    assert max(box[2], box[3]) > 0.85 * made.crop.side
