"""A storage in a folder of this machine."""

from __future__ import annotations

import os
import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from common.storage import LocalStorage, open_storage

NAME = "train-000000.tar"
DATA = os.urandom(1 << 16)


@pytest.fixture
def storage(tmp_path: Path) -> LocalStorage:
    """A folder with one file."""
    storage = LocalStorage(tmp_path / "shards")
    storage.prepare()
    storage.write(NAME, DATA)
    return storage


def test_str_path_and_storage_open_the_same_folder(storage: LocalStorage) -> None:
    for location in (str(storage), Path(str(storage)), storage):
        opened = open_storage(location, "--shards")
        assert isinstance(opened, LocalStorage)
        assert (str(opened), opened.name) == (str(storage), "shards")
    assert open_storage(storage, "--shards") is storage
    assert storage.where(NAME) == f"{storage}/{NAME}"


def test_files_are_listed_read_and_removed(storage: LocalStorage, tmp_path: Path) -> None:
    assert LocalStorage(tmp_path / "missing").names() == []
    with storage.writing("plan.json") as file:
        file.write(b"{}")
    (tmp_path / "shards" / "link").symlink_to(NAME)
    assert storage.names() == ["link", "plan.json", NAME]
    assert [storage.is_file(name) for name in ("link", NAME, "missing")] == [False, True, False]
    assert (storage.size(NAME), storage.read(NAME)) == (len(DATA), DATA)
    with storage.open(NAME) as file:
        file.seek(100)
        assert file.read(10) == DATA[100:110]
    storage.remove("plan.json")
    storage.remove("plan.json")
    storage.settle()
    assert storage.names() == ["link", NAME]
    with pytest.raises(FileNotFoundError):
        storage.read("plan.json")


def _descriptors_of(path: Path) -> int:
    """Return how many descriptors of this process are open on a file; others come and go with the garbage collector."""
    return sum(os.path.realpath(link) == str(path.resolve()) for link in Path("/proc/self/fd").iterdir())


def test_threads_share_a_descriptor_and_pickled_copies_open_their_own(storage: LocalStorage, tmp_path: Path) -> None:
    offsets = range(0, len(DATA), 997)
    file = tmp_path / "shards" / NAME
    assert _descriptors_of(file) == 0
    with ThreadPoolExecutor(8) as pool:
        ranges = list(pool.map(lambda offset: storage.read_range(NAME, offset, 500), offsets))
    assert _descriptors_of(file) == 1
    assert ranges == [DATA[offset : offset + 500] for offset in offsets]
    copy = pickle.loads(pickle.dumps(storage))
    assert copy.read_range(NAME, len(DATA) - 10, 500) == DATA[-10:]
    with pytest.raises(FileNotFoundError):
        storage.read_range("missing.tar", 0, 1)


def test_an_exception_while_writing_leaves_no_file(storage: LocalStorage) -> None:
    def fail() -> None:
        with storage.writing("plan.json") as file:
            file.write(b"half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert storage.names() == [NAME]
