"""The label table of a dataset is told by its poses, whatever the layout; --labels names it in build and inspect."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from drawn_sets import body_25, label_map, look, openpose, write_dress_code, write_json, write_map, write_viton_hd
from numpy.typing import NDArray

from common.errors import UserError
from preprocess.cli.build_shards import build_shards
from preprocess.cli.inspect import inspect_command
from preprocess.label_tables import AIHUB_MODEL, AIHUB_PIXELS, NAMES, Pixelwise
from preprocess.loading.label_evidence import Decision, Person, decide_table
from preprocess.loading.subjects import load_person
from preprocess.planning.datasets import open_listed
from preprocess.sources import Files
from preprocess.synthetic.drawing.annotated import MODEL_REGIONS
from schemas import MANIFEST, PLAN

U8 = NDArray[np.uint8]
STEMS = tuple(f"0000{number}_00" for number in range(1, 5))
_FASHN = {"hair": 2, "face": 1, "neck": 16, "hat": 9, "skirt": 5}
_FASHN_PARTS = {"inner": 3, "outer": 3, "pants": 6}
_FASHN_LIMBS = {"arm": 12, "leg": 14, "shoe": 15}


def fashn(regions: U8) -> U8:
    """Return the regions by FASHN's numbers, which have no sides."""
    numbers = np.zeros_like(regions)
    for number, region in enumerate(MODEL_REGIONS):
        first, last = region.split("_")[0], region.split("_")[-1]
        value = _FASHN.get(region) or _FASHN_PARTS.get(first) or _FASHN_LIMBS[last]
        numbers[regions == number] = value
    return numbers


def aihub(regions: U8) -> U8:
    numbers = np.zeros_like(regions)
    by_name = {name: number for number, name in AIHUB_MODEL.items()}
    for number, region in enumerate(MODEL_REGIONS):
        numbers[regions == number] = by_name[region] + 1
    return numbers


TABLES: dict[Pixelwise, Callable[[U8], U8]] = {
    "cihp": lambda regions: label_map(regions, "cihp"),
    "atr": lambda regions: label_map(regions, "dress-code"),
    "fashn": fashn,
    AIHUB_PIXELS: aihub,
}


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("sound")
    for seed, stem in enumerate(STEMS, 1):
        write_viton_hd(root, "test", stem, seed)
    (root / "test_pairs.txt").write_text("".join(f"{stem}.jpg {stem}.jpg\n" for stem in STEMS))
    return root


@pytest.fixture
def made(sound: Path, tmp_path: Path) -> Callable[[Callable[[U8], U8]], Path]:
    """Return a copy of the dataset with label maps of another table."""

    def make(numbers_of: Callable[[U8], U8]) -> Path:
        for folder in ("image", "cloth", "cloth-mask", "openpose_json"):
            (tmp_path / "data/test").mkdir(parents=True, exist_ok=True)
            (tmp_path / "data/test" / folder).symlink_to(sound / "test" / folder)
        for seed, stem in enumerate(STEMS, 1):
            regions = look(seed, ("top", "trousers"))[1]
            write_map(tmp_path / f"data/test/image-parse-v3/{stem}.png", numbers_of(regions))
        (tmp_path / "data/test_pairs.txt").write_text((sound / "test_pairs.txt").read_text())
        return tmp_path / "data"

    return make


def people() -> list[Person]:
    return [
        Person(f"test/openpose_json/{stem}_keypoints.json", f"test/image-parse-v3/{stem}.png", None) for stem in STEMS
    ]


@pytest.mark.parametrize("usual", ["cihp", "lip", "dress-code"])
@pytest.mark.parametrize("table", TABLES)
def test_the_label_table_is_inferred_in_every_layout(made: Any, table: Pixelwise, usual: Pixelwise) -> None:
    root = made(TABLES[table])
    decision = decide_table(files_of(root), people(), usual)
    expected = "dress-code" if table == "atr" and usual == "dress-code" else table
    assert decision.labels == expected
    assert decision.mean > 0.88
    assert decision.people == len(STEMS)


