"""Finished shards extended by tables and by pairs for inference, and the report with a table's rejects."""

from __future__ import annotations

import tarfile
from pathlib import Path
from typing import IO, Any, cast

import pytest
from click.testing import CliRunner
from drawn_sets import write_viton_hd
from pair_tables import PEOPLE, row_of, written

from common.errors import UserError
from preprocess.cli import cli
from preprocess.inspection.verification import verify
from schemas import Sample

pytestmark = pytest.mark.usefixtures("in_process")


@pytest.fixture
def drawn(tmp_path: Path) -> Path:
    """Three people in VITON-HD's files, of which any may be changed."""
    root = tmp_path / "set"
    for seed, (split, stem) in enumerate(PEOPLE):
        write_viton_hd(root, split, stem, seed)
    return root


def command(*words: str | Path) -> Any:
    return CliRunner().invoke(cli, [*map(str, words), "--workers", "1"])


def done(*words: str | Path) -> str:
    result = command(*words)
    assert result.exit_code == 0, result.exception or result.output
    return str(result.stdout)


def refused(*words: str | Path) -> str:
    result = command(*words)
    assert isinstance(result.exception, UserError), result.output
    assert "\n" not in str(result.exception)
    return str(result.exception)


def samples(out: Path) -> list[tuple[str, str, str, bool]]:
    """Return split, person, garment, and whether it is worn, of every sample; the folder must be sound."""
    assert verify(out, 1, lambda _done, _total: None).problems == ()
    found = []
    for path in sorted(out.glob("*.tar")):
        with tarfile.open(path) as tar:
            for member in tar:
                if member.name.endswith(".json"):
                    sample = Sample.model_validate_json(cast("IO[bytes]", tar.extractfile(member)).read())
                    found.append((sample.split, sample.look[-8:], sample.item[-10:-2], sample.worn))
    return sorted(found)


def test_a_table_extends_shards_by_pairs_for_inference(drawn: Path, tmp_path: Path) -> None:
    first, second, third = (row_of(*person) for person in PEOPLE)
    table, out = written(drawn / "pairs.csv", [first, third]), tmp_path / "out"
    done("build-shards", "--table", table, "--out", out)
    tars = {path.name: path.read_bytes() for path in out.glob("*.tar")}
    swapped = {**first, "garment": third["garment"], "mask": third["mask"], "worn": "no"}
    written(table, [first, third, second, swapped])
    told = done("extend", "--shards", out, "--table", table, "--unpaired")
    assert told.splitlines()[0] == "2 new records in 2 new shards"
    assert samples(out) == [
        ("train", "00001_00", "00001_00", True), ("train", "00002_00", "00002_00", True),
        ("val", "00001_00", "00003_00", False), ("val", "00003_00", "00003_00", True),
    ]  # fmt: skip
    assert {name: (out / name).read_bytes() for name in tars} == tars
    assert "nothing to add: 4 of 4 records are in it" in refused(
        "extend", "--shards", out, "--table", table, "--unpaired"
    )


def test_pairs_for_inference_link_no_splits(drawn: Path, tmp_path: Path) -> None:
    """A person of training tries a garment of validation on; a photograph of it in training is trained on then, too."""
    first, _, third = (row_of(*person) for person in PEOPLE)
    swapped = {**first, "garment": third["garment"], "mask": third["mask"], "worn": "no", "split": "test"}
    table, out = written(drawn / "pairs.csv", [swapped, third]), tmp_path / "out"
    done("build-shards", "--table", table, "--out", out, "--unpaired")
    written(table, [swapped, third, first])
    done("extend", "--shards", out, "--table", table)  # the swapped row is skipped: it is there
    assert ("train", "00001_00", "00001_00", True) in samples(out)
    assert len(samples(out)) == 3


def test_lists_of_other_garments_extend_shards(drawn: Path, tmp_path: Path) -> None:
    (drawn / "train_pairs.txt").write_text("00001_00.jpg 00001_00.jpg\n")
    out = tmp_path / "out"
    done("build-shards", "--src", drawn, "--out", out)
    (drawn / "train_pairs.txt").write_text("00001_00.jpg 00001_00.jpg\n00001_00.jpg 00002_00.jpg\n")
    assert "nothing to add" in refused("extend", "--shards", out, "--src", drawn)
    done("extend", "--shards", out, "--src", drawn, "--unpaired")
    assert samples(out)[1] == ("val", "00001_00", "00002_00", False)


def test_rows_of_garments_not_worn_need_the_option(drawn: Path, tmp_path: Path) -> None:
    first, second, _ = (row_of(*person) for person in PEOPLE)
    rows = [first, {**second, "worn": "no"}, {**second, "worn": "perhaps"}]
    result = command("build-shards", "--table", written(drawn / "pairs.csv", rows), "--out", tmp_path / "out")
    assert result.exit_code == 0
    assert "1 row skipped as worn-unknown: pairs.csv, row 2" in result.stderr
    assert "1 row skipped as bad-pair: pairs.csv, row 3: worn 'perhaps' is neither yes nor no" in result.stderr
    assert len(samples(tmp_path / "out")) == 1


def test_the_report_shows_the_rejects_of_a_table(drawn: Path, tmp_path: Path) -> None:
    first, second, _ = (row_of(*person) for person in PEOPLE)
    table, out, page = written(drawn / "pairs.csv", [first, {**second, "pose": ""}]), tmp_path / "out", tmp_path / "a"
    done("build-shards", "--table", table, "--out", out)
    done("report", "--shards", out, "--out", page, "--table", table)
    assert "person and garment of train_train-image-00002_00" in page.read_text()
    for options, said in (
        (("--src", drawn), f"--src {drawn}: the shards were built from a table of pairs; add --table FILE"),
        (("--column", "person=a"), "--column: belongs to a table of pairs; add --table FILE"),
        (("--follow-links",), "--follow-links: belongs to a dataset; add --src DIR"),
    ):
        assert refused("report", "--shards", out, "--out", page, *options) == said
    (drawn / "train_pairs.txt").write_text("00001_00.jpg 00001_00.jpg\n")
    done("build-shards", "--src", drawn, "--out", tmp_path / "listed")
    told = refused("report", "--shards", tmp_path / "listed", "--out", page, "--table", table)
    assert told == "--table: the shards were built from viton-hd, not from a table; give --src DIR alone"
