"""From folders in the layouts of VITON-HD and Dress Code to tuples: what Ia hides and keeps, and every trap's code."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from drawn_sets import (
    OUTFITS,
    body_25,
    coco_18,
    label_map,
    look,
    openpose,
    product,
    write_dress_code,
    write_jpeg,
    write_json,
    write_map,
    write_viton_hd,
)
from numpy.typing import NDArray
from PIL import Image

from preprocess.conditioning import PersonSide, Subject, garment_side, person_side
from preprocess.conditioning.agnostic import shown
from preprocess.conditioning.regions import LOWER, SHOES, UPPER, WORN, claimed_by, pixels_of
from preprocess.faults import RecordError
from preprocess.formats.images import Mask, cut
from preprocess.loading.subjects import load_person, load_product
from preprocess.planning.datasets import open_listed
from preprocess.sources import Files, Record
from schemas import MID_GREY

STEM = "00006_00"
POSE = f"train/openpose_json/{STEM}_keypoints.json"
PARSE = f"train/image-parse-v3/{STEM}.png"
IMAGE = f"train/image/{STEM}.jpg"
MASK = f"train/cloth-mask/{STEM}.jpg"


@pytest.fixture
def viton_hd(tmp_path: Path) -> Path:
    write_viton_hd(tmp_path, "train", STEM, seed=1)
    (tmp_path / "train_pairs.txt").write_text(f"{STEM}.jpg {STEM}.jpg")
    return tmp_path


@pytest.fixture
def dress_code(tmp_path: Path) -> Callable[[str], Path]:
    def make(category: str) -> Path:
        write_dress_code(tmp_path, category, "020714", seed=1)
        (tmp_path / category / "train_pairs.txt").write_text("020714_0.jpg\t020714_1.jpg")
        return tmp_path

    return make


def record_of(root: Path) -> tuple[Files, Record]:
    files = Files(root)
    source = "viton-hd" if (root / "train").is_dir() else "dress-code"
    (record,) = open_listed(files, source).records("all", "item", "matching")  # type: ignore[arg-type]
    return files, record


def person_of(root: Path) -> tuple[Record, Subject, PersonSide]:
    files, record = record_of(root)
    person = load_person(files, record)
    return record, person, person_side(person, record.garment)


def seen_of(record: Record, person: Subject, side: PersonSide) -> tuple[Mask, Mask]:
    """Return what Ia shows in the crop, and what of it is repainted."""
    crop = side.crop
    points = person.pose.points - (crop.x, crop.y, 0.0)
    claimed = claimed_by(person.parse, WORN[record.garment], crop)
    square = cut(person.pixels, crop)
    seen = shown(square, side.labels, claimed, points, record.garment, crop.side, whole_half=True)
    return seen.kept, seen.repainted


def test_viton_hd_becomes_a_tuple(viton_hd: Path) -> None:
    files, record = record_of(viton_hd)
    record, person, side = person_of(viton_hd)
    kept, repainted = seen_of(record, person, side)
    garment, face = pixels_of(side.labels, UPPER), pixels_of(side.labels, frozenset({"face"}))
    lower = pixels_of(side.labels, LOWER | SHOES)
    assert garment.any()
    assert face.any()
    assert lower.any()
    assert not (kept & ~repainted & garment).any()
    assert not (face & ~kept).any()
    assert not (lower & ~kept).any()
    torso_skin = side.labels == 1
    assert torso_skin.any()
    assert not (torso_skin & kept).any(), "where neck and chest end tells the old neckline"
    cloth = garment_side(load_product(files, record), record.garment, record.pairing, linings=False)
    assert cloth.Jg[[5, 6, 11, 12], 2].all()
    assert (cloth.Ic[0, 0] == MID_GREY).all()
    assert person.faults == ()
    assert side.Jp[[0, 5, 6, 11, 12], 2].all()


def test_lower_body_pixels_beside_the_garment_show_no_colour_of_it(viton_hd: Path) -> None:
    """The margin is painted from the trousers farther off: in a parse that is 2 px off, no stripe of red is left."""
    pixels, regions, _ = look(1, ("top", "trousers"))
    numbers = label_map(regions, "cihp")
    top, trousers = numbers == 5, numbers == 9
    flat = pixels.copy()
    flat[top], flat[trousers] = (255, 0, 0), (0, 0, 255)
    Image.fromarray(flat).save(viton_hd / IMAGE.replace(".jpg", ".png"))
    (viton_hd / IMAGE).unlink()
    write_map(viton_hd / PARSE, np.where(np.roll(trousers, -2, axis=0) & top, 9, numbers).astype(np.uint8))
    _, _, side = person_of(viton_hd)
    red = (side.Ia[..., 0] > 150) & (side.Ia[..., 1] < 60) & (side.Ia[..., 2] < 100)
    assert not red.any()


@pytest.mark.parametrize("category", OUTFITS)
def test_dress_code_becomes_a_tuple(dress_code: Callable[[str], Path], category: str) -> None:
    root = dress_code(category)
    files, record = record_of(root)
    record, person, side = person_of(root)
    kept, repainted = seen_of(record, person, side)
    garment = pixels_of(side.labels, WORN[record.garment])
    assert garment.any()
    assert not (kept & ~repainted & garment).any()
    face = pixels_of(side.labels, frozenset({"face"}))
    assert face.any()
    assert not (face & ~kept).any()
    neck = pixels_of(side.labels, frozenset({"neck"}))
    assert neck.any()
    assert (neck & kept).any() == (record.garment == "lower"), (
        "the neckline is told by the neck, above trousers it stays"
    )
    shoes = pixels_of(side.labels, SHOES)
    assert record.garment == "upper" or (shoes & kept).sum() > 0.9 * shoes.sum() > 0
    cloth = garment_side(load_product(files, record), record.garment, record.pairing, linings=False)
    wanted = {"upper": [5, 6, 11, 12], "lower": [11, 12, 13, 14], "dress": [5, 6, 11, 12, 15, 16]}[record.garment]
    assert cloth.Jg[wanted, 2].all()


def test_keypoints_of_dress_code_are_doubled(dress_code: Callable[[str], Path]) -> None:
    _, person, _ = person_of(dress_code("upper_body"))
    truth = look(1, OUTFITS["upper_body"])[2]
    known = (truth[:, 2] > 0) & (person.pose.points[:, 2] > 0)
    assert known.sum() > 10
    assert np.abs(person.pose.points[known, :2] - truth[known, :2]).max() < 1e-6


def make(files: Files, record: Record) -> None:
    person_side(load_person(files, record), record.garment)
    load_product(files, record)


def no_shoulders(points: NDArray[np.float64]) -> NDArray[np.float64]:
    changed = points.copy()
    changed[[5, 6]] = 0
    return changed


def test_without_shoulders_nothing_tells_where_the_head_ends(dress_code: Callable[[str], Path]) -> None:
    root = dress_code("upper_body")
    points = no_shoulders(look(1, OUTFITS["upper_body"])[2])
    write_json(root / "upper_body/keypoints/020714_2.json", {"keypoints": coco_18(points)})
    with pytest.raises(RecordError, match="no-shoulders"):
        person_of(root)


def test_without_hips_the_shoulders_tell_where_the_head_ends(dress_code: Callable[[str], Path]) -> None:
    root = dress_code("upper_body")
    points = look(1, OUTFITS["upper_body"])[2].copy()
    points[[11, 12]] = 0
    write_json(root / "upper_body/keypoints/020714_2.json", {"keypoints": coco_18(points)})
    _, person, _ = person_of(root)
    assert {"face", "neck"} <= person.parse.present  # type: ignore[union-attr]


def tint(path: Path) -> None:
    """Paint the labels in colours that are no parser's."""
    numbers = np.asarray(Image.open(path))
    colours = np.random.default_rng(1).integers(20, 235, (20, 3), dtype=np.uint8)
    Image.fromarray(colours[numbers]).save(path)