class _Linked(Files):
    """Files whose folders may be links: only these tests share them so."""

    def read(self, path: str) -> bytes:
        return (self.root / path).read_bytes()


def files_of(root: Path) -> Files:
    return _Linked(root)


@pytest.mark.parametrize("turn", [lambda n: np.rot90(n, 2), lambda n: n[:, ::-1], np.rot90])
def test_the_label_table_of_turned_maps_is_inferred_too(made: Any, turn: Callable[[U8], U8]) -> None:
    root = made(lambda regions: np.ascontiguousarray(turn(TABLES["atr"](regions))))
    assert decide_table(files_of(root), people(), "cihp").labels == "atr"


def jumpsuit(regions: U8) -> U8:
    """Return LIP's labels of a jumpsuit: 10, which is the torso's skin in CIHP; LIP has no label for the neck."""
    numbers = label_map(regions, "cihp")
    numbers[numbers == 10] = 13
    return np.where(np.isin(numbers, (5, 9)), 10, numbers).astype(np.uint8)


def test_lip_is_told_from_cihp_by_where_10_is(made: Any) -> None:
    assert decide_table(files_of(made(jumpsuit)), people(), "cihp").labels == "lip"


def test_without_anything_to_tell_the_layouts_table_stays(sound: Path) -> None:
    assert decide_table(Files(sound), [Person("a.json", "a.png", None)], "lip") == Decision("lip")


def test_where_the_records_disagree_the_user_is_asked(made: Any, sound: Path) -> None:
    root = made(TABLES["cihp"])
    for seed, stem in list(enumerate(STEMS, 1))[::2]:
        numbers = jumpsuit(look(seed, ("top", "trousers"))[1])
        write_map(root / f"test/image-parse-v3/{stem}.png", numbers)
    with pytest.raises(UserError, match=r"fit the tables (cihp and lip|lip and cihp) alike .* give --labels"):
        decide_table(files_of(root), people(), "cihp")


def built(root: Path, out: Path, *options: str) -> tuple[Result, dict[str, Any]]:
    words = ["--src", str(root), "--out", str(out), "--workers", "1", *options]
    done = CliRunner().invoke(build_shards, words)
    manifest = out / MANIFEST
    return done, json.loads(manifest.read_text()) if manifest.exists() else {}


