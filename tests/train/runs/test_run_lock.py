"""Of two trainings in one run folder one is refused; what a dead one has left is taken over, by one alone."""

import errno
import fcntl
import json
import multiprocessing
import os
import subprocess
import sys
import time
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from common.errors import UserError
from train.runs import run_lock
from train.hardware.world import SINGLE_PROCESS
from train.runs.run_lock import LOCK, RunLock, hold_run, take


@dataclass
class Clock:
    """A clock that goes as it is waited for; ``then`` happens after each wait."""

    then: Callable[[float], None] = lambda now: None
    now: float = 0.0
    waits: list[float] = field(default_factory=list)

    def wait(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds
        self.then(self.now)

    def take(self, run: Path, stop: Callable[[], bool] = lambda: False) -> RunLock:
        return take(run, stop=stop, wait=self.wait, clock=lambda: self.now)


def contents(run: Path) -> dict[str, Any]:
    values: dict[str, Any] = json.loads((run / LOCK).read_text())
    return values


def rewrite(run: Path, **changes: object) -> None:
    """Make the lock another's."""
    (run / LOCK).write_text(json.dumps(contents(run) | changes))


@pytest.fixture
def left(tmp_path: Path) -> Path:
    """A run folder with a lock that a process left that was killed here: this one's, but for the start."""
    lock = Clock().take(tmp_path / "runs/base")
    os.close(lock._descriptor)
    rewrite(tmp_path / "runs/base", started=1, token="theirs")
    return tmp_path / "runs/base"


def test_a_run_folder_is_locked_by_one_process_at_a_time(tmp_path: Path) -> None:
    run = tmp_path / "runs/base"
    with hold_run(run, SINGLE_PROCESS) as lock:
        assert lock is not None
        lock.check()
        told = (
            rf"runs/base: another trainer fit is using this folder \(host \S+, process {os.getpid()}, since 20.*fit\.lock\)"
        )
        with pytest.raises(UserError, match=told), hold_run(run, SINGLE_PROCESS):
            pass
        assert (run / LOCK).exists()
    assert list(run.iterdir()) == []
    with hold_run(run, SINGLE_PROCESS):
        assert contents(run)["pid"] == os.getpid()


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_the_lock_is_released_on_an_error(tmp_path: Path, error: type[BaseException]) -> None:
    with pytest.raises(error), hold_run(tmp_path, SINGLE_PROCESS):
        raise error
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_created_is_a_user_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"--runs .*file/base: Not a directory .*give a folder"):
        take(tmp_path / "file/base")


def test_a_live_holder_is_named(tmp_path: Path) -> None:
    code = "import sys; from pathlib import Path; from train.runs.run_lock import take; take(Path(sys.argv[1])); input()"
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        while not (tmp_path / LOCK).exists():
            assert process.poll() is None
            time.sleep(0.02)
        clock = Clock()
        with pytest.raises(UserError, match=f"process {process.pid}, since"):
            clock.take(tmp_path)
        assert clock.waits == []
        process.kill()
        process.wait()
    clock.take(tmp_path).check()
    assert clock.waits == []


