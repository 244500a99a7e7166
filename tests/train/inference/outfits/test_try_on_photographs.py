"""`trainer try-on`: two photographs to a picture by way of prep; the labels are the drawn truth, given by hand."""

from __future__ import annotations

import errno
import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from forked_programs import ForkedPrograms
from in_process import Ended
from labels_by_hand import Wardrobe
from PIL import Image, ImageOps

from common.errors import UserError
from train.cli.try_on import try_on as try_on_command
from train.inference.outfits.pairs_list import read_requests
from train.inference.outfits.photographs import Labelled, PhotoPair, PhotoSet, Prep, check_photographs, labels_beside
from train.inference.outfits.wearing import TryOnRequest, prepare

TryOn = Callable[..., Ended]


@pytest.fixture
def try_on(photos: Path, programs: ForkedPrograms) -> TryOn:
    """Run `trainer try-on` beside the photographs: (arguments, variables of the environment)."""
    return lambda *words, **environment: programs.run("train", "try-on", *words, cwd=photos, **environment)


@pytest.fixture
def photos(shards: Path, tmp_path: Path) -> Path:
    """A drawn person and a drawn top as photographs, with their labels where prep looks for them.

    The person's is stored on its side, as phones do it.
    """
    drawn = shards.parent / "aihub"
    person = labelled(drawn, "Model", sorted(drawn.rglob("Model-Image/*_000.jpg"))[0])
    garment = labelled(drawn, "Item", sorted(drawn.rglob("Item-Image/*_F.jpg"))[0])
    turned(person.image, tmp_path / "a.jpg")
    shutil.copy(garment.image, tmp_path / "b.jpg")
    work = PhotoSet([PhotoPair(tmp_path / "a.jpg", tmp_path / "b.jpg")], tmp_path / "try-on")
    work.put_labels(person, "person")
    work.put_labels(garment, "garment")
    return tmp_path


def turned(image: Path, path: Path) -> None:
    """Write the image lying on its side, with the orientation that displays it upright."""
    exif = Image.Exif()
    exif[0x0112] = 6
    with Image.open(image) as upright:
        upright.transpose(Image.Transpose.ROTATE_90).save(path, exif=exif, quality=95)


def labelled(drawn: Path, subject: str, image: Path) -> Labelled:
    pose, parse = (next(drawn.rglob(f"{subject}-{leaf}/{image.stem}.json")) for leaf in ("Pose", "Parse"))
    return Labelled(image, pose, parse)


def test_two_photographs_give_an_image(photos: Path, trained: Path, try_on: TryOn) -> None:
    arguments = ("--person", "a.jpg", "--garment", "b.jpg", "--runs", str(trained))
    done = try_on(*arguments)
    assert done.returncode == 0, done.stderr
    pictures = sorted((photos / "try-on").glob("*.png"))
    assert [path.name for path in pictures] == ["a__b.png", "sheet.png"]
    assert str(pictures[0].relative_to(photos)) in done.stdout
    assert "b.jpg: guessed to be upper; if that is wrong, give --kind\n" in done.stderr
    whole = photos / "try-on/photographs" / pictures[0].name
    assert str(whole.relative_to(photos)) in done.stdout
    with Image.open(whole) as dressed, Image.open(photos / "a.jpg") as photograph:
        same = (np.asarray(dressed) == np.asarray(ImageOps.exif_transpose(photograph))).all(axis=2)
    assert same[: len(same) // 8].all()
    assert 0.3 < same.mean() < 0.99
    before = pictures[0].read_bytes()
    assert try_on(*arguments).returncode == 0
    assert pictures[0].read_bytes() == before


def test_preps_errors_are_passed_on(photos: Path, trained: Path, try_on: TryOn) -> None:
    """Without labels by hand weights are needed, and there are none."""
    shutil.rmtree(photos / "try-on")
    arguments = ("--person", "a.jpg", "--garment", "b.jpg", "--kind", "dress", "--runs", str(trained))
    done = try_on(*arguments, U2NET_HOME=str(photos / "none"), REMBG_HOME=str(photos / "none"))
    assert (done.returncode, done.stdout) == (2, "")
    assert "prep: weights are missing" in done.stderr


def test_preps_own_line_is_the_only_one(photos: Path, trained: Path, try_on: TryOn) -> None:
    shutil.rmtree(photos / "try-on")
    done = try_on("--person", "a.jpg", "--garment", "b.jpg", "--runs", str(trained), "--annotate", "--pose none.pt")
    assert (done.returncode, done.stderr) == (2, "prep: --pose none.pt: no such file\n")


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("a.txt.jpg", b"hello", "not an image that can be read here; export it as JPEG or PNG"),
        ("empty.jpg", b"", "the file is empty; copy it again"),
        ("moving.gif", None, "GIF files are not read here; export it as JPEG or PNG"),
    ],
)
def test_a_file_that_is_no_photograph_is_one_line(
    photos: Path, trained: Path, try_on: TryOn, name: str, data: bytes | None, said: str
) -> None:
    """`prep` is not even started."""
    (photos / name).write_bytes(gif() if data is None else data)
    for words in (("--person", name, "--garment", "b.jpg"), ("--person", "a.jpg", "--garment", name)):
        done = try_on(*words, "--runs", str(trained))
        assert (done.returncode, done.stdout, done.stderr) == (2, "", f"trainer: {name}: {said}\n")