@pytest.fixture(scope="module")
def as_atr(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("atr")
    for seed, stem in enumerate(STEMS[:2], 1):
        write_viton_hd(root, "test", stem, seed)
        write_map(root / f"test/image-parse-v3/{stem}.png", TABLES["atr"](look(seed, ("top", "trousers"))[1]))
    (root / "test_pairs.txt").write_text("".join(f"{stem}.jpg {stem}.jpg\n" for stem in STEMS[:2]))
    return root


def test_a_build_decides_once_and_records_it(as_atr: Path, tmp_path: Path) -> None:
    done, manifest = built(as_atr, tmp_path / "out")
    assert "labels: the table atr, not this layout's usual cihp" in done.output
    assert (manifest["samples"], manifest["configuration"]["labels"]) == (2, "atr")
    assert json.loads((tmp_path / "out" / PLAN).read_text())["configuration"]["labels"] == "atr"
    again, _ = built(as_atr, tmp_path / "out")
    assert "nothing to do" in again.stdout
    assert "labels:" not in again.output, "the plan's table is used, not told again"


def test_a_wrong_table_by_hand_rejects_each_record_and_says_which_fits(as_atr: Path, tmp_path: Path) -> None:
    done, manifest = built(as_atr, tmp_path / "out", "--labels", "lip")
    assert done.exit_code == 1
    assert manifest["rejects_by_reason"] == {"other-table": 2}
    rejects = (tmp_path / "out/rejects.jsonl").read_text()
    assert "by atr 0.9" in rejects


def test_a_table_of_ones_own_is_used(as_atr: Path, tmp_path: Path) -> None:
    names = [name.replace(" ", "-") for name in NAMES["atr"]]
    (tmp_path / "mine.csv").write_text("".join(f"{number},{name}\n" for number, name in enumerate(names)))
    _, manifest = built(as_atr, tmp_path / "out", "--labels", str(tmp_path / "mine.csv"))
    assert manifest["samples"] == 2
    assert manifest["configuration"]["labels"].startswith("own:0=background,1=hat")


@pytest.mark.parametrize("command", [build_shards, inspect_command])
@pytest.mark.parametrize(
    ("option", "problem"),
    [("pascal", "neither one of cihp, lip, atr, dress-code, aihub, fashn nor a file"), ("bad.csv", "line 2")],
)
def test_a_mistake_in_labels_is_one_line(
    as_atr: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: Any, option: str, problem: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("bad.csv").write_text("0,background\n1,wings\n")
    done = CliRunner().invoke(command, ["--src", str(as_atr), "--labels", option])
    assert isinstance(done.exception, UserError)
    assert problem in str(done.exception)


def test_inspect_names_the_table_and_its_evidence(as_atr: Path) -> None:
    done = CliRunner().invoke(inspect_command, ["--src", str(as_atr), "--workers", "1"])
    assert "VITON-HD, labels of the table atr (poses and labels of 2 people agree by 0.9" in done.stdout
    assert "faults: none" in done.stdout
    document = json.loads(CliRunner().invoke(inspect_command, ["--src", str(as_atr), "--json"]).stdout)
    assert (document["labels"], document["people_compared"]) == ("atr", 2)
    assert document["agreement"] > 0.88


def test_limbs_without_sides_get_them_from_the_pose(made: Any) -> None:
    root = made(fashn)
    files = files_of(root)
    regions = look(1, ("top", "trousers"))[1]
    record = next(open_listed(Files(made_listing(root)), "viton-hd").records("all", "item", "matching"))
    person = load_person(files, replace(record, labels="fashn"))
    for name in ("left_arm", "right_arm", "left_shoe", "right_shoe"):
        truth = regions == MODEL_REGIONS.index(name)
        found = person.parse.mask(frozenset({name}))  # type: ignore[union-attr]
        assert (truth & found).sum() > 0.95 * truth.sum() > 0


def made_listing(root: Path) -> Path:
    """Replace the links of a dataset by its files, for the listing to see them."""
    for folder in (root / "test").iterdir():
        if folder.is_symlink():
            target = folder.resolve()
            folder.unlink()
            folder.mkdir()
            for file in target.iterdir():
                (folder / file.name).hardlink_to(file)
    return root


def test_dress_code_keeps_its_grid_and_its_products_with_another_table(tmp_path: Path) -> None:
    write_dress_code(tmp_path, "upper_body", "020714", seed=1)
    (tmp_path / "upper_body/train_pairs.txt").write_text("020714_0.jpg\t020714_1.jpg")
    numbers = label_map(look(1, ("top", "trousers"))[1], "cihp")
    write_map(tmp_path / "upper_body/label_maps/020714_4.png", numbers)
    done, manifest = built(tmp_path, tmp_path / "out")
    assert "labels: the table cihp, not this layout's usual dress-code" in done.output
    assert (manifest["samples"], manifest.get("repaired", {})) == (1, {})


def test_the_view_of_a_sample_is_the_poses(tmp_path: Path) -> None:
    write_viton_hd(tmp_path, "test", STEMS[0], 1)
    (tmp_path / "test_pairs.txt").write_text(f"{STEMS[0]}.jpg {STEMS[0]}.jpg")
    points = look(1, ("top", "trousers"))[2].copy()
    points[:5, 2] = 0
    sides = points.copy()
    sides[[5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]] = points[[6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15]]
    write_json(tmp_path / f"test/openpose_json/{STEMS[0]}_keypoints.json", openpose([body_25(sides)]))
    files = Files(tmp_path)
    (record,) = open_listed(files, "viton-hd").records("all", "item", "matching")
    assert load_person(files, record).pose.view == "back"
