"""`prep inspect` of a table of pairs: what the rows name and lack, and the same faults as of the layout's files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from drawn_sets import write_viton_hd
from pair_tables import PEOPLE, row_of, written
from PIL import Image

from common.errors import UserError
from preprocess.cli import cli
from preprocess.inspection.dataset.table_overview import TABLE_FAULTS

Row = dict[str, str]


@pytest.fixture
def drawn(tmp_path: Path) -> Path:
    """Three people in VITON-HD's files, of which any may be changed."""
    for seed, (split, stem) in enumerate(PEOPLE):
        write_viton_hd(tmp_path, split, stem, seed)
    return tmp_path


@pytest.fixture
def rows() -> list[Row]:
    return [row_of(*person) for person in PEOPLE]


def inspected(folder: Path, rows: list[Row], *options: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(shown(folder, rows, "--json", *options).stdout)
    return document


def shown(folder: Path, rows: list[Row], *options: str) -> Result:
    table = written(folder / "pairs.csv", rows)
    done = CliRunner().invoke(cli, ["inspect", "--table", str(table), "--workers", "1", *options])
    assert done.exit_code == 0, done.exception
    return done


def faults(document: dict[str, Any]) -> dict[str, int]:
    return {code: fault["count"] for code, fault in document["faults"].items() if fault["count"]}


def test_a_complete_table(drawn: Path, rows: list[Row]) -> None:
    document = inspected(drawn, rows)
    assert (document["source"], document["labels"], document["people_compared"]) == ("table", "cihp", 3)
    kinds = ("person-image", "person-pose", "person-parse", "product-image", "product-parse")
    assert document["files"] == {"train": dict.fromkeys(kinds, 2), "val": dict.fromkeys(kinds, 1)}
    assert document["pairs"] == {"train": {"upper": 2, "whole": 2}, "val": {"upper": 1, "whole": 1}}
    assert set(document["faults"]) == set(TABLE_FAULTS)
    assert faults(document) == {}


def test_what_rows_lack_and_files_that_are_missing(drawn: Path, rows: list[Row]) -> None:
    del rows[0]["pose"]
    rows[1]["parse"] = ""
    (drawn / rows[2]["person"]).unlink()
    document = inspected(drawn, [*rows, {"person": "a.jpg"}, {**rows[2], "category": "hat"}])
    assert faults(document) == {
        "missing-person-pose": 1, "missing-person-parse": 1, "unreadable-file": 1, "bad-pair": 1, "unknown-category": 1,
    }  # fmt: skip
    assert document["pairs"]["train"] == {"upper": 2, "whole": 0}
    assert document["faults"]["unreadable-file"]["examples"] == [rows[2]["person"]]


def test_files_are_judged_as_those_of_the_layout(drawn: Path, rows: list[Row]) -> None:
    """A mask that lies beside the garment, a label map in colours, a photograph on its side, one garment twice."""
    mask = drawn / rows[0]["mask"]
    Image.fromarray(np.roll(np.asarray(Image.open(mask)), 300, axis=0)).save(mask)
    image = Image.open(drawn / rows[1]["person"])
    image.getexif()[0x0112] = 6
    image.save(drawn / rows[1]["person"], exif=image.getexif())
    rows.append({**rows[2], "person": rows[0]["person"], "split": "train"})
    table = faults(inspected(drawn, rows, "--labels", "cihp"))
    for split, name in (("train", "train_pairs"), ("test", "test_pairs")):
        stems = [stem for part, stem in PEOPLE if part == split]
        (drawn / f"{name}.txt").write_text("\n".join(f"{stem}.jpg {stem}.jpg" for stem in stems))
    done = CliRunner().invoke(cli, ["inspect", "--src", str(drawn), "--json", "--labels", "cihp", "--workers", "1"])
    assert table
    assert "exif-turned" in table
    assert table == faults(json.loads(done.stdout))


def test_aihubs_json_is_read_as_aihubs(aihub: Path, tmp_path: Path) -> None:
    """Polygons and landmarks, of which a release has them beside the images."""

    def one(pattern: str) -> str:
        return str(next(aihub.rglob(pattern)).relative_to(aihub))

    row = {
        "person": one("Model-Image/1008_A001_000.jpg"), "pose": one("Model-Pose/1008_A001_000.json"),
        "parse": one("Model-Parse/1008_A001_000.json"), "garment": one("Item-Image/1008001_F.jpg"),
        "mask": one("Item-Parse/1008001_F.json"), "garment_pose": one("Item-Pose/1008001_F.json"),
    }  # fmt: skip
    options = ("--src", str(aihub))
    document = inspected(tmp_path, [row], *options)
    assert (document["labels"], document["people_compared"], faults(document)) == ("aihub", 0, {})
    assert document["files"]["train"]["product-pose"] == 1
    pose = aihub / row["garment_pose"]
    pose.write_bytes(b"\xef\xbb\xbf" + pose.read_bytes())
    (aihub / row["parse"]).write_text("{")
    assert faults(inspected(tmp_path, [row], *options)) == {"utf-8-bom": 1, "bad-parse": 1}


def test_photographs_of_one_person_pair(drawn: Path, rows: list[Row]) -> None:
    people = [{**row, "person_id": "anna", "garment": "", "mask": "", "split": "train"} for row in rows]
    assert inspected(drawn, people)["pairs"]["train"] == {"person to person": 6}


def test_the_printed_table(drawn: Path, rows: list[Row]) -> None:
    done = shown(drawn, [*({**row, "caption": "a shirt"} for row in rows), {"person": "", "category": "shirt"}])
    assert done.stdout.startswith("table of pairs, labels of the table cihp (poses and labels of 3 people agree by ")
    assert "files of train" in done.stdout
    assert "columns not used: caption" in done.stderr
    assert "1 row skipped as bad-pair: pairs.csv, row 4: names no person's image" in done.stderr


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((), "Missing option '--src'"),
        (("--source", "table"), "--source table: needs --table FILE"),
        (("--src", ".", "--column", "person=target"), "--column: belongs to a table of pairs; add --table FILE"),
        (("--source", "viton-hd", "--table", "pairs.csv"), "--table: belongs to --source table, not viton-hd"),
        (("--table", "gone.csv"), "--table gone.csv: no such file"),
        (("--table", "pairs.csv", "--filled", "."), "--filled .: belongs to a dataset's layout"),
    ],
)
def test_options_that_do_not_go_together(options: tuple[str, ...], said: str) -> None:
    done = CliRunner().invoke(cli, ["inspect", *options])
    assert isinstance(done.exception, UserError)
    assert str(done.exception).startswith(said)
