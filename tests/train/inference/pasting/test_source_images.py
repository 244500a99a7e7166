"""Photographs by the paths that samples hold: from folders and zips, and never from elsewhere."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import pytest

from common.errors import UserError
from train.inference.pasting.source_images import SourceImages

NAME = "01.데이터/사진/Model-Image/1.jpg"


def only(src: Path, path: str = NAME) -> bytes:
    ((_, data),) = SourceImages(src).candidates(path)
    return data


def test_a_file_in_a_folder(tmp_path: Path) -> None:
    (tmp_path / NAME).parent.mkdir(parents=True)
    (tmp_path / NAME).write_bytes(b"1")
    assert only(tmp_path) == b"1"


@pytest.mark.parametrize("encoding", ["utf-8", "cp949"])
@pytest.mark.parametrize("depth", [1, 2])
def test_a_file_in_a_zip(tmp_path: Path, encoding: str, depth: int) -> None:
    parts = NAME.split("/")
    archive = tmp_path.joinpath(*parts[:depth]).with_name(f"{parts[depth - 1]}.zip")
    archive.parent.mkdir(parents=True, exist_ok=True)
    name = "/".join(parts[depth:]).encode(encoding)
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("x" * len(name), b"1")
    archive.write_bytes(archive.read_bytes().replace(b"x" * len(name), name))  # without the flag of UTF-8
    assert only(tmp_path) == b"1"
    if depth == 1:
        assert only(archive) == b"1"


def test_photographs_that_were_annotated(tmp_path: Path) -> None:
    (tmp_path / "people").mkdir()
    for name in ("anna.jpg", "ann.jpg", "ben.jpg"):
        (tmp_path / "people" / name).write_bytes(name.encode())
    found = list(SourceImages(tmp_path).candidates("val/Model-Image/anna_red-shirt.jpg"))
    assert [data for _, data in found] == [b"ann.jpg", b"anna.jpg"]


@pytest.mark.parametrize(
    "path",
    [
        "../secret.jpg", "/etc/passwd", "a/../../secret.jpg", "", "a//b.jpg", "a\\..\\b.jpg", "C:/x.jpg", "./a.jpg",
        "a\0b",
    ],
)  # fmt: skip
def test_a_path_that_leads_out_is_refused(tmp_path: Path, path: str) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "secret.jpg").write_bytes(b"secret")
    with pytest.raises(UserError, match="leads out of the folder") as caught:
        list(SourceImages(tmp_path / "src").candidates(path))
    assert "\n" not in str(caught.value)


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no .*1\.jpg in it; give the folder"):
        list(SourceImages(tmp_path).candidates(NAME))
    with pytest.raises(UserError, match="no such folder"):
        SourceImages(tmp_path / "none")


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_an_unreadable_file_is_the_users_to_mend(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"1")
    (tmp_path / "a.jpg").chmod(0)
    with pytest.raises(UserError, match=r"a\.jpg: Permission denied"):
        only(tmp_path, "a.jpg")


def test_a_damaged_zip_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(b"PK none")
    with pytest.raises(UserError, match=r"a\.zip: b\.jpg cannot be read"):
        only(tmp_path, "a/b.jpg")


@pytest.mark.parametrize(
    "method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA],
    ids=["stored", "deflated", "bzip2", "lzma"],
)  # fmt: skip
@pytest.mark.parametrize("damage", [b"\xff", b"\0"], ids=["ones", "zeros"])
def test_a_damaged_file_in_a_zip_is_one_line(tmp_path: Path, method: int, damage: bytes) -> None:
    archive = tmp_path / "a.zip"
    with zipfile.ZipFile(archive, "w", method) as file:
        file.writestr("b.json", " ".join(map(str, range(5000))))
    data = bytearray(archive.read_bytes())
    data[60:200] = damage * 140
    archive.write_bytes(data)
    assert SourceImages(tmp_path).labels("a/b.json") is None
    with pytest.raises(UserError, match=r"a\.zip: b\.json cannot be read") as caught:
        only(tmp_path, "a/b.json")
    assert "\n" not in str(caught.value)
