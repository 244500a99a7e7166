"""`trainer try-on`: two photographs to a picture by way of prep; the labels are the drawn truth, given by hand."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from forked_programs import ForkedPrograms
from in_process import Ended
from PIL import Image, ImageOps

from train.inference.outfits.photographs import Labelled, PhotoPair, PhotoSet

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
    assert "b.jpg: taken for upper; --kind says otherwise" in done.stderr
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


def test_a_missing_photograph_is_a_user_error(trained: Path, try_on: TryOn) -> None:
    done = try_on("--person", "c.jpg", "--garment", "b.jpg", "--runs", str(trained))
    assert (done.returncode, done.stderr) == (2, "trainer: c.jpg: no such file; give a photograph\n")