def test_a_dead_holder_on_this_machine_is_replaced_at_once(left: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    lock = clock.take(left)
    assert clock.waits == []
    lock.check()
    assert capsys.readouterr().err.count("\n") == 1
    assert os.listdir(left) == [LOCK]  # noqa: PTH208
    lock.release()
    assert list(left.iterdir()) == []


def test_a_reused_process_id_is_not_taken_for_the_holder(left: Path) -> None:
    rewrite(left, pid=1, started=-1)
    Clock().take(left).check()


def test_a_zombie_is_dead(left: Path) -> None:
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
    stat = Path(f"/proc/{child}/stat").read_text()
    rewrite(left, pid=child, started=int(stat.rpartition(")")[2].split()[19]))
    Clock().take(left).check()
    os.waitpid(child, 0)


def test_flock_decides_for_a_holder_in_another_container(tmp_path: Path) -> None:
    lock = Clock().take(tmp_path)
    data = (tmp_path / LOCK).read_bytes()
    other = data.replace(b'"pid:[', b'"pid:(')
    assert other != data
    os.pwrite(lock._descriptor, other, 0)
    clock = Clock()
    with pytest.raises(UserError, match="another trainer fit"):
        clock.take(tmp_path)
    os.close(lock._descriptor)
    clock.take(tmp_path).check()
    assert clock.waits == []


def test_a_remote_holder_silent_for_a_minute_is_replaced(
    left: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rewrite(left, host="other", boot="theirs")
    clock = Clock()
    lock = clock.take(left)
    assert sum(clock.waits) == 60
    lock.check()
    watching, taken = capsys.readouterr().err.splitlines()
    assert "held by host other, process" in watching
    assert "waiting 60 s to see" in watching
    assert "taken over from a run that ended" in taken


@pytest.mark.parametrize("at", [2.0, 58.0])
def test_a_live_remote_holder_is_named(left: Path, at: float) -> None:
    rewrite(left, host="other", boot="theirs")

    def refresh(now: float) -> None:
        if now == at:
            rewrite(left, beats="000000000007")

    clock = Clock(refresh)
    with pytest.raises(UserError, match="host other"):
        clock.take(left)
    assert clock.now == at


def test_the_lock_is_taken_when_a_remote_holder_ends(left: Path) -> None:
    rewrite(left, boot="theirs")
    clock = Clock(lambda now: (left / LOCK).unlink() if now == 10 else None)
    clock.take(left).check()
    assert clock.now == 10


def test_waiting_for_the_lock_can_be_interrupted(left: Path) -> None:
    rewrite(left, boot="theirs")
    with pytest.raises(UserError, match="stopped while waiting"):
        Clock().take(left, stop=lambda: True)


@pytest.mark.parametrize("data", [b"", b"\xff\x00", b"[]", b'{"host": 3}', b"null"])
def test_an_unreadable_lock_is_waited_for(tmp_path: Path, data: bytes) -> None:
    (tmp_path / LOCK).write_bytes(data)
    clock = Clock()
    clock.take(tmp_path).check()
    assert clock.now == 60


def test_the_holder_refreshes_its_lock_in_place(tmp_path: Path) -> None:
    lock = Clock().take(tmp_path)
    before = (tmp_path / LOCK).stat()
    for beats in range(1, 4):
        lock.beat()
        assert int(contents(tmp_path)["beats"]) == beats
    after = (tmp_path / LOCK).stat()
    assert (after.st_ino, after.st_size) == (before.st_ino, before.st_size)
    assert not lock.lost
    lock.release()


def test_the_thread_refreshes_until_release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_lock, "_BEAT", 0.001)
    enough = threading.Event()
    real = RunLock.beat

    def beat(lock: RunLock) -> None:
        real(lock)
        if int(contents(tmp_path)["beats"]) >= 3:
            enough.set()

    monkeypatch.setattr(RunLock, "beat", beat)
    with hold_run(tmp_path, SINGLE_PROCESS):
        assert enough.wait(30)
    assert "run lock" not in [thread.name for thread in threading.enumerate()]


@pytest.mark.parametrize("how", ["removed", "taken"])
def test_the_holder_notices_that_it_lost_its_lock(tmp_path: Path, how: str) -> None:
    lock = Clock().take(tmp_path)
    if how == "removed":
        (tmp_path / LOCK).unlink()
    else:
        rewrite(tmp_path, token="theirs", host="other")
    with pytest.raises(UserError, match=r"fit\.lock: this run's lock was (removed|taken over \(host other, process)"):
        lock.check()
    lock.beat()
    assert lock.lost
    lock.release()
    assert (tmp_path / LOCK).exists() == (how == "taken")


def test_a_restored_lock_is_not_lost(tmp_path: Path) -> None:
    clock = Clock()
    lock = clock.take(tmp_path)
    (tmp_path / LOCK).rename(tmp_path / "aside")
    clock.then = lambda now: (tmp_path / "aside").rename(tmp_path / LOCK)  # type: ignore[assignment]
    lock.check()
    assert clock.waits == [1.0]


def test_temporary_file_system_errors_do_not_lose_the_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = Clock().take(tmp_path)

    def refuse(*_: object) -> int:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", refuse)
        lock.beat()
    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", refuse)
        lock.beat()
        lock.check()
    assert not lock.lost


def test_locking_works_without_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    lock = Clock().take(tmp_path)
    assert os.listdir(tmp_path) == [LOCK]  # noqa: PTH208
    with pytest.raises(UserError, match="another trainer fit"):
        Clock().take(tmp_path)
    lock.release()
    Clock().take(tmp_path).check()


def test_a_late_contender_restores_the_lock_it_moved(left: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the folder cannot be locked: another newcomer takes over between this one's look and its rename."""
    winner: list[RunLock] = []
    real = Path.rename

    def rename(path: Path, target: Path) -> Path:
        if path.name == LOCK and not winner:
            monkeypatch.setattr(Path, "rename", real)
            path.unlink()
            winner.append(Clock().take(left))
        return real(path, target)

    monkeypatch.setattr(Path, "rename", rename)
    monkeypatch.setattr(fcntl, "flock", lambda *_: None)
    with pytest.raises(UserError, match="another trainer fit"):
        Clock().take(left)
    winner[0].check()
    winner[0].beat()
    assert not winner[0].lost


def contend(run: Path, go: Any, told: Any, end: Any) -> None:
    go.wait()
    try:
        take(run)
        told.put("held")
    except UserError:
        told.put("refused")
    end.wait()  # the holder lives until all have tried
    os._exit(0)


def test_one_of_many_contenders_takes_over(left: Path) -> None:
    context = multiprocessing.get_context("fork")
    for _ in range(3):
        rewrite(left, pid=os.getpid(), started=1, token="theirs")
        go, told, end = context.Event(), context.SimpleQueue(), context.Event()
        processes = [context.Process(target=contend, args=(left, go, told, end), daemon=True) for _ in range(6)]
        for process in processes:
            process.start()
        go.set()
        assert sorted(told.get() for _ in processes) == ["held", *["refused"] * 5]
        assert os.listdir(left) == [LOCK]  # noqa: PTH208
        end.set()
        for process in processes:
            process.join()
