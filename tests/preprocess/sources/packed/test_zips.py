import pickle
import random
import re
import shutil
import stat
import zipfile
from pathlib import Path

import pytest
from archive_files import contents, cut, listed, reading, reason

from common.errors import UserError
from preprocess.faults import Tally
from preprocess.sources import Files
from preprocess.sources.aihub import is_aihub, open_aihub


class Cp949Info(zipfile.ZipInfo):
    """A name as Korean Windows writes it: cp949, not flagged."""

    def _encodeFilenameFlags(self) -> tuple[bytes, int]:
        return self.filename.encode("cp949"), self.flag_bits & ~0x800


def write_zip(path: Path, members: dict[str, bytes], info: type[zipfile.ZipInfo] = zipfile.ZipInfo) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as file:
        for name, data in members.items():
            member = info(name)
            member.compress_type = zipfile.ZIP_DEFLATED
            file.writestr(member, data)
    return path


def deliver(root: Path) -> list[Path]:
    """Put every 2021_Fashion_* folder of a data set into a zip beside it, as it is delivered."""
    zips = []
    for folder in sorted(root.rglob("2021_Fashion_*")):
        members = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        zips.append(write_zip(folder.with_name(f"{folder.name}.zip"), members))
        shutil.rmtree(folder)
    return zips


def test_a_folder_of_zips_is_the_same_data_set(aihub: Path) -> None:
    unpacked = contents(aihub)
    assert len(deliver(aihub)) == 3
    assert is_aihub(Files(aihub))
    assert contents(aihub) == unpacked


@pytest.mark.parametrize(
    "parts",
    [
        ["x.zip.part{offset}"] * 3,
        ["x.zip.part1", "x.zip.part2", "x.zip.part3"],
        ["x.zip.part0", "x.zip.part1", "x.zip.part2"],
        [f"x.zip.part{n}" for n in range(1, 13)],
        ["x.ZIP.part0"],
        ["x.zip.001", "x.zip.002", "x.zip.003"],
        ["x.zip.000", "x.zip.001"],
        ["x.zip.000"],
    ],
    ids=["offsets", "from-1", "from-0", "twelve", "one", "bare", "bare-from-0", "one-bare"],
)
def test_parts_are_one_file(tmp_path: Path, parts: list[str]) -> None:
    data = random.Random(0).randbytes(50_000)
    cut(write_zip(tmp_path / "d/x.zip", {"Model-Image/1.jpg": data, "2.json": b"[]"}), parts)
    files = pickle.loads(pickle.dumps(Files(tmp_path)))
    assert listed(files) == ["d/x/2.json", "d/x/Model-Image/1.jpg"]
    assert (files.read("d/x/Model-Image/1.jpg"), files.read("d/x/2.json")) == (data, b"[]")


@pytest.mark.parametrize(
    ("parts", "gone", "said"),
    [
        (["x.zip.part{offset}"] * 3, 0, "x.zip.part0 is missing"),
        (["x.zip.part{offset}"] * 3, 1, "x.zip.part16736 is missing"),
        (["x.zip.part{offset}"] * 3, 2, "x.zip.part33472 is missing"),
        (["x.zip.part1", "x.zip.part2", "x.zip.part3"], 0, "x.zip.part1 is missing"),
        (["x.zip.part1", "x.zip.part2", "x.zip.part3"], 1, "x.zip.part2 is missing"),
        (["x.zip.part1", "x.zip.part2", "x.zip.part3"], 2, "x.zip.part3 is missing"),
        (["x.zip.001", "x.zip.002", "x.zip.003"], 1, "x.zip.002 is missing"),
        (["x.zip.001", "x.zip.002", "x.zip.003"], 2, "x.zip.003 is missing"),
        (["x.zip.000", "x.zip.001"], 1, "x.zip.001 is missing"),
    ],
)
def test_a_missing_part_is_named(tmp_path: Path, parts: list[str], gone: int, said: str) -> None:
    cut(write_zip(tmp_path / "x.zip", {"1.jpg": random.Random(0).randbytes(50_080)}), parts)
    present = sorted(tmp_path.iterdir(), key=lambda path: int(re.findall(r"\d+$", path.name)[0]))
    present[gone].unlink()
    with pytest.raises(UserError, match=said) as caught:
        listed(Files(tmp_path))
    assert "\n" not in str(caught.value)


def test_a_zip_that_is_cut_short_is_the_users_mistake(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "x.zip", {"1.jpg": b"1" * 1000, "2.jpg": b"2"})
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(UserError, match=r"x\.zip: the end of the zip is missing.*fetch it again"):
        listed(Files(tmp_path))


