"""A tar is read in place, as a zip is: whole, in parts, and whatever is wrong with it."""

from __future__ import annotations

import io
import pickle
import random
import shutil
import tarfile
from pathlib import Path

import pytest
from archive_files import contents, cut, listed, reading, reason
from click.testing import CliRunner

from common.errors import UserError
from preprocess.cli import cli
from preprocess.faults import Tally
from preprocess.sources import Files

LONG = "라벨링데이터/" + "a" * 120 + ".json"
"""A name that no header holds: it is in a header of its own, in pax's form or GNU's."""


def write_tar(path: Path, members: dict[str, bytes], form: int = tarfile.PAX_FORMAT) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w", format=form) as file:
        for name, data in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            file.addfile(entry, io.BytesIO(data))
    return path


@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_a_tar_appears_as_a_folder(tmp_path: Path, form: int) -> None:
    members = {"./b/1.json": b"[1]", LONG: b"[2]" * 700, "empty.json": b""}
    write_tar(tmp_path / "d/x.tar", members, form)
    files = pickle.loads(pickle.dumps(Files(tmp_path)))
    assert listed(files) == ["d/x/empty.json", "d/x/b/1.json", f"d/x/{LONG}"]
    assert [files.read(f"d/x/{name.removeprefix('./')}") for name in members] == list(members.values())
    assert files.size(f"d/x/{LONG}") == 2100
    assert reason(files, "d/x/2.json") == "unreadable-file"


def test_a_changed_member_has_another_stamp(tmp_path: Path) -> None:
    (tmp_path / "1.json").write_bytes(b"[]")
    stamps = []
    for time in (1_700_000_000.5, 1_700_000_002):
        with tarfile.open(tmp_path / "x.tar", "w") as file:
            entry = file.gettarinfo(tmp_path / "1.json", "1.json")
            entry.mtime = time
            file.addfile(entry, io.BytesIO(b"[]"))
        stamps.append(Files(tmp_path).stamp("x/1.json"))
    assert stamps[0] != stamps[1]
    assert [stamp[0] for stamp in stamps] == [2, 2]


def test_parts_of_a_tar_are_one_file(tmp_path: Path) -> None:
    data = random.Random(0).randbytes(50_000)
    write_tar(tmp_path / "x.tar", {"Model-Image/1.jpg": data, "2.json": b"[]"})
    shutil.copy(tmp_path / "x.tar", tmp_path / "y.tar")
    cut(tmp_path / "x.tar", ["x.tar.part{offset}"] * 3)
    for src in (tmp_path, tmp_path / "x.tar.part0"):
        files = Files(src)
        assert files.read("x/Model-Image/1.jpg") == data
        assert files.read("x/2.json") == b"[]"
    assert listed(Files(tmp_path / "y.tar")) == ["y/2.json", "y/Model-Image/1.jpg"]
    max(tmp_path.glob("x.tar.part*"), key=lambda path: int(path.name.rpartition("part")[2])).unlink()
    with pytest.raises(UserError, match=r"x\.tar\.part0: .*x\.tar\.part\d+ is missing") as caught:
        listed(Files(tmp_path))
    assert "\n" not in str(caught.value)


def test_a_zip_goes_before_a_tar_of_the_same_name(tmp_path: Path) -> None:
    write_tar(tmp_path / "x.tar", {"1.json": b"tar"})
    shutil.make_archive(str(tmp_path / "x"), "zip", tmp_path, "x.tar")
    tally = Tally()
    assert list(Files(tmp_path).walk(tally)) == [("", [])]  # the zip holds nothing but the tar
    assert tally.examples == {"older-duplicate": ["x.tar"], "nested-zip": ["x/x.tar"]}


