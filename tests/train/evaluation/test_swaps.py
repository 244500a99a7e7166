"""Swaps against ground truth: perfect for the truth itself, baselines, and people who are skipped."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from common.errors import UserError
from preprocess.formats.images import cut, resize
from preprocess.planning.pairing import records
from preprocess.planning.plan import make_plan
from preprocess.sharding import build
from preprocess.sources import Files
from preprocess.sources.aihub import open_aihub
from schemas import AGNOSTIC, MID_GREY, PERSON, PERSON_256, SWAPS, Configuration, Swap, Truth
from train.cli import cli
from train.data import ShardFolder
from train.data.shards import Pixels
from train.evaluation.swap_truth import Candidate, GroundTruth, chosen_swaps, dressable_people, ground_truth
from train.evaluation.swaps import MeasuredSize, SwapMetrics, in_mean_colour, measure_swaps, swap_quality
from train.inference.dress import Outfit
from train.inference.pair_selection import Pair
from train.inference.sampling import outfit_of

SIZES = (MeasuredSize("base", 32, False), MeasuredSize("sr1024", 64, True))


@pytest.fixture(scope="module")
def aihub(looks_with_truth: Path) -> Path:
    return looks_with_truth


@pytest.fixture(scope="module")
def truth(aihub: Path) -> Path:
    return aihub / "truth"


@pytest.fixture(scope="module")
def built(aihub: Path, configuration: Configuration, tmp_path_factory: pytest.TempPathFactory) -> Path:
    front = configuration.model_copy(update={"garment": "all", "views": "front"})
    files, out = Files(aihub), tmp_path_factory.mktemp("swaps") / "shards"
    wanted = [record for record in records(open_aihub(files), "all", views="front") if record.frame == "000"]
    build(files, out, make_plan(files, wanted, front), 1, lambda done, total: None)
    return out


@pytest.fixture(scope="module")
def val(built: Path) -> ShardFolder:
    return ShardFolder(built, "val")


def _measured(truth: Path, val: ShardFolder, dresser: object, count: int = 4, seed: int = 0) -> SwapMetrics:
    return measure_swaps(truth, val, dresser, SIZES, count, seed, lambda done, total: None)  # type: ignore[arg-type]


def _copy(truth: Path, folder: Path, swaps: Sequence[Swap]) -> Path:
    shutil.copytree(truth, folder)
    (folder / SWAPS).write_text(Truth(swaps=tuple(swaps)).model_dump_json())
    return folder


def _listed(truth: Path) -> tuple[Swap, ...]:
    return Truth.model_validate_json((truth / SWAPS).read_bytes()).swaps


def test_ground_truth_scores_perfectly_and_another_truth_does_not(truth: Path, val: ShardFolder) -> None:
    known: dict[tuple[int, bytes], list[list[Pixels]]] = {}
    for person in dressable_people(truth, val):
        answers = [
            [ground_truth(truth, person, each, size.size, large=size.large).picture for size in SIZES]
            for each in person.candidates
        ]
        for number, each in enumerate(person.candidates):
            assert each.garment is not None
            outfit = outfit_of(val, Pair(person.position, each.garment))
            known[outfit.noise_key, outfit.Ic.tobytes()] = [answers[number], answers[number - 1]]

    right, wrong = (
        _measured(truth, val, lambda some, n=n: [known[one.noise_key, one.Ic.tobytes()][n] for one in some], 100)
        for n in (0, 1)
    )
    assert right.swaps == len(known) == 8
    assert right.people == 2  # each in tops and in lower garments
    assert right.candidates == (2, 2)
    assert right.chance == 0.5
    for name in ("base", "sr1024"):
        figures = right.stages[name]["dressed"]
        assert figures["retrieval@1"] == 1
        assert figures["ssim_inside"] == pytest.approx(1)
        assert figures["ssim_outside"] == pytest.approx(1)
        assert not {"psnr_inside", "psnr_outside", "kept_psnr"} & set(figures)  # infinite
        assert all(figures[trait] == 1 for trait in ("sleeve@1", "kind@1") if trait in figures)
        assert wrong.stages[name]["dressed"]["retrieval@1"] == 0
        assert wrong.stages[name]["dressed"]["psnr_inside"] < 25
        assert wrong.stages[name]["dressed"]["kept_psnr"] > 25
        assert set(right.stages[name]) >= {"dressed", "mean colour", "Ia"}
    assert "bicubic" in right.stages["sr1024"]
    assert "bicubic" not in right.stages["base"]


def test_ground_truth_is_cropped_like_the_shards(aihub: Path, truth: Path, val: ShardFolder, tmp_path: Path) -> None:
    """A photograph in the truth's place comes out as the stored Ip does."""
    person = dressable_people(truth, val)[0]
    sample, candidate = val.sample(person.position), person.candidates[0]
    folder = _copy(truth, tmp_path / "truth", _listed(truth))
    shutil.copy(aihub / sample.person.path, folder / candidate.swap.picture)
    large = ground_truth(folder, person, candidate, 1024, large=True).picture
    small = ground_truth(folder, person, candidate, 256, large=False).picture
    for made, member in ((large, PERSON), (small, PERSON_256)):
        stored = val.image(person.position, member)  # a JPEG
        assert np.abs(made.astype(int) - stored).mean() < 1
    pixels = np.asarray(cv2.imread(str(aihub / sample.person.path), cv2.IMREAD_COLOR_RGB), np.uint8)
    ours = resize(cut(pixels, sample.person.crop), 1024)
    np.testing.assert_array_equal(large, ours)
    np.testing.assert_array_equal(small, resize(ours, 256))