def test_a_whole_zip_goes_before_its_parts(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "x.zip", {"1.jpg": b"1"})
    shutil.copy(path, tmp_path / "x.zip.part0")
    files = Files(tmp_path)
    for _ in range(2):
        tally = Tally()
        assert list(files.walk(tally)) == [("", []), ("x", ["1.jpg"])]
        assert tally.counts == {"older-duplicate": 1}


@pytest.mark.parametrize("stray", ["notes.zip.123", "notes.tar.100", "x.zip.010"])
def test_a_number_at_the_end_of_a_stray_file_stops_nothing(tmp_path: Path, stray: str) -> None:
    """Only beside a first part is a bare number one of a part."""
    write_zip(tmp_path / "a.zip", {"1.jpg": b"1"})
    (tmp_path / stray).write_bytes(b"junk")
    files, tally = Files(tmp_path), Tally()
    assert list(files.walk(tally)) == [("", []), ("a", ["1.jpg"])]
    assert tally.counts == {"other-archive": 1}


def test_parts_of_two_spellings_are_not_mixed(tmp_path: Path) -> None:
    cut(write_zip(tmp_path / "x.zip", {"1.jpg": b"1" * 100}), ["x.zip.001", "x.zip.002"])
    for name in ("x.zip.part1", "x.zip.part2"):
        (tmp_path / name).write_bytes(b"other")
    for src in (tmp_path, tmp_path / "x.zip.001"):
        assert any(name == ["1.jpg"] for _, name in Files(src).walk(Tally()))


@pytest.mark.parametrize("info", [zipfile.ZipInfo, Cp949Info], ids=["utf-8", "cp949"])
def test_korean_names(tmp_path: Path, info: type[zipfile.ZipInfo]) -> None:
    write_zip(tmp_path / "x.zip", {"라벨링데이터/Model-Pose/1.json": b"[]"}, info)
    files = Files(tmp_path)
    assert listed(files) == ["x/라벨링데이터/Model-Pose/1.json"]
    assert files.read("x/라벨링데이터/Model-Pose/1.json") == b"[]"


def test_sizes_and_stamps_come_from_the_list_of_members(tmp_path: Path) -> None:
    write_zip(tmp_path / "x.zip", {"1.json": b"[" + b" " * 5000 + b"]"})
    first = Files(tmp_path).stamp("x/1.json")
    assert (Files(tmp_path).size("x/1.json"), len(first), first[0]) == (5002, 2, 5002)
    write_zip(tmp_path / "x.zip", {"1.json": b"{" + b" " * 5000 + b"}"})
    assert Files(tmp_path).stamp("x/1.json") != first
    assert Files(tmp_path).stamp("x/2.json") == (-1,)


def test_an_unpacked_file_goes_before_the_same_in_a_zip(tmp_path: Path) -> None:
    write_zip(tmp_path / "x.zip", {"a/1.json": b"zip", "a/2.json": b"zip"})
    (tmp_path / "x/a").mkdir(parents=True)
    (tmp_path / "x/a/1.json").write_bytes(b"disk")
    files, tally = Files(tmp_path), Tally()
    paths = [f"{folder}/{name}" for folder, names in files.walk(tally) for name in names]
    assert paths == ["x/a/1.json", "x/a/2.json"]
    assert [files.read(path) for path in paths] == [b"disk", b"zip"]
    assert tally.examples == {"older-duplicate": ["x/a/1.json"]}


def test_a_data_set_both_unpacked_and_zipped_is_counted_once(aihub: Path) -> None:
    unpacked = contents(aihub)
    labels = next(aihub.rglob("2021_Fashion_train_labels*"))
    kept = aihub.parent / "kept"
    shutil.copytree(labels, kept)
    deliver(aihub)
    shutil.copytree(kept, labels)
    data = open_aihub(Files(aihub))
    assert data.left_out["older-duplicate"] == 9
    assert contents(aihub) == unpacked


def test_zip64(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", 10)
    monkeypatch.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", 1)
    members = {f"{n}.jpg": bytes([n]) * 100 for n in range(5)}
    path = write_zip(tmp_path / "x.zip", members)
    assert b"PK\x06\x06" in path.read_bytes()
    files = Files(tmp_path)
    assert {name: files.read(f"x/{name}") for name in members} == members


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("../evil.json", "unsafe-name"), ("a/../../evil.json", "unsafe-name"), ("/etc/evil.json", "unsafe-name"),
        ("C:/evil.json", "unsafe-name"), ("a\\evil.json", "unsafe-name"), ("a//evil.json", "unsafe-name"),
        ("inner.zip", "nested-zip"),
    ],
)  # fmt: skip
def test_members_that_are_left_out(tmp_path: Path, name: str, code: str) -> None:
    write_zip(tmp_path / "x.zip", {name: b"[]", "good.json": b"[]"})
    files, tally = Files(tmp_path), Tally()
    assert [names for _, names in files.walk(tally)] == [[], ["good.json"]]
    assert tally.counts == {code: 1}
    assert files.size(f"x/{name}") == -1


