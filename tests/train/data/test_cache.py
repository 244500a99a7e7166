import os
from pathlib import Path

import pytest
from forked_programs import ForkedPrograms

from common.errors import UserError
from train.data.cache import SUFFIX, BlockCache


def held(folder: Path) -> dict[str, int]:
    return {path.name.removesuffix(SUFFIX): path.stat().st_size for path in folder.glob(f"*{SUFFIX}")}


def test_cached_blocks_are_found_and_no_others(tmp_path: Path) -> None:
    cache = BlockCache(tmp_path, 100)
    cache.put(f"a{SUFFIX}", b"x" * 40)
    assert cache.get(f"a{SUFFIX}", 40) == b"x" * 40
    assert cache.get(f"b{SUFFIX}", 40) is None
    assert BlockCache(tmp_path, 100).get(f"a{SUFFIX}", 40) == b"x" * 40


def test_a_block_of_another_size_is_not_returned(tmp_path: Path) -> None:
    cache = BlockCache(tmp_path, 100)
    (tmp_path / f"a{SUFFIX}").write_bytes(b"short")
    assert cache.get(f"a{SUFFIX}", 40) is None


def test_the_least_recently_used_block_is_evicted_first(tmp_path: Path) -> None:
    cache = BlockCache(tmp_path, 100)
    for number, name in enumerate("abc"):
        cache.put(name + SUFFIX, bytes(30))
        os.utime(tmp_path / (name + SUFFIX), ns=(number, number))
    assert cache.get(f"a{SUFFIX}", 30) is not None
    cache.put(f"d{SUFFIX}", bytes(30))
    assert held(tmp_path) == {"a": 30, "c": 30, "d": 30}
    cache.put(f"e{SUFFIX}", bytes(101))
    assert "e" not in held(tmp_path)


def test_foreign_files_are_neither_counted_nor_removed(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_bytes(bytes(500))
    (tmp_path / "letter.tmp").write_bytes(bytes(500))
    cache = BlockCache(tmp_path, 100)
    for name in "abcdef":
        cache.put(name + SUFFIX, bytes(30))
    assert 0 < len(held(tmp_path)) <= 3
    assert (tmp_path / "letter.txt").exists()
    assert (tmp_path / "letter.tmp").exists()


def test_opening_applies_a_smaller_limit_and_removes_leftover_files(tmp_path: Path) -> None:
    cache = BlockCache(tmp_path, 100)
    for name in "abc":
        cache.put(name + SUFFIX, bytes(30))
    (tmp_path / f"d{SUFFIX}.0123.tmp").write_bytes(bytes(30))
    BlockCache(tmp_path, 65)
    assert sum(held(tmp_path).values()) == 60
    assert not list(tmp_path.glob("*.tmp"))


SHARING = """
import multiprocessing, sys
from pathlib import Path
from train.data.cache import SUFFIX, BlockCache

def use(folder, step):
    cache = BlockCache(folder, 5000)
    for number in range(60):
        which = number * step % 37; name = f"{which}{SUFFIX}"
        assert cache.get(name, 300) in (None, bytes([which]) * 300)
        cache.put(name, bytes([which]) * 300)
        assert 300 * len(list(folder.glob(f"*{SUFFIX}"))) <= 5000

fork = multiprocessing.get_context("fork")
processes = [fork.Process(target=use, args=(Path(sys.argv[1]), step)) for step in (1, 5, 7)]
for process in processes: process.start()
for process in processes: process.join()
sys.exit(sum(process.exitcode != 0 for process in processes))
"""
"""Three processes that use one folder at the same time; the exit code says how many failed."""


def test_processes_share_a_folder_within_one_limit(tmp_path: Path, programs: ForkedPrograms) -> None:
    done = programs.run("-c", SHARING, tmp_path)
    assert done.returncode == 0, done.stderr
    assert 0 < sum(held(tmp_path).values()) <= 5000
    assert not list(tmp_path.glob("*.tmp"))


def test_an_unwritable_folder_is_a_user_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(UserError, match=r"set data\.cache to another folder"):
        BlockCache(tmp_path / "file" / "cache", 100)