def test_masks_align_with_the_crop(truth: Path, val: ShardFolder) -> None:
    """Ia is grey where the garment will be, all but what sticks out; nothing of the garment is kept."""
    for person in dressable_people(truth, val):
        grey = (val.image(person.position, AGNOSTIC) == MID_GREY).all(axis=2)
        for candidate in person.candidates:
            found = ground_truth(truth, person, candidate, 256, large=False)
            assert not (found.garment & found.kept).any()
            assert found.kept.any()
            assert grey[found.garment].mean() > 0.8


def test_a_mask_is_scaled_by_area(truth: Path, val: ShardFolder) -> None:
    person = dressable_people(truth, val)[0]
    whole, small = (ground_truth(truth, person, person.candidates[0], size, large=True) for size in (1024, 32))
    share = whole.garment.reshape(32, 32, 32, 32).mean(axis=(1, 3))
    assert small.garment[share > 0.6].all()
    assert not small.garment[share < 0.4].any()


def _swap(item: str, sleeve: str = "none", kind: str = "top") -> Candidate:
    swap = Swap(
        look="l", frame="000", item=item, garment="upper", kind=kind, sleeve=sleeve, neck="v", pattern="plain",
        print="none", picture="a.jpg", mask="a.png",
    )  # fmt: skip
    return Candidate(swap, 0)


def test_metrics_of_constructed_images() -> None:
    garment, kept = np.zeros((2, 16, 16), bool)
    garment[4:8], kept[12:] = True, True

    def flat(value: int) -> GroundTruth:
        picture = np.zeros((16, 16, 3), np.uint8)
        picture[garment] = value
        return GroundTruth(picture, garment, kept)

    answers = [flat(50), flat(100), flat(200)]
    candidates = [_swap("1", "long"), _swap("2", "long"), _swap("3", "short")]
    picture = flat(90).picture
    picture[kept] = 51
    figures = swap_quality(picture, answers, candidates, 0)
    assert figures["psnr_inside"] == pytest.approx(20 * math.log10(255 / 40))
    assert figures["kept_psnr"] == pytest.approx(20 * math.log10(255 / 51))
    assert figures["psnr_outside"] == pytest.approx(10 * math.log10(255**2 / (51**2 / 3)))
    assert (figures["retrieval@1"], figures["sleeve@1"]) == (0, 1)
    assert "kind@1" not in figures  # all are tops
    assert swap_quality(picture, answers, candidates, 1)["retrieval@1"] == 1
    assert swap_quality(picture, answers, candidates, 2)["sleeve@1"] == 0


def test_mean_colour_fills_what_is_grey() -> None:
    Ia, Ic = np.full((2, 4, 4, 3), MID_GREY, np.uint8)
    Ia[0], Ic[1, 0], Ic[1, 1] = (1, 2, 3), (10, 20, 200), (20, 40, 100)
    pose = np.zeros((17, 3), np.float32)
    filled = in_mean_colour(Outfit(Ia, Ic, pose, pose))
    assert (filled[0] == (1, 2, 3)).all()
    assert (filled[1:] == (15, 30, 150)).all()
    assert (Ia[1:] == MID_GREY).all()
    nothing = in_mean_colour(Outfit(Ia, np.full_like(Ic, MID_GREY), pose, pose))
    np.testing.assert_array_equal(nothing, Ia)


def test_rows_without_a_network_do_not_depend_on_one(truth: Path, val: ShardFolder) -> None:
    def noise(some: Sequence[Outfit]) -> list[list[Pixels]]:
        rng = np.random.default_rng(0)
        return [[rng.integers(0, 256, (s.size, s.size, 3), dtype=np.uint8) for s in SIZES] for _ in some]

    def grey(some: Sequence[Outfit]) -> list[list[Pixels]]:
        return [[np.full((s.size, s.size, 3), 90, np.uint8) for s in SIZES] for _ in some]

    one, again, other = (_measured(truth, val, dresser) for dresser in (noise, noise, grey))
    assert one == again
    for name in ("base", "sr1024"):
        assert one.stages[name]["dressed"] != other.stages[name]["dressed"]
        for row in ("mean colour", "Ia"):
            assert one.stages[name][row] == other.stages[name][row]
        assert one.stages[name]["mean colour"]["psnr_inside"] != one.stages[name]["Ia"]["psnr_inside"]