def halve(path: Path) -> None:
    picture = Image.open(path)
    picture.resize((picture.width // 2, picture.height // 2), Image.Resampling.NEAREST).save(path)


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-2000])


def of_somebody_else(path: Path) -> None:
    points = look(1, ("top", "trousers"))[2].copy()
    points[:, :2] = points[:, :2] * 0.25 + (20, 640)
    write_json(path, openpose([body_25(points)]))


@pytest.mark.parametrize(
    ("path", "change", "reason"),
    [
        (POSE, Path.unlink, "missing-person-pose"),
        (PARSE, Path.unlink, "missing-person-parse"),
        (IMAGE, Path.unlink, "missing-person-image"),
        (MASK, Path.unlink, "missing-product-parse"),
        (f"train/cloth/{STEM}.jpg", Path.unlink, "missing-product-image"),
        (PARSE, tint, "colour-parse"),
        (PARSE, halve, "size-mismatch"),
        (MASK, halve, "size-mismatch"),
        (PARSE, cut_short, "bad-parse"),
        (IMAGE, cut_short, "bad-image"),
        (MASK, lambda path: write_jpeg(path, np.zeros((1024, 768), np.uint8)), "empty-parse"),
        (POSE, lambda path: write_json(path, openpose([])), "no-person-pose"),
        (POSE, lambda path: path.write_text("{"), "bad-pose"),
        (POSE, of_somebody_else, "foreign-pose"),
        (PARSE, lambda path: write_map(path, np.full((1024, 768), 13, np.uint8)), "garment-not-worn"),
    ],
)
def test_a_trap_is_rejected_with_its_code(
    viton_hd: Path, path: str, change: Callable[[Path], object], reason: str
) -> None:
    change(viton_hd / path)
    files, record = record_of(viton_hd)
    with pytest.raises(RecordError) as caught:
        make(files, record)
    assert caught.value.reason == reason


