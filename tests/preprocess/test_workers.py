"""Workers know what this process knows; work divided among them comes back in order; a killed one is one line."""

import os
from pathlib import Path

import pytest

from common.errors import UserError
from common.storage import LocalStorage
from preprocess.sharding.pool import Job, worker_pool
from preprocess.sharding.shared_counts import RejectCounter
from preprocess.sources import Files
from preprocess.workers import ENVIRONMENT, in_processes, make_ready, prepare_environment, shared_memory_fault


def test_a_worker_has_the_environment_of_its_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_ready()
    job = Job(Files(tmp_path), LocalStorage(tmp_path), RejectCounter(None, 0, 0))
    for value in ("one", "other"):
        monkeypatch.setenv("TRYON_TOLD", value)
        with worker_pool(1, job) as pool:
            assert pool.submit(os.getenv, "TRYON_TOLD").result() == value
    monkeypatch.delenv("TRYON_TOLD")
    with worker_pool(1, job) as pool:
        assert pool.submit(os.getenv, "TRYON_TOLD").result() is None


def test_what_the_user_has_set_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ENVIRONMENT:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MALLOC_TOP_PAD_", "1")
    prepare_environment()
    assert {name: os.environ[name] for name in ENVIRONMENT} == {**ENVIRONMENT, "MALLOC_TOP_PAD_": "1"}


@pytest.fixture
def no_shared_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    fault = OSError(30, "Read-only file system")
    monkeypatch.setattr("preprocess.workers.shared_memory_fault", lambda: fault)
    monkeypatch.setattr("preprocess.sharding.shared_counts.shared_memory_fault", lambda: fault)


def test_without_shared_memory_one_worker_is_a_thread_and_more_are_refused(
    no_shared_memory: None, tmp_path: Path
) -> None:  # fmt: skip
    tally = RejectCounter(0.5, 100, 40)
    job = Job(Files(tmp_path), LocalStorage(tmp_path), tally)
    with worker_pool(1, job) as pool:
        assert pool.submit(os.getpid).result() == os.getpid()
    tally.count(1, 70)
    assert (tally.seen, tally.rejected, tally.stopped) == (171, 110, True)
    with (
        pytest.raises(UserError, match=r"shared memory \(/dev/shm\) .*: Read-only file system; .* --workers 1"),
        worker_pool(2, job),
    ):
        pass


def test_this_machine_can_share_memory() -> None:
    assert shared_memory_fault() is None


@pytest.mark.parametrize("workers", [1, 2])
def test_results_come_in_order(workers: int) -> None:
    assert list(in_processes(divmod, [(n, 3) for n in range(9)], workers)) == [divmod(n, 3) for n in range(9)]


def test_no_work_gives_nothing() -> None:
    assert list(in_processes(divmod, [], 1)) == []


def test_a_killed_worker_is_the_users_to_know() -> None:
    with pytest.raises(UserError, match="a worker was killed"):
        list(in_processes(os._exit, [(9,)] * 2, 2))
