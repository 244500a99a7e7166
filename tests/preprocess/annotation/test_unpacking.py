"""A table without labels, unpacked for `prep annotate`, and the table of what that writes."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from common.errors import UserError
from preprocess.cli import cli


def rows_of(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text().splitlines()))


def prep(*words: str | Path) -> Any:
    return CliRunner().invoke(cli, list(map(str, words)))


def test_a_table_without_labels_becomes_shards(studio: Any, tmp_path: Path) -> None:
    table = studio.src / "list.csv"
    rows = ["people/anna.png,garments/red.png,train,shirt", "people/ben.png,garments/blue.png,test,shirt"]
    table.write_text("\n".join(["target,source,split,category", *rows, "people/gone.png,garments/red.png,train,shirt"]))
    names = ("--column", "person=target", "--column", "garment=source")
    out = tmp_path / "unpacked"
    for _ in range(2):
        done = prep("unpack", "--table", table, *names, "--out", out)
        assert done.exit_code == 0, done.output
        lines = done.stdout.splitlines()
        assert lines[:2] == [f"2 pairs of 2 people and 2 garments in {out}", "skipped: 1 unreadable-file"]
    assert [row["kind"] for row in rows_of(out / "pairs.csv")] == ["upper"] * 2
    labelled = rows_of(out / "labelled.csv")
    assert [(row["split"], row["id"]) for row in labelled] == [("train", "people-anna"), ("val", "people-ben")]
    studio.src = out
    assert studio.annotate().pairs == 2
    build = ("build-shards", "--table", out / "labelled.csv", "--src", studio.out, "--out", tmp_path / "shards")
    built = prep(*build, "--workers", "1")
    assert built.exit_code == 0, built.output
    assert built.stdout.splitlines()[0].startswith("2 samples (1 train, 1 val) in 2 shards"), built.output


def test_labels_of_the_table_lie_beside_the_photographs(studio: Any, tmp_path: Path) -> None:
    (studio.src / "list.csv").write_text("person,garment,mask\npeople/anna.png,garments/red.png,garments/blue.png\n")
    assert prep("unpack", "--table", studio.src / "list.csv", "--out", tmp_path / "out").exit_code == 0
    (garment,) = (path for path in (tmp_path / "out/garments").iterdir() if ".mask" not in path.name)
    mask = garment.with_name(f"{garment.stem}.mask.png")
    assert mask.read_bytes() == (studio.src / "garments/blue.png").read_bytes()


def test_mistakes_are_one_line(tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("person,garment\n,\n,x.jpg\n")
    for words, said in (((), "--source table: needs --table FILE"), (("--table", tmp_path / "list.csv"), "no row is")):
        done = prep("unpack", *words, "--out", tmp_path / "out")
        assert isinstance(done.exception, UserError)
        assert said in str(done.exception)
        assert not (tmp_path / "out").exists()
