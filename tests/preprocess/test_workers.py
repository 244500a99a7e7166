"""Workers know what this process knows; work divided among them comes back in order; a killed one is one line."""

import os
from pathlib import Path

import pytest

from common.errors import UserError
from common.storage import LocalStorage
from preprocess.sharding.pool import Job, worker_pool
from preprocess.sharding.shared_counts import RejectCounter
from preprocess.sources import Files
from preprocess.workers import (
    ENVIRONMENT,
    _say_once,
    in_processes,
    make_ready,
    prepare_environment,
    shared_memory_fault,
)


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


@pytest.mark.parametrize("workers", [1, 2])
def test_without_shared_memory_threads_do_the_work(
    no_shared_memory: None, tmp_path: Path, workers: int, capsys: pytest.CaptureFixture[str]
) -> None:
    _say_once.cache_clear()
    tally = RejectCounter(0.5, 100, 40)
    job = Job(Files(tmp_path), LocalStorage(tmp_path), tally)
    for _ in range(2):
        with worker_pool(workers, job) as pool:
            assert {pool.submit(os.getpid).result() for _ in range(4)} == {os.getpid()}
    tally.count(1, 70)
    assert (tally.seen, tally.rejected, tally.stopped) == (171, 110, True)
    said = "prep: processes cannot share memory here (Read-only file system); threads of this one do the work, which"
    assert capsys.readouterr().err == f"{said} is slower\n"
    assert list(in_processes(divmod, [(n, 3) for n in range(9)], workers)) == [divmod(n, 3) for n in range(9)]


@pytest.mark.parametrize(
    "fault",
    [
        OSError(30, "Read-only file system"), OSError(28, "No space left on device"), OSError(13, "Permission denied"),
        FileNotFoundError(2, "No such file or directory"), OSError(38, "Function not implemented"),
        ImportError("This platform lacks a functioning sem_open implementation"),
    ],
)  # fmt: skip
def test_whatever_keeps_processes_from_sharing_is_found(fault: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_args: object, **_kwargs: object) -> None:
        raise fault

    monkeypatch.setattr("multiprocessing.context.BaseContext.Array", refused)
    assert shared_memory_fault() is fault


def test_an_interrupted_run_abandons_the_shards_of_its_threads(no_shared_memory: None, tmp_path: Path) -> None:
    tally = RejectCounter(None, 0, 0)
    with (
        pytest.raises(KeyboardInterrupt),
        worker_pool(2, Job(Files(tmp_path), LocalStorage(tmp_path), tally)),
    ):
        raise KeyboardInterrupt
    assert tally.stopped


def test_a_process_that_cannot_start_is_the_users_to_know(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_args: object) -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr("concurrent.futures.process.ProcessPoolExecutor._spawn_process", refused)
    with pytest.raises(UserError, match=r"cannot be started: Resource temporarily unavailable; .* fewer --workers"):
        list(in_processes(divmod, [(n, 3) for n in range(9)], 2))


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
