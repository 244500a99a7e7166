"""The truth of swaps: somebody else's garment on the same person, the same bytes however it is made."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from preprocess.cli import cli
from preprocess.planning.pairing import records
from preprocess.sources import Files
from preprocess.sources.aihub import open_aihub
from preprocess.synthetic.dataset_writer import write_dataset
from preprocess.synthetic.drawing.annotated import BACKGROUND, Drawing, region
from preprocess.synthetic.drawing.canvas import HEIGHT, WIDTH
from preprocess.synthetic.outfits import make_plan
from preprocess.synthetic.output import DrawnDataError
from preprocess.synthetic.swap_truth import plan_swaps, swap_mask
from schemas import MASK_GARMENT, MASK_KEPT, SWAPS, Swap, Truth

LOOKS, SEED = 15, 17


@pytest.fixture(scope="module")
def written(looks_with_truth: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(shutil.copytree(looks_with_truth, tmp_path_factory.mktemp("truth") / "aihub"))


def _hashes(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


def _swaps(out: Path) -> tuple[Swap, ...]:
    return Truth.model_validate_json((out / "truth" / SWAPS).read_bytes()).swaps


def _grey(path: Path) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.asarray(cv2.imread(str(path), cv2.IMREAD_UNCHANGED), np.uint8)


def test_garments_are_of_validation_and_never_worn_by_the_person() -> None:
    plan = make_plan(400, 5)
    looks = {look.id: look for look in plan.looks}
    wearings = plan_swaps(plan, 12)
    assert len({wearing.look.id for wearing in wearings}) == 12
    for wearing in wearings:
        assert wearing.look.split == "val"
        worn_by_the_person = {
            item for look in looks.values() if look.person == wearing.look.person for item in look.items
        }
        ids = [item.id for item in wearing.others]
        assert len(set(ids)) == len(ids) >= 2
        assert not worn_by_the_person & set(ids)
        for item in wearing.others:
            assert item.split == "val"
            assert item.garment().slot == wearing.slot
    assert {len(wearing.others) for wearing in wearings if wearing.slot == "upper"} == {20}
    assert {wearing.slot for wearing in wearings} == {"upper", "dress", "lower"}


def test_looks_are_spread_evenly_and_bounded_by_the_split() -> None:
    plan = make_plan(200, 5)
    numbers = {look.id: number for number, look in enumerate(plan.looks)}
    few = sorted({numbers[wearing.look.id] for wearing in plan_swaps(plan, 4)})
    assert few[0] < 30
    assert few[-1] > 120
    everybody = {wearing.look.id for wearing in plan_swaps(plan, 10_000)}
    assert 4 < len(everybody) <= 40
    layered = {look.id for look in plan.looks if any(plan.items[item].kind == "outer" for item in look.items)}
    assert not everybody & layered


def test_every_swap_has_an_image_and_a_mask(written: Path) -> None:
    swaps = _swaps(written)
    assert {swap.garment for swap in swaps} == {"upper", "lower"}
    assert {path.name for path in (written / "truth").iterdir()} == {
        SWAPS, *(swap.picture for swap in swaps), *(swap.mask for swap in swaps)
    }  # fmt: skip
    for swap in swaps:
        picture, mask = _grey(written / "truth" / swap.picture), _grey(written / "truth" / swap.mask)
        assert picture.shape == (HEIGHT, WIDTH, 3)
        assert mask.shape == (HEIGHT, WIDTH)
        assert set(np.unique(mask)) == {0, MASK_KEPT, MASK_GARMENT}


def test_kept_pixels_resemble_the_image_and_garment_pixels_differ(written: Path) -> None:
    for swap in _swaps(written):
        (path,) = written.rglob(f"Model-Image/{swap.look}_{swap.frame}.jpg")
        photograph = np.asarray(cv2.imread(str(path)), int)
        picture, mask = _grey(written / "truth" / swap.picture), _grey(written / "truth" / swap.mask)
        change = np.abs(picture - photograph).mean(axis=2)
        # JPEG along edges, and the shadow of another hem or sleeve.
        assert change[mask == MASK_KEPT].mean() < 4
        assert change[mask == MASK_GARMENT].mean() > 15
        assert change[:200].mean() < 1.5  # nobody's head reaches so high: the background stands still


def test_a_mask_of_a_hand_made_swap() -> None:
    names = ["face", "inner_torso", "inner_lsleeve", "left_arm", "left_arm", "pants_hip", "pants_hip"]
    after = ["face", "inner_torso", "left_arm", "left_arm", "inner_lsleeve", "inner_torso", "pants_hip"]

    def drawing(row: list[str]) -> Drawing:
        labels = np.full((HEIGHT, WIDTH), BACKGROUND, np.uint8)
        labels[0, : len(row)] = [region(name) for name in row]
        return Drawing(np.zeros((HEIGHT, WIDTH, 3), np.uint8), labels, np.zeros((17, 3)), 0)

    mask = swap_mask(drawing(names), drawing(after), "upper")
    kept, garment = MASK_KEPT, MASK_GARMENT
    assert mask[0, :7].tolist() == [kept, garment, 0, kept, garment, garment, kept]
    assert not mask[0, 7:].any()
    assert not mask[1:].any()
    assert swap_mask(drawing(names), drawing(names), "lower")[0, :7].tolist() == [kept] * 5 + [garment] * 2


def test_workers_and_interruption_do_not_change_a_byte(written: Path, tmp_path: Path) -> None:
    """The looks are those of before; the truth is drawn anew."""
    out = tmp_path / "again"
    shutil.copytree(written, out, ignore=shutil.ignore_patterns("truth"))
    write_dataset(out, looks=LOOKS, seed=SEED, truth=1, workers=1)
    folder = out / "truth"
    pictures = sorted(folder.glob("*.jpg"))
    pictures[0].unlink()
    (folder / f"{pictures[1].stem}.png").unlink()
    pictures[1].with_name(pictures[1].name + ".part").write_bytes(b"half")
    (folder / "1001_A005_000__1001001.jpg").write_bytes(b"of a smaller set")
    (folder / SWAPS).unlink()
    write_dataset(out, looks=LOOKS, seed=SEED, truth=2, workers=2)
    assert _hashes(folder) == _hashes(written / "truth")


def test_existing_files_are_not_redrawn(written: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("drawn again")

    monkeypatch.setattr("preprocess.synthetic.swap_truth.draw_look", refuse)
    before = _hashes(written / "truth")
    write_dataset(written, looks=LOOKS, seed=SEED, truth=2, workers=1)
    write_dataset(written, looks=LOOKS, seed=SEED, workers=1)
    assert _hashes(written / "truth") == before


def test_the_command_prints_what_was_written(written: Path) -> None:
    arguments = ["sample-data", "--out", str(written), "--looks", str(LOOKS), "--seed", str(SEED), "--workers", "1"]
    done = CliRunner().invoke(cli, [*arguments, "--truth", "2"], catch_exceptions=False)
    assert f"truth in {written / 'truth'}: 2 of 2 looks" in done.stdout
    assert f"{len(_swaps(written))} images" in done.stdout
    assert "truth" not in CliRunner().invoke(cli, arguments, catch_exceptions=False).stdout.replace(str(written), "")


def test_a_set_too_small_for_swaps_is_a_one_line_error(tmp_path: Path) -> None:
    with pytest.raises(DrawnDataError, match=r"truth: no validation look of 5 .* give more looks"):
        write_dataset(tmp_path / "small", looks=5, seed=0, truth=1, workers=1)
    assert not (tmp_path / "small").exists()


def test_ground_truth_is_not_part_of_the_dataset(written: Path) -> None:
    files = Files(written)
    pictures = {record.person_image for record in records(open_aihub(files), "all")}
    assert pictures
    assert not any(path.startswith("truth/") for path in pictures)
