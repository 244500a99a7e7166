"""Ia, Ic, Jp, Jg of a person in flat colours, so that every pixel tells where it came from."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest

from preprocess.conditioning import garment_side, person_side
from preprocess.faults import RecordError
from preprocess.loading.layer_check import check_layers
from preprocess.loading.subjects import load_person, load_product
from preprocess.planning.pairing import records
from preprocess.sources import Files, Record
from preprocess.sources.aihub import open_aihub
from schemas import MID_GREY, Garment, check_pose

LABELS = "01.데이터/1.Training/라벨링데이터_230515_add/2021_Fashion_train_labels_v230428"
Edit = Callable[[Path, Callable[[Any], None]], None]
RED, BLUE, SKIN, GREEN, HAIR = (200, 0, 0), (0, 0, 160), (240, 180, 150), (0, 90, 0), (60, 40, 20)


def make(root: Path, garment: Garment = "upper", linings: bool = False) -> SimpleNamespace:
    files = Files(root)
    record = replace(first_record(root), garment=garment)
    person, product = load_person(files, record), load_product(files, record)
    person_half = person_side(person, record.garment)
    garment_half = garment_side(product, record.garment, record.pairing, linings=linings)
    check_layers(files, person, person_half, product, record)
    crops = {"person_crop": person_half.crop, "product_crop": garment_half.crop}
    return SimpleNamespace(**{**vars(person_half), **vars(garment_half), **crops})


def first_record(root: Path) -> Record:
    return next(iter(records(open_aihub(Files(root)), "upper")))


def near(pixels: np.ndarray[Any, Any], colour: tuple[int, int, int], within: int = 40) -> int:
    return int((np.abs(pixels.astype(int) - colour).max(axis=-1) <= within).sum())


def test_nothing_of_the_garment_is_left_in_Ia(aihub: Path) -> None:
    made = make(aihub)
    assert near(made.Ip_256, RED) > 5000
    redness = made.Ia[..., 0].astype(int) - made.Ia[..., 1:].max(axis=-1)
    assert redness.max() < 80  # skin's own redness is 60


def test_head_hands_and_lower_body_are_pasted_back(aihub: Path) -> None:
    made = make(aihub)
    for colour in (HAIR, (250, 200, 170), BLUE):
        assert near(made.Ia, colour, 12) >= 0.88 * near(made.Ip_256, colour, 12)  # edges mix with grey
    hands = near(made.Ia[160:], SKIN, 12)
    arms = near(made.Ip_256, SKIN, 12)
    assert 0.25 * arms < hands < 0.7 * arms  # the forearms are gone: a bare arm tells the sleeve's length


def test_the_box_is_exactly_grey_and_the_background_stays(aihub: Path) -> None:
    made = make(aihub)
    assert (made.Ia[128, 128] == MID_GREY).all()
    grey = (made.Ia == MID_GREY).all(axis=-1)
    assert 0.2 < grey.mean() < 0.7
    assert near(made.Ia[:, :8], (230, 230, 230), 6) == 8 * 256


def test_estimated_regions_get_a_wider_margin_but_not_into_hair(aihub: Path, edit: Edit) -> None:
    labelled = make(aihub).Ia
    edit(aihub / LABELS / "Model-Parse/1008_A001_000.json", lambda document: document.update(origin="estimated"))
    estimated = make(aihub).Ia
    assert 0.8 * near(labelled, BLUE) < near(estimated, BLUE) < 0.99 * near(labelled, BLUE)
    assert near(estimated, HAIR, 12) == near(labelled, HAIR, 12)


def test_lower_garment_keeps_the_complement(aihub: Path) -> None:
    made = make(aihub, "lower")
    assert near(made.Ia, BLUE) == 0
    assert near(made.Ia, RED) > 0.9 * near(made.Ip_256, RED)
    assert near(made.Ia, GREEN) > 0.8 * near(made.Ip_256, GREEN)
    assert near(made.Ia, SKIN, 12) > 0.9 * near(made.Ip_256, SKIN, 12)


def test_dress_keeps_head_hands_and_shoes(aihub: Path) -> None:
    made = make(aihub, "dress")
    assert near(made.Ia, RED) == near(made.Ia, BLUE) == 0
    assert near(made.Ia, GREEN) > 0.8 * near(made.Ip_256, GREEN)
    assert near(made.Ia, HAIR, 12) > 0.9 * near(made.Ip_256, HAIR, 12)


def test_the_subject_fills_the_square(aihub: Path) -> None:
    made = make(aihub)
    rows = np.nonzero((made.Ip_256 != made.Ip_256[0, 0]).any(axis=-1).sum(axis=1) > 4)[0]
    assert rows[0] < 24
    assert rows[-1] == 255  # cut at the thigh, so that the upper body is seen large
    assert made.person_crop.side < 700
    whole = make(aihub, "dress")
    assert whole.person_crop.side > 890


def test_the_crop_does_not_tell_the_length_of_the_garment(aihub: Path, edit: Edit) -> None:
    before = make(aihub).person_crop

    def longer(document: Any) -> None:
        document["region4"]["segmentation"] = [[[290, 300], [430, 300], [430, 760], [290, 760]]]

    edit(aihub / LABELS / "Model-Parse/1008_A001_000.json", longer)
    assert make(aihub).person_crop == before


def test_Ic_is_the_garment_alone_on_grey(aihub: Path) -> None:
    made = make(aihub)
    assert (made.Ic[0] == MID_GREY).all()
    assert (made.Ic[:, 0] == MID_GREY).all()
    assert near(made.Ic, RED) > 30_000
    assert near(made.Ic, (230, 230, 230), 20) == 0


def test_hidden_inside_is_not_part_of_Ic(aihub: Path, edit: Edit) -> None:
    before = make(aihub).Ic

    def lining(document: Any) -> None:
        document["region2"] = {"product_type": "top_hidden", "segmentation": [[[300, 400], [420, 400], [360, 460]]]}

    edit(aihub / LABELS / "Item-Parse/1008001_F.json", lining)
    after = make(aihub).Ic
    assert near(after, RED) < near(before, RED)
    assert (after[14:20, 120:136] == MID_GREY).all()
    assert (make(aihub, linings=True).Ic == before).all()


def test_a_garment_polygon_that_continues_beneath_the_arms_removes_no_hand(aihub: Path, edit: Edit) -> None:
    hands = near(make(aihub).Ia[160:], SKIN, 12)

    def beneath(document: Any) -> None:
        document["region4"]["segmentation"] = [[[240, 300], [480, 300], [480, 640], [240, 640]]]

    edit(aihub / LABELS / "Model-Parse/1008_A001_000.json", beneath)
    assert near(make(aihub).Ia[160:], SKIN, 12) > 0.8 * hands


@pytest.mark.parametrize("scale", [1, 2, 3])
def test_a_large_product_photograph_is_decoded_small_and_gives_the_same_Ic(aihub: Path, scale: int) -> None:
    """The photograph is enlarged, with its labels: decoded at a half and a quarter where the garment is that large."""
    before = make(aihub)
    path = next(aihub.rglob("Item-Image/1008001_F.jpg"))
    pixels = np.asarray(cv2.imread(str(path)), np.uint8)
    size = {"width": 720 * scale, "height": 1280 * scale}
    cv2.imwrite(str(path), cv2.resize(pixels, tuple(size.values()), interpolation=cv2.INTER_NEAREST))
    for leaf in ("Item-Pose", "Item-Parse"):
        label = aihub / LABELS / leaf / "1008001_F.json"
        document = json.loads(label.read_text())
        document["image_size"] = size
        if "landmarks" in document:
            document["landmarks"] = (np.reshape(document["landmarks"], (17, 3)) * (scale, scale, 1)).ravel().tolist()
        else:
            document["region1"]["segmentation"] = (np.array(document["region1"]["segmentation"]) * scale).tolist()
        label.write_text(json.dumps(document))
    after = make(aihub)
    files = Files(aihub)
    assert load_product(files, first_record(aihub)).factor == {1: 1, 2: 2, 3: 4}[scale]
    assert abs(near(after.Ic, RED) - near(before.Ic, RED)) < 0.02 * near(before.Ic, RED)
    assert after.Ic[..., 1:].max() <= MID_GREY + 12  # red and grey have no more; the bright background would
    assert after.Jg == pytest.approx(before.Jg, abs=0.01)
    assert after.product_crop.side == pytest.approx(scale * before.product_crop.side, abs=2 * scale)


def test_what_lies_below_the_crops_is_not_decoded_and_nothing_else_changes(aihub: Path) -> None:
    before = make(aihub)
    files, record = Files(aihub), first_record(aihub)
    person = load_person(files, record, "upper")
    crop = before.person_crop
    assert crop.y + crop.side <= len(person.pixels) < 1280 == person.size[1]
    after = person_side(person, record.garment)
    for member in ("Ip", "Ip_256", "Ia", "Jp"):
        assert np.array_equal(getattr(after, member), getattr(before, member))
    assert after.crop == crop
    product = load_product(files, record)
    assert len(product.pixels) < 1280 == product.size[1]


def test_a_person_is_decoded_whole_where_its_crop_is_not_known(aihub: Path, edit: Edit) -> None:
    record = first_record(aihub)
    edit(aihub / record.person_parse, lambda document: document.pop("image_size"))
    assert len(load_person(Files(aihub), record, "upper").pixels) == 1280


def test_poses_are_in_the_crops(aihub: Path) -> None:
    made = make(aihub)
    check_pose(made.Jp)
    check_pose(made.Jg)
    crop = made.person_crop
    assert made.Jp[0].tolist() == pytest.approx([(360 - crop.x) / crop.side, (240 - crop.y) / crop.side, 1])
    assert not made.Jp[[15, 16]].any()  # the ankles lie below the crop
    crop = made.product_crop
    assert made.Jg[5].tolist() == pytest.approx([(450 - crop.x) / crop.side, (410 - crop.y) / crop.side, 1])
    assert np.nonzero(made.Jg[:, 2])[0].tolist() == [5, 6, 11, 12]


def test_a_hand_without_a_wrist_is_found_at_the_arms_end(aihub: Path, edit: Edit) -> None:
    with_wrists = near(make(aihub).Ia[160:], SKIN, 12)

    def no_wrists(document: Any) -> None:
        document["landmarks"][9 * 3 : 11 * 3] = [0] * 6

    edit(aihub / LABELS / "Model-Pose/1008_A001_000.json", no_wrists)
    assert near(make(aihub).Ia[160:], SKIN, 12) == pytest.approx(with_wrists, rel=0.5)


def test_swapped_left_and_right_wrists_still_give_hands(aihub: Path, edit: Edit) -> None:
    expected = make(aihub).Ia

    def swap(document: Any) -> None:
        numbers = document["landmarks"]
        for left in (7, 9):
            a, b = slice(left * 3, left * 3 + 3), slice(left * 3 + 3, left * 3 + 6)
            numbers[a], numbers[b] = numbers[b], numbers[a]

    edit(aihub / LABELS / "Model-Pose/1008_A001_000.json", swap)
    assert np.array_equal(make(aihub).Ia, expected)


def test_a_cuff_inside_the_arms_polygon_is_not_pasted_back(aihub: Path, edit: Edit) -> None:
    """Real polygons are off by a few pixels: here the sleeve goes on for 6 px inside the polygon of the hand."""
    file = next(aihub.rglob("Model-Image/1008_A001_000.jpg"))
    pixels = cv2.imread(str(file), cv2.IMREAD_COLOR_RGB)
    assert pixels is not None
    pixels[421:570, 245:286] = pixels[421:570, 435:476] = RED
    cv2.imwrite(str(file), cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 98])

    def long_sleeves(document: Any) -> None:
        for sleeve, arm, (left, right) in (("region5", "region7", (245, 285)), ("region6", "region8", (435, 475))):
            document[sleeve]["segmentation"] = [[[left, 300], [right, 300], [right, 563], [left, 563]]]
            document[arm]["segmentation"] = [[[left, 564], [right, 564], [right, 640], [left, 640]]]

    edit(aihub / LABELS / "Model-Parse/1008_A001_000.json", long_sleeves)
    made = make(aihub)
    redness = made.Ia[..., 0].astype(int) - made.Ia[..., 1:].max(axis=-1)
    assert redness.max() < 80
    assert near(made.Ia[160:], SKIN, 12) > 500


def test_a_garment_that_is_not_worn_is_rejected(aihub: Path, edit: Edit) -> None:
    def undress(document: Any) -> None:
        for region in ("region4", "region5", "region6"):
            del document[region]

    edit(aihub / LABELS / "Model-Parse/1008_A001_000.json", undress)
    with pytest.raises(RecordError, match="garment-not-worn"):
        make(aihub)


@pytest.mark.parametrize("where", [[[99999, 99999]], [[-9000, 50], [-8990, 50], [-8990, 60]]], ids=["far", "beside"])
@pytest.mark.parametrize("parse", ["Model-Parse/1008_A001_000.json", "Item-Parse/1008001_F.json"])
def test_labels_far_outside_are_rejected(aihub: Path, edit: Edit, parse: str, where: list[list[int]]) -> None:
    """A vertex at 99,999 once asked for gigabytes."""

    def astray(document: Any) -> None:
        for region in document.values():
            if isinstance(region, dict) and "segmentation" in region:
                region["segmentation"] = [[*region["segmentation"][0], *where]] if len(where) == 1 else [where]

    edit(aihub / LABELS / parse, astray)
    with pytest.raises(RecordError, match=r"labels-outside|garment-not-worn|no-garment"):
        make(aihub)


def test_labels_for_another_size_are_rejected(aihub: Path, edit: Edit) -> None:
    def other(document: Any) -> None:
        document["image_size"] = {"width": 360, "height": 640}

    edit(aihub / LABELS / "Model-Parse/1008_A001_000.json", other)
    with pytest.raises(RecordError, match="size-mismatch"):
        make(aihub)


@pytest.mark.parametrize("part", ["Model-Image", "Model-Pose", "Model-Parse", "Item-Image", "Item-Pose", "Item-Parse"])
def test_a_missing_part_is_rejected_with_its_name(aihub: Path, part: str) -> None:
    for path in aihub.rglob(f"{part}/*0*1*"):
        path.unlink()
    kind, _, what = part.lower().partition("-")
    reason = f"missing-{'person' if kind == 'model' else 'product'}-{what}"
    with pytest.raises(RecordError, match=reason):
        make(aihub)