def test_a_dataset_in_tars_is_the_same_dataset(aihub: Path, tmp_path: Path) -> None:
    unpacked = contents(aihub)
    for folder in sorted(aihub.rglob("2021_Fashion_*")):
        shutil.make_archive(str(folder), "tar", folder)  # its names begin with ./
        shutil.rmtree(folder)
    assert contents(aihub) == unpacked != []
    words = ("build-shards", "--src", str(aihub), "--out", str(tmp_path / "out"), "--workers", "1")
    done = CliRunner().invoke(cli, words)
    assert done.exit_code == 0, done.output


def test_links_and_names_that_lead_out_are_skipped(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "x.tar", "w") as file:
        for name, kind in (("link.json", tarfile.SYMTYPE), ("hard.json", tarfile.LNKTYPE), ("pipe", tarfile.FIFOTYPE)):
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = kind, "/etc/passwd"
            file.addfile(entry)
        for name in ("../evil.json", "/evil.json", "inner.tar", "in.zip.part0", "__MACOSX/1.json", "folder/1.json"):
            file.addfile(tarfile.TarInfo(name))
        folder = tarfile.TarInfo("folder")
        folder.type = tarfile.DIRTYPE
        file.addfile(folder)
    tally = Tally()
    assert list(Files(tmp_path).walk(tally)) == [("", []), ("x/folder", ["1.json"])]
    assert tally.counts == {"linked-member": 3, "unsafe-name": 2, "nested-zip": 2}


@pytest.mark.parametrize("kept", [512, 2048, 700, 0], ids=["header", "between members", "inside one", "empty"])
def test_a_tar_that_is_cut_short_is_the_users_mistake(tmp_path: Path, kept: int) -> None:
    path = write_tar(tmp_path / "x.tar", {"1.jpg": b"1" * 900, "2.jpg": b"2" * 900}, tarfile.USTAR_FORMAT)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(UserError, match=r"x\.tar: .*fetch it again") as caught:
        listed(Files(tmp_path))
    assert "\n" not in str(caught.value)


def test_a_compressed_tar_is_named(tmp_path: Path) -> None:
    shutil.make_archive(str(tmp_path / "x"), "gztar", tmp_path, ".")
    with pytest.raises(UserError, match="neither a folder nor a zip or tar; unpack it"):
        Files(tmp_path / "x.tar.gz")
    shutil.move(tmp_path / "x.tar.gz", tmp_path / "x.tar")
    with pytest.raises(UserError, match=r"x\.tar: .*damaged, or compressed.*unpack it"):
        listed(Files(tmp_path))


def test_any_damage_of_a_tar_is_a_users_mistake_or_a_fault(tmp_path: Path) -> None:
    members = {"Model-Pose/1.json": b"[1, 2, 3]" * 30, "가나.jpg": b"\xff\xd8" * 50, LONG: b"[]"}
    whole = write_tar(tmp_path / "x.tar", members).read_bytes()
    for seed in range(300):
        rng = random.Random(seed)
        data = bytearray(whole)
        for _ in range(rng.randrange(1, 4)):
            place = rng.choice(range(0, len(whole) - 512, 512)) + rng.choice((0, 100, 124, 130, 148, 156, 257, 300))
            data[place : place + 1] = bytes([rng.choice((0, 0x80, 0xFF, rng.randrange(256)))])
        _mend_checksums(data, rng)
        (tmp_path / "x.tar").write_bytes(data[: rng.choice((len(data), rng.randrange(len(data))))])
        files = Files(tmp_path)
        try:
            for path in listed(files):
                assert path.startswith("x/")
                assert ".." not in path.split("/")
                reading(files, path, set(members.values()))
        except UserError as error:
            assert "\n" not in str(error)  # noqa: PT017


def _mend_checksums(data: bytearray, rng: random.Random) -> None:
    """Give some headers the checksum of what they say now, as one who means harm would."""
    for start in range(0, len(data) - 512, 512):
        if any(data[start : start + 512]) and rng.random() < 0.5:
            data[start + 148 : start + 156] = b" " * 8
            data[start + 148 : start + 156] = b"%06o\0 " % sum(data[start : start + 512])