def gif() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (9, 9)).save(buffer, "GIF")
    return buffer.getvalue()


def test_a_photograph_that_prep_rejects_is_the_users_mistake(photos: Path, trained: Path, try_on: TryOn) -> None:
    (photos / "cut.jpg").write_bytes((photos / "a.jpg").read_bytes()[:20_000])
    shutil.rmtree(photos / "try-on")
    work = PhotoSet([PhotoPair(photos / "cut.jpg", photos / "b.jpg")], photos / "try-on")
    drawn = photos_of(trained)
    work.put_labels(labelled(drawn, "Model", sorted(drawn.rglob("Model-Image/*_000.jpg"))[0]), "person")
    work.put_labels(labelled(drawn, "Item", sorted(drawn.rglob("Item-Image/*_F.jpg"))[0]), "garment")
    done = try_on("--person", "cut.jpg", "--garment", "b.jpg", "--runs", str(trained))
    assert done.returncode == 2
    last = done.stderr.splitlines()[-1]
    assert last.startswith("trainer: the photograph of the person cannot be used: bad-image: cannot be fully decoded")


def test_a_missing_photograph_is_a_user_error(trained: Path, try_on: TryOn) -> None:
    done = try_on("--person", "c.jpg", "--garment", "b.jpg", "--runs", str(trained))
    assert (done.returncode, done.stderr) == (2, "trainer: c.jpg: no such file; give a photograph\n")


def test_a_list_makes_many_images_and_names_unusable_photographs(photos: Path, trained: Path, try_on: TryOn) -> None:
    """One run of prep annotates all; a person in two garments wears them one after the other."""
    wardrobe = Wardrobe.of(photos_of(trained))
    shutil.copy(wardrobe.trousers.image, photos / "c.jpg")
    (photos / "cut.jpg").write_bytes((photos / "a.jpg").read_bytes()[:20_000])
    (photos / "moving.gif").write_bytes(gif())
    lines = [("moving.gif", "b.jpg"), ("a.jpg", "b.jpg|c.jpg"), ("cut.jpg", "b.jpg"), ("a.jpg", "c.jpg")]
    (photos / "pairs.csv").write_text("person,garment\n" + "".join(f"{one},{other}\n" for one, other in lines))
    requests = read_requests(photos / "pairs.csv")
    work = PhotoSet([pair for request in requests[1:] for pair in request.pairs], photos / "try-on")
    drawn = photos_of(trained)
    work.put_labels(labelled(drawn, "Model", sorted(drawn.rglob("Model-Image/*_000.jpg"))[0]), "person")
    work.put_labels(labelled(drawn, "Item", sorted(drawn.rglob("Item-Image/*_F.jpg"))[0]), "garment")
    work.put_labels(wardrobe.trousers, "garment", 2)
    done = try_on("--pairs", "pairs.csv", "--runs", str(trained))
    assert done.returncode == 1, done.stderr
    assert "trainer: cut__b: the photograph of the person (cut.jpg) cannot be used: bad-image" in done.stderr
    assert done.stderr.count("moving.gif: GIF files are not read here") == 1
    assert "c.jpg: guessed to be lower; if that is wrong, give its kind in the list\n" in done.stderr
    written = sorted(path.name for path in (photos / "try-on/photographs").iterdir())
    assert written == ["a__b+c.png", "a__c.png"]
    with Image.open(photos / "try-on/sheet.png") as sheet:
        assert sheet.height > 3 * 192
    both = np.asarray(Image.open(photos / "try-on/photographs/a__b+c.png"))
    only = np.asarray(Image.open(photos / "try-on/photographs/a__c.png"))
    assert both.shape == only.shape
    assert (both != only).any()


