"""Another system's images: matched by name, prepared as the protocol says, measured as a cascade's are."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from in_process import Ended, run_here
from PIL import Image

from common.errors import UserError
from schemas import PERSON_256, Crop
from train.cli import main
from train.data import ShardFolder
from train.evaluation.distribution import few_images
from train.evaluation.others.comparisons import WithPhotographs, WithShards, cropped, parse_size, resized
from train.evaluation.others.image_folders import image_files, matched
from train.evaluation.others.measuring import for_inception, measure_images
from train.evaluation.paired import structural_similarity

RNG = np.random.default_rng(0)


def smooth(width: int, height: int, seed: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """Return an image that looks the same at any size."""
    coarse = np.random.default_rng(seed).integers(0, 256, (4, 3, 3), np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(4):
        Image.fromarray(smooth(192, 256, number)).save(folder / f"{number:05}_00.png")
    return folder


def made(tmp_path: Path, size: tuple[int, int], *, shift: int = 0, ending: str = "") -> Path:
    folder = tmp_path / f"made {size} {shift}{ending}"
    folder.mkdir()
    for number in range(4):
        Image.fromarray(smooth(*size, number + shift)).save(folder / f"{number:05}_00{ending}.png")
    return folder


def evaluate(*words: object, cwd: Path) -> Ended:
    return run_here(main, "evaluate", *map(str, words), cwd=cwd)


def test_names() -> None:
    images = [Path(f"x/{name}.png") for name in ("a_1", "a_1_b_2", "a__c", "a_1__d")]
    found = matched(images, ["a", "a_1"], "photograph")
    assert [(one.name, one.rest) for one in found] == [("a_1", ""), ("a_1", "b_2"), ("a", "c"), ("a_1", "d")]
    with pytest.raises(UserError, match="no photograph for b, c, d and 1 more"):
        matched([Path(name) for name in "bcde"], ["a"], "photograph")


@pytest.mark.parametrize("size", [(192, 256), (384, 512), (96, 128)])
def test_the_size_of_images_does_not_matter(photographs: Path, tmp_path: Path, size: tuple[int, int]) -> None:
    found = evaluate(
        "--images", made(tmp_path, size), "--photos", photographs, "--size", "96x128", "--json", cwd=tmp_path
    )
    assert found.returncode == 0, found.stderr
    document = json.loads(found.stdout)
    assert document["metrics"]["ssim"] > 0.99
    assert (document["images"], document["paired"]) == (4, 4)
    assert document["protocol"]["size"] == "96x128 (width x height)"
    assert "fid" in document["left_out"]


def test_paired_figures_are_those_of_the_prepared_images(photographs: Path, tmp_path: Path) -> None:
    other = made(tmp_path, (384, 512), shift=1, ending="_08348_00")
    comparisons = WithPhotographs(other, photographs, (96, 128), paired=True)
    result = measure_images(comparisons, None, "network", 0, lambda *_: None)
    expected = [
        structural_similarity(
            resized(smooth(384, 512, n + 1), (96, 128)), resized(smooth(192, 256, n), (96, 128))
        ).mean()
        for n in range(4)
    ]
    assert result.metrics["ssim"] == pytest.approx(np.mean(expected))
    assert set(result.metrics) == {"psnr", "ssim"}  # what is hidden is not known


def test_sets_are_compared_with_the_networks_and_a_warning(photographs: Path, tmp_path: Path, networks: Path) -> None:
    words = ("--photos", photographs, "--size", "96x128", "--weights", networks, "--json", "--images")
    same = json.loads(evaluate(*words, made(tmp_path, (192, 256)), cwd=tmp_path).stdout)["metrics"]
    done = evaluate(*words, made(tmp_path, (192, 256), shift=9), "--unpaired", cwd=tmp_path)
    other = json.loads(done.stdout)
    assert set(other["metrics"]) == {"fid", "kid"}
    assert same["fid"] < 1e-6 < other["metrics"]["fid"]
    assert same["lpips"] == 0
    assert "FID of 4 images: fewer than its 2048 features" in done.stderr
    assert other["warnings"] == few_images(4)
    assert few_images(2048) == []
    clean = evaluate(*words, made(tmp_path, (192, 256), shift=8), "--fid-resize", "clean", cwd=tmp_path)
    assert "clean-fid" in json.loads(clean.stdout)["protocol"]["fid, kid"]


def test_clean_resizing_filters_each_channel_in_floats() -> None:
    image = RNG.integers(0, 256, (64, 48, 3), np.uint8)
    assert for_inception(image, "network") is image
    found = for_inception(image, "clean")
    eight_bits = np.asarray(Image.fromarray(image).resize((299, 299), Image.Resampling.BICUBIC))
    assert found.shape == (299, 299, 3)
    assert 0 < np.abs(found.astype(int) - eight_bits).mean() < 1  # Pillow rounds 8 bits between its two passes


@pytest.mark.parametrize("whole", [True, False])
def test_images_are_cropped_as_the_shards_were(shards: Path, tmp_path: Path, whole: bool) -> None:
    data = ShardFolder(shards, "val")
    folder = tmp_path / "made"
    folder.mkdir()
    for position in range(3):
        if whole:
            with Image.open(shards.parent / "aihub" / data.sample(position).person.path) as photograph:
                photograph.resize((photograph.width // 2, photograph.height // 2), Image.Resampling.BOX).save(
                    folder / f"{data.keys[position]}.png"
                )
        else:
            Image.fromarray(data.image(position, PERSON_256)).save(
                folder / f"{data.keys[position]}__{data.keys[0]}.png"
            )
    comparisons = WithShards(folder, data, 128, paired=True)
    every = list(comparisons)
    assert [one.paired for one in every] == ([True] * 3 if whole else [True, False, False])
    for one in every:
        assert one.hidden is not None
        assert one.hidden.any()
        difference = np.abs(one.image.astype(float) - one.truth).mean()
        assert difference < 4  # of 255: sampled twice, and JPEG
    result = measure_images(comparisons, None, "network", 0, lambda *_: None)
    assert {"psnr_inside", "ssim_outside"} <= set(result.metrics)


def test_a_crop_beyond_the_photograph_repeats_its_edge() -> None:
    image = np.repeat(np.arange(40, dtype=np.uint8)[None, :, None], 50, 0).repeat(3, 2)
    found = cropped(image, Crop(x=-20, y=0, side=100), (80, 100), 100)
    assert (found[:, :19] == 0).all()
    assert found[0, 20:, 0].tolist() == pytest.approx(np.arange(80) / 2, abs=1)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--images", "made", "--photos", "photos"), "another framing"),
        (("--images", "made"), "--shards is missing"),
        (("--images", "none", "--photos", "photos"), "no such folder"),
        (("--images", "made", "--photos", "photos", "--size", "16x16"), "give width x height"),
        (("--images", "made", "--photos", "photos", "--size", "99999x99999"), "of 32 to 4096 each"),
        (("--photos", "photos"), "--photos is for --images"),
        (("--fid-resize", "clean"), "--fid-resize is for --images"),
        (("--images", "made", "--photos", "photos", "--shards", "s"), "--shards cannot be combined with --photos"),
        (("--images", "made", "--photos", "photos", "--checkpoint", "best"), "--checkpoint cannot be combined with"),
        (("--images", "made", "--photos", "photos", "--retrieval", "2"), "--retrieval cannot be combined with"),
        (("--images", "made", "--photos", "photos", "--weights", "none"), "--weights none: no such folder"),
    ],
)
def test_mistakes_are_one_line(photographs: Path, tmp_path: Path, words: tuple[str, ...], says: str) -> None:
    (tmp_path / "made").mkdir()
    Image.fromarray(smooth(200, 200, 0)).save(tmp_path / "made/00000_00.png")
    done = evaluate(*words, cwd=photographs.parent)
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1), done.stderr
    assert says in done.stderr


def test_sizes_and_doubles(photographs: Path) -> None:
    assert (parse_size(None, square=True), parse_size("768x1024", square=False)) == ((256, 256), (768, 1024))
    with pytest.raises(UserError, match="square"):
        parse_size("384x512", square=True)
    (photographs / "more").mkdir()
    Image.fromarray(smooth(192, 256, 0)).save(photographs / "more/00000_00.jpg")
    with pytest.raises(UserError, match="two images are named 00000_00"):
        image_files(photographs, "--photos")