def test_a_link_in_a_zip_is_skipped(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as file:
        link = zipfile.ZipInfo("link.json")
        link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
        file.writestr(link, "/etc/passwd")
    tally = Tally()
    assert listed(Files(tmp_path)) == []
    list(Files(tmp_path).walk(tally))
    assert tally.counts == {"linked-member": 1}


def test_of_two_members_with_one_name_the_last_counts(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as file:
        file.writestr("1.json", "first")
        with pytest.warns(UserWarning, match="Duplicate name"):
            file.writestr("1.json", "second")
    files, tally = Files(tmp_path), Tally()
    assert list(files.walk(tally))[-1] == ("x", ["1.json"])
    assert (files.read("x/1.json"), tally.counts) == (b"second", {"repeated-member": 1})


def patch_directory(path: Path, place: int, value: bytes) -> None:
    """Overwrite bytes of the first entry of a zip's list of members."""
    data = bytearray(path.read_bytes())
    start = data.index(b"PK\x01\x02") + place
    data[start : start + len(value)] = value
    path.write_bytes(data)


FLAGS, METHOD, SIZE, OFFSET = 8, 10, 24, 42


@pytest.mark.parametrize(
    ("place", "value", "code"),
    [
        (FLAGS, b"\x01\x00", "encrypted-member"),
        (METHOD, b"\x09\x00", "unreadable-file"),
        (SIZE, (257 << 20).to_bytes(4, "little"), "too-large"),
        (SIZE, (2 << 20).to_bytes(4, "little"), "too-large"),
        (SIZE, (10).to_bytes(4, "little"), "unreadable-file"),
        (16, b"\0\0\0\0", "unreadable-file"),
        (OFFSET, b"\xf0\xff\xff\x7f", "unreadable-file"),
    ],
    ids=["encrypted", "method", "huge", "ratio", "lying", "checksum", "offset"],
)
def test_a_member_that_cannot_be_read_is_a_fault_of_its_own(
    tmp_path: Path, place: int, value: bytes, code: str
) -> None:
    patch_directory(write_zip(tmp_path / "x.zip", {"1.jpg": b"1" * 5000, "2.jpg": b"2"}), place, value)
    files = Files(tmp_path)
    assert listed(files) == ["x/1.jpg", "x/2.jpg"]
    assert (reason(files, "x/1.jpg"), files.read("x/2.jpg")) == (code, b"2")


def test_a_bomb_is_never_inflated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_zip(tmp_path / "x.zip", {"1.json": b" " * (4 << 20), "2.jpg": b"\0" * (4 << 20)})
    monkeypatch.setattr("zlib.decompressobj", None)
    files, tally = Files(tmp_path), Tally()
    assert [reason(files, path) for path in ("x/1.json", "x/2.jpg")] == ["too-large"] * 2
    list(files.walk(tally))
    assert tally.examples == {"too-large": ["x/2.jpg"]}  # a label file is counted when it is read


def damaged(data: bytes, rng: random.Random) -> bytes:
    how = rng.randrange(3)
    if how == 0:
        return data[: rng.randrange(len(data))]
    changed = bytearray(data)
    for _ in range(rng.randrange(1, 8)):
        place = rng.randrange(len(data)) if how == 1 else data.index(b"PK\x01\x02") + rng.randrange(140)
        changed[place] = rng.choice((0, 0xFF, rng.randrange(256)))
    return bytes(changed)


def test_any_damage_is_a_users_mistake_or_a_fault(tmp_path: Path) -> None:
    members = {"Model-Pose/1.json": b"[1, 2, 3]" * 30, "가나.jpg": b"\xff\xd8" * 50}
    whole = write_zip(tmp_path / "x.zip", members).read_bytes()
    said: list[str] = []
    for seed in range(400):
        (tmp_path / "x.zip").write_bytes(damaged(whole, random.Random(seed)))
        files = Files(tmp_path)
        try:
            for path in listed(files):
                assert path.startswith("x/")
                assert ".." not in path
                said += reading(files, path, set(members.values()))
        except UserError as error:
            said.append("user" if "\n" not in str(error) else str(error))
    assert {"user", "unreadable-file"} <= set(said) <= {"user", "unreadable-file", "too-large", "encrypted-member"}
