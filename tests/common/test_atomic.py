import errno
import os
import stat
from pathlib import Path

import pytest

from common import atomic
from common.atomic import atomic_file, remove_stale, write_atomically


def test_the_file_appears_complete_and_no_temporary_file_is_left(tmp_path: Path) -> None:
    write_atomically(tmp_path / "a.json", b"one")
    write_atomically(tmp_path / "a.json", b"two")
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]
    assert (tmp_path / "a.json").read_bytes() == b"two"


def test_a_failure_keeps_the_old_file_and_leaves_no_temporary_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_atomically(tmp_path / "a.json", b"one")

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_atomically(tmp_path / "a.json", b"two")
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]
    assert (tmp_path / "a.json").read_bytes() == b"one"


@pytest.mark.parametrize("code", [errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS])
def test_a_file_system_that_cannot_sync_folders_is_tolerated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    real = os.fsync

    def fsync(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(code, os.strerror(code))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    write_atomically(tmp_path / "a.json", b"one")
    assert (tmp_path / "a.json").read_bytes() == b"one"


@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC, errno.EDQUOT])
def test_a_folder_that_fails_to_sync_is_no_success(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    real = os.fsync

    def fsync(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(code, os.strerror(code))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(OSError, match=os.strerror(code)):
        write_atomically(tmp_path / "a.json", b"one")


def test_a_young_file_of_another_machine_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its writer's lock may be invisible here: on some network file systems each machine has locks of its own."""
    with monkeypatch.context() as other:
        other.setattr(atomic, "_machine", lambda: "0123abcd")
        with atomic_file(tmp_path / "a.json") as file:
            (path,) = tmp_path.iterdir()
            file.write(b"one")
    path.write_bytes(b"one")  # unlocked, as seen from here
    remove_stale(tmp_path, {"a.json"})
    assert path.exists()
    hours_ago = path.stat().st_mtime - 7200
    os.utime(path, (hours_ago, hours_ago))
    remove_stale(tmp_path, {"a.json"})
    assert not path.exists()


def test_a_file_of_this_machine_goes_with_its_writer(tmp_path: Path) -> None:
    with atomic_file(tmp_path / "a.json"):
        (path,) = tmp_path.iterdir()
        remove_stale(tmp_path, {"a.json"})
        assert path.exists()
    path.write_bytes(b"one")
    remove_stale(tmp_path, {"a.json"})
    assert not path.exists()