def test_what_lies_on_its_side_by_exif_is_turned_and_named(viton_hd: Path) -> None:
    upright = person_of(viton_hd)[2].Ip
    picture = Image.open(viton_hd / IMAGE)
    exif = picture.getexif()
    exif[274] = 6
    lying = picture.transpose(Image.Transpose.ROTATE_90)
    lying.save(viton_hd / IMAGE, quality=95, exif=exif)
    _, person, side = person_of(viton_hd)
    assert person.faults == ("exif-turned",)
    assert np.abs(side.Ip.astype(int) - upright).mean() < 2


@pytest.mark.parametrize(("kind", "code"), [("CMYK", "cmyk-image"), ("MPO", "mpo-image")])
def test_unusual_images_are_read_and_named(viton_hd: Path, kind: str, code: str) -> None:
    plain = person_of(viton_hd)[2].Ip
    picture = Image.open(viton_hd / IMAGE)
    picture.load()
    if kind == "CMYK":
        picture.convert("CMYK").save(viton_hd / IMAGE, "JPEG", quality=95)
    else:
        picture.save(viton_hd / IMAGE, "MPO", save_all=True, append_images=[picture.rotate(180)], quality=95)
    _, person, side = person_of(viton_hd)
    assert person.faults == (code,)
    assert np.abs(side.Ip.astype(int) - plain).mean() < 3


def test_the_most_complete_of_several_people_is_taken(viton_hd: Path) -> None:
    pose = viton_hd / POSE
    whole = json.loads(pose.read_text())["people"][0]["pose_keypoints_2d"]
    write_json(pose, openpose([[0.0] * 51 + whole[51:], whole, [0.0] * 75]))
    assert person_of(viton_hd)[1].faults == ("several-people",)


def test_a_jumpsuit_of_the_older_viton_is_hidden(tmp_path: Path) -> None:
    write_viton_hd(tmp_path, "train", "000001_0", seed=1)
    numbers = label_map(look(1, ("top", "trousers"))[1], "cihp")
    write_map(tmp_path / "train/image-parse-v3/000001_0.png", np.where(numbers == 5, 10, numbers).astype(np.uint8))
    (tmp_path / "train/image-parse-v3").rename(tmp_path / "train/image-parse")
    (tmp_path / "train/openpose_json").rename(tmp_path / "train/pose")
    (tmp_path / "train_pairs.txt").write_text("000001_0.jpg 000001_0.jpg")
    record, person, side = person_of(tmp_path)
    assert record.labels == "lip"
    kept, repainted = seen_of(record, person, side)
    jumpsuit = pixels_of(side.labels, frozenset({"dress_torso"}))
    assert jumpsuit.any()
    assert not (kept & ~repainted & jumpsuit).any()


def test_white_cloth_before_white_is_rejected(dress_code: Callable[[str], Path]) -> None:
    root = dress_code("upper_body")
    pixels, mask = product(1, "top")
    pale = pixels.copy()
    pale[mask] = pixels[0, 0]
    write_jpeg(root / "upper_body/images/020714_1.jpg", pale)
    files, record = record_of(root)
    with pytest.raises(RecordError, match="unclear-garment"):
        load_product(files, record)
