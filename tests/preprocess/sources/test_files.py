import os
import pickle
from pathlib import Path

import pytest

from common.errors import UserError
from preprocess.faults import RecordError, Tally
from preprocess.sources import Files


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "data/b").mkdir(parents=True)
    (tmp_path / "data/a.json").write_bytes(b"[]")
    (tmp_path / "data/b/c.jpg").write_bytes(b"123")
    (tmp_path / "secret.json").write_bytes(b"{}")
    return tmp_path / "data"


def reason(files: Files, path: str) -> str:
    with pytest.raises(RecordError) as caught:
        files.read(path)
    assert caught.value.path == path
    return caught.value.reason


def test_names_sizes_and_bytes(root: Path) -> None:
    files = pickle.loads(pickle.dumps(Files(root)))
    assert list(files.walk()) == [("", ["a.json"]), ("b", ["c.jpg"])]
    assert (files.read("b/c.jpg"), files.size("b/c.jpg"), files.stamp("b/c.jpg")) == (b"123", 3, (3,))
    assert (files.size("nothing"), files.stamp("nothing"), reason(files, "nothing")) == (-1, (-1,), "unreadable-file")
    assert reason(files, "b") == "unreadable-file"


def test_hidden_files_and_leftovers_of_macos_are_not_listed(root: Path) -> None:
    (root / "__MACOSX").mkdir()
    (root / "__MACOSX/x.json").touch()
    (root / "b/._c.jpg").touch()
    assert list(Files(root).walk()) == [("", ["a.json"]), ("b", ["c.jpg"])]


@pytest.mark.parametrize(
    "path", ["../secret.json", "b/../../secret.json", "/etc/passwd", "C:/x", "b\\c.jpg", "a\0.json"]
)
def test_a_name_that_leads_outside_is_refused(root: Path, path: str) -> None:
    files = Files(root)
    assert (reason(files, path), files.size(path)) == ("outside", -1)


def test_a_link_is_followed_inside_and_refused_outside(root: Path) -> None:
    (root / "in.json").symlink_to(root / "a.json")
    (root / "out.json").symlink_to(root.parent / "secret.json")
    (root / "folder").symlink_to(root.parent)
    files, tally = Files(root), Tally()
    assert ("", ["a.json", "in.json", "out.json"]) in list(files.walk(tally))
    assert tally.counts == {"linked-folder": 1}
    assert files.read("in.json") == b"[]"
    assert reason(files, "out.json") == reason(files, "folder/secret.json") == "outside"


def test_a_data_set_may_itself_be_a_link(root: Path) -> None:
    (root.parent / "link").symlink_to(root)
    assert Files(root.parent / "link").read("a.json") == b"[]"


def test_a_pipe_is_not_waited_for(root: Path) -> None:
    os.mkfifo(root / "pipe.json")
    tally = Tally()
    assert ("", ["a.json"]) in list(Files(root).walk(tally))
    assert tally.examples == {"not-a-file": ["pipe.json"]}
    assert reason(Files(root), "pipe.json") == "unreadable-file"


@pytest.mark.parametrize(
    ("name", "size", "refused"), [("x.json", 64, False), ("x.json", 65, True), ("x.jpg", 257, True)]
)
def test_a_huge_file_is_refused_unread(root: Path, name: str, size: int, refused: bool) -> None:
    with (root / name).open("wb") as file:
        file.truncate(size << 20)  # sparse
    if refused:
        assert reason(Files(root), name) == "too-large"
    else:
        assert len(Files(root).read(name)) == size << 20


def test_a_folder_whose_name_is_not_unicode_is_named_with_the_remedy(root: Path) -> None:
    try:
        os.mkdir(os.fsencode(root) + b"/\xb5\xa5")  # noqa: PTH102 -- a Path has no bytes
    except OSError:
        pytest.skip("the file system takes Unicode only")
    with pytest.raises(UserError, match="cp949"):
        list(Files(root).walk())