def test_swaps_are_spread_over_people_by_seed(truth: Path, val: ShardFolder) -> None:
    people = dressable_people(truth, val)
    assert len(people) == 4

    def told(count: int, seed: int) -> list[tuple[int, int]]:
        return [(person.position, number) for person, number in chosen_swaps(people, count, seed)]

    assert len({position for position, _ in told(4, 0)}) == 4
    assert told(4, 0) == told(4, 0)
    assert len({tuple(told(4, seed)) for seed in range(8)}) > 1
    assert len(told(2, 0)) == 2
    assert sorted(told(1000, 0)) == sorted((p.position, n) for p in people for n in range(2))


def test_training_people_are_not_dressed(built: Path, truth: Path, val: ShardFolder, tmp_path: Path) -> None:
    """prep moves what looks like training; here the list names a person and a garment of the training split."""
    train = ShardFolder(built, "train")
    swaps, people = _listed(truth), dressable_people(truth, val)
    first = swaps[0]
    samples = [train.sample(position) for position in range(len(train))]
    seen = next(sample for sample in samples if sample.garment == first.garment)
    person = first.model_copy(update={"look": seen.look})
    garment = first.model_copy(update={"item": seen.item.removesuffix("_F")})
    found = dressable_people(_copy(truth, tmp_path / "truth", [*swaps, person, garment]), val)
    assert [one.position for one in found] == [one.position for one in people]
    assert [len(one.wearable) for one in found] == [2] * 4
    assert sum(len(one.candidates) for one in found) == 9  # the garment can still be mistaken for another
    assert len(chosen_swaps(found, 1000, 0)) == 8
    with pytest.raises(UserError, match="none of its people can be dressed from this split"):
        dressable_people(truth, train)


def test_people_with_a_single_candidate_are_skipped(truth: Path, val: ShardFolder, tmp_path: Path) -> None:
    folder = _copy(truth, tmp_path / "truth", _listed(truth)[1:])
    assert len(dressable_people(folder, val)) == len(dressable_people(truth, val)) - 1


def test_the_command_prints_photographs_and_swaps(truth: Path, built: Path, trained: Path) -> None:
    arguments = ["evaluate", "--runs", str(trained), "--shards", str(built), "--truth", str(truth), "--pairs", "1"]
    done = CliRunner().invoke(cli, [*arguments, "--json"], catch_exceptions=False)
    assert done.exit_code == 0
    told = json.loads(done.stdout)
    assert told["pairs"] == 1
    swaps = told["truth"]
    assert (swaps["swaps"], swaps["candidates"], swaps["chance"]) == (1, [2, 2], 0.5)
    assert swaps["people"] == 1
    assert set(swaps["stages"]) == {"base", "sr256", "sr1024"}
    assert set(swaps["stages"]["sr256"]) == {"dressed", "bicubic", "mean colour", "Ia"}
    assert {"psnr_inside", "ssim_outside", "retrieval@1", "kept_psnr"} <= set(swaps["stages"]["base"]["dressed"])
    done = CliRunner().invoke(cli, arguments, catch_exceptions=False)
    assert "1 swaps compared with ground truth; R@1 among 2 candidates, chance 0.500" in done.stdout
    assert done.stdout.count("  mean colour") == 3
    assert f"{swaps['stages']['base']['dressed']['psnr_inside']:.2f}" in done.stdout


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        ("no-list", "cannot read swaps.json"),
        ("broken-list", "not a list of swaps"),
        ("no-picture", "not an image of 720x1280 pixels"),
        ("small-mask", "not an image of 720x1280 pixels"),
    ],
)
def test_a_damaged_truth_folder_is_reported(
    harm: str, said: str, truth: Path, built: Path, trained: Path, tmp_path: Path
) -> None:
    folder = _copy(truth, tmp_path / "truth", _listed(truth))
    if harm == "no-list":
        (folder / SWAPS).unlink()
    elif harm == "broken-list":
        (folder / SWAPS).write_text('{"swaps": [{}]}')
    else:
        for path in folder.glob("*.jpg" if harm == "no-picture" else "*.png"):
            path.unlink()
            if harm == "small-mask":
                cv2.imwrite(str(path), np.zeros((4, 4), np.uint8))
    with pytest.raises(UserError, match=said):
        CliRunner().invoke(
            cli, ["evaluate", "--runs", str(trained), "--shards", str(built), "--truth", str(folder), "--pairs", "1"],
            catch_exceptions=False, standalone_mode=False,
        )  # fmt: skip
