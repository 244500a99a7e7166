"""Pairs for inference: people whose image does not show the garment, in lists and in the lists of `prep annotate`."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path
from typing import IO, cast

import numpy as np
from drawn_sets import label_map, look, write_map, write_viton_hd
from in_process import run_here

from preprocess import cli
from preprocess.synthetic.drawing.annotated import BACKGROUND, MODEL_REGIONS
from schemas import Manifest, Sample

NAMES = ("00001_00", "00002_00", "00003_00")


def listing(root: Path, split: str, *rows: tuple[str, str], name: str = "test_pairs_unpaired.txt") -> None:
    """Write people and garments, and a list; a person of the list keeps no garment of its name."""
    for seed, stem in enumerate(NAMES, 1):
        write_viton_hd(root, split, stem, seed=seed)
    for folder in ("cloth", "cloth-mask"):
        for path in (root / split / folder).glob("*"):
            path.rename(path.with_name(f"shirt{path.name[4]}{path.suffix}"))
    (root / name).write_text("\n".join(f"{person}.jpg {garment}.jpg" for person, garment in rows))


def built(root: Path, out: Path, *options: str) -> tuple[int, list[Sample]]:
    code = run_prep("build-shards", "--src", str(root), "--out", str(out), "--workers", "1", *options)
    samples = []
    for tar_file in sorted(out.glob("*.tar")):
        with tarfile.open(tar_file) as tar:
            for member in tar:
                if member.name.endswith(".json"):
                    data = cast("IO[bytes]", tar.extractfile(member)).read()
                    samples.append(Sample.model_validate_json(data))
    return code, samples


def run_prep(*arguments: str) -> int:
    return run_here(cli.main, *arguments, cwd=Path.cwd()).returncode


def facts(samples: list[Sample]) -> list[tuple[str, str, str, bool]]:
    return sorted((sample.look, sample.item, sample.split, sample.worn) for sample in samples)


def test_people_without_a_garment_of_their_own_are_built_as_they_are_listed(tmp_path: Path) -> None:
    listing(tmp_path / "set", "test", ("00001_00", "shirt2"), ("00001_00", "shirt3"), ("00002_00", "shirt1"))
    code, samples = built(tmp_path / "set", tmp_path / "shards", "--unpaired")
    assert code == 0
    assert facts(samples) == [
        ("00001_00", "shirt2_F", "val", False), ("00001_00", "shirt3_F", "val", False),
        ("00002_00", "shirt1_F", "val", False),
    ]  # fmt: skip
    assert run_prep("verify", "--shards", str(tmp_path / "shards"), "--workers", "1") == 0
    code, samples = built(tmp_path / "set", tmp_path / "others")
    assert code == 2
    assert samples == []


def test_worn_pairs_stay_worn_and_unworn_ones_are_never_trained_on(tmp_path: Path) -> None:
    """Not even from the list of training pairs, though they share people and garments with it."""
    root = tmp_path / "set"
    for seed, stem in enumerate(NAMES, 1):
        write_viton_hd(root, "train", stem, seed=seed)
    rows = [("00001_00", "00001_00"), ("00002_00", "00003_00"), ("00003_00", "00003_00")]
    (root / "train_pairs.txt").write_text("\n".join(f"{person}.jpg {garment}.jpg" for person, garment in rows))
    code, samples = built(root, tmp_path / "shards", "--unpaired")
    assert code == 0
    assert facts(samples) == [
        ("00001", "00001_00_F", "train", True), ("00002_00", "00003_00_F", "val", False),
        ("00003", "00003_00_F", "train", True),
    ]  # fmt: skip
    assert run_prep("verify", "--shards", str(tmp_path / "shards"), "--workers", "1") == 0
    manifest = Manifest.model_validate_json((tmp_path / "shards/manifest.json").read_bytes())
    assert manifest.samples_by_split == {"train": 2, "val": 1}


def test_a_person_who_wears_nothing_of_the_kind_can_be_dressed(tmp_path: Path) -> None:
    """Their torso is bare; for training the record is rejected, as the list says that a top is there."""
    listing(tmp_path / "set", "test", ("00001_00", "shirt2"))
    _, regions, _ = look(1, ("top", "trousers"))
    bare = regions.copy()
    for number, name in enumerate(MODEL_REGIONS):
        if name.startswith("inner"):
            part = {"inner_torso": BACKGROUND, "inner_rsleeve": "right_arm", "inner_lsleeve": "left_arm"}[name]
            bare[regions == number] = part if part == BACKGROUND else MODEL_REGIONS.index(str(part))
    numbers = label_map(bare, "cihp")
    numbers[(regions != BACKGROUND) & (bare == BACKGROUND)] = 10  # CIHP's torso skin
    write_map(tmp_path / "set/test/image-parse-v3/00001_00.png", numbers)
    code, samples = built(tmp_path / "set", tmp_path / "shards", "--unpaired", "--labels", "cihp")
    assert (code, facts(samples)) == (0, [("00001_00", "shirt2_F", "val", False)])
    (tmp_path / "set/test_pairs_unpaired.txt").rename(tmp_path / "set/test_pairs.txt")
    code, samples = built(tmp_path / "set", tmp_path / "worn", "--labels", "cihp")
    assert (code, samples) == (1, [])
    rejects = [json.loads(line) for line in (tmp_path / "worn/rejects.jsonl").read_text().splitlines()]
    assert [reject["reason"] for reject in rejects] == ["garment-not-worn"]


def test_samples_of_worn_garments_say_nothing_of_it(tmp_path: Path) -> None:
    """Their bytes are those of shards from before there were others."""
    write_viton_hd(tmp_path / "set", "test", NAMES[0], seed=1)
    (tmp_path / "set/test_pairs.txt").write_text(f"{NAMES[0]}.jpg {NAMES[0]}.jpg")
    _, (sample,) = built(tmp_path / "set", tmp_path / "shards")
    assert sample.worn
    assert "worn" not in json.loads(sample.model_dump_json())
    assert np.array_equal([sample.model_copy(update={"worn": False}).model_dump()["worn"]], [False])


def test_what_is_repaired_in_a_list_is_not_said_to_be_skipped(tmp_path: Path) -> None:
    write_viton_hd(tmp_path / "d", "train", "00001_00", seed=1)
    (tmp_path / "d/train_pairs.txt").write_bytes("00001_00.jpg 00001_00.jpg\n한글.jpg 한글.jpg\n".encode("cp949"))
    words = ("build-shards", "--src", str(tmp_path / "d"), "--out", str(tmp_path / "out"), "--workers", "1")
    said = run_here(cli.main, *words, cwd=tmp_path).stdout
    assert "\nrejected: 1 missing-person-image; " in said
    assert "\nrepaired: 1 cp949-text\n" in said
    assert "skipped" not in said