def photos_of(trained: Path) -> Path:
    """Return the drawn dataset that the tiny cascade's shards were built from."""
    return trained.parent / "twelve-looks" / "aihub"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "give --person and --garment, or --pairs"), (("--person", "a.jpg"), "give --person and --garment"),
        (("--pairs", "pairs.csv", "--kind", "upper"), "leave out --person"),
        (("--person", "a.jpg", "--garment", "b.jpg", "--kind", "upper", "--kind", "lower"), "2 kinds for 1 garment"),
    ],
)  # fmt: skip
def test_options_that_do_not_go_together(words: tuple[str, ...], said: str) -> None:
    with pytest.raises(UserError, match=said):
        try_on_command(words, standalone_mode=False)


def test_own_labels_are_found_beside_a_photograph(tmp_path: Path) -> None:
    names = ["me.jpg", "me.json", "me_pose.json", "me.parse-lip.png", "me.agnostic.png", "me.mask.png", "me2.json"]
    names += ["meeting.parse.png", "me.txt", "me.png", "other.pose.json"]
    for name in names:
        (tmp_path / name).touch()
    found = {role: [path.name for path in labels_beside(tmp_path / "me.jpg", role)] for role in ("person", "garment")}
    assert found["person"] == ["me.agnostic.png", "me.json", "me.parse-lip.png", "me_pose.json"]
    assert found["garment"] == ["me.mask.png"]
    for name in ("me.jpg", "me.png"):
        Image.new("RGB", (2, 2)).save(tmp_path / name)
    photos = PhotoSet([PhotoPair(tmp_path / "me.jpg", tmp_path / "me.png")], tmp_path / "out")
    (tmp_path / "me.json").write_text("{}")
    assert PhotoSet(photos.pairs, tmp_path / "out").folder != photos.folder


def test_a_photograph_that_may_not_be_read_is_unusable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a list, only its own lines are refused."""
    Image.new("RGB", (2, 2)).save(tmp_path / "me.jpg")

    def refuse(path: Path) -> bytes:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_bytes", refuse)
    said = check_photographs([tmp_path / "me.jpg"])[1]
    assert said[tmp_path / "me.jpg"] == f"{tmp_path / 'me.jpg'}: Permission denied; make it readable"


def test_photographs_that_were_checked_are_not_opened_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("me.jpg", "top.png"):
        Image.new("RGB", (2, 2)).save(tmp_path / name)
    pair = PhotoPair(tmp_path / "me.jpg", tmp_path / "top.png")
    suffixes, unusable = check_photographs([pair.person, pair.garment])
    assert (list(suffixes.values()), unusable) == ([".jpg", ".png"], {})
    monkeypatch.delattr("train.inference.outfits.photographs.opened")
    assert PhotoSet([pair], tmp_path / "out", suffixes).frame(pair) == "person1_garment1"


def test_a_pair_is_not_refused_for_anothers_fault(tmp_path: Path) -> None:
    """Of eleven garments, the names of the tenth and eleventh begin as the first one's does."""
    for name in ("me", *(f"top{number}" for number in range(11))):
        Image.new("RGB", (2, 2)).save(tmp_path / f"{name}.png")
    pairs = [PhotoPair(tmp_path / "me.png", tmp_path / f"top{number}.png", "upper") for number in range(11)]
    photos = PhotoSet(pairs, tmp_path / "out")
    rejects = photos.folder / "shards-1/rejects.jsonl"
    rejects.parent.mkdir(parents=True)
    path = f"Model-Image/{photos.frame(pairs[9])}.jpg"
    rejects.write_text(json.dumps({"key": "a", "path": path, "reason": "bad-pose", "detail": "no torso"}))
    assert photos.frame(pairs[0]) in path
    assert photos.why_rejected(pairs[0]) is None
    assert photos.why_rejected(pairs[9]) == "the photograph of the person cannot be used: bad-pose: no torso"


def test_without_prep_the_message_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is no fault of the photographs."""
    for name in ("me.jpg", "top.jpg"):
        Image.new("RGB", (2, 2)).save(tmp_path / name)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UserError, match="prep is not installed here"):
        prepare([TryOnRequest(tmp_path / "me.jpg", (tmp_path / "top.jpg",))], tmp_path / "out", Prep())
