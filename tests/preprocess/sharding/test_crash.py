"""Whatever stops a build: nothing partial has a final name, and the next run ends with the same bytes."""

from __future__ import annotations

import errno
import fcntl
import io
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from builds import SCRIPT, run

from common.atomic import remove_stale
from common.errors import UserError
from preprocess.planning.plan import PlannedRecords
from preprocess.sharding.folder import index_name
from schemas import Plan, ShardIndex

Tree = Callable[[Path], dict[str, bytes]]
PlanOf = Callable[[Path], PlannedRecords]
Looks = Callable[[int], Path]


class Disk:
    """The operating system's calls on one folder, of which one, or all from one on, fail."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = str(folder)
        self.calls = 0
        self.fail: Callable[[int], bool] = lambda call: False
        self.code = errno.EIO
        for name in ("replace", "unlink", "mkdir", "open", "fsync"):
            monkeypatch.setattr(os, name, self._wrapped(getattr(os, name), always=name == "fsync"))
        monkeypatch.setattr(io, "open", self._opening(io.open))

    def step(self) -> None:
        self.calls += 1
        if self.fail(self.calls):
            raise OSError(self.code, os.strerror(self.code))

    def _ours(self, path: object) -> bool:
        return isinstance(path, str | os.PathLike) and str(path).startswith(self.folder)

    def _wrapped(self, call: Callable[..., Any], always: bool) -> Callable[..., Any]:
        def wrapper(path: Any, *args: Any, **kwargs: Any) -> Any:
            if always or self._ours(path):
                self.step()
            return call(path, *args, **kwargs)

        return wrapper

    def _opening(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def wrapper(path: Any, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
            if not self._ours(path) or "r" in mode:
                return call(path, mode, *args, **kwargs)
            self.step()
            return TornFile(self, call(path, mode, *args, **kwargs))

        return wrapper


class TornFile:
    """A file whose writes may fail half way."""

    def __init__(self, disk: Disk, file: Any) -> None:
        self._disk = disk
        self._file = file

    def write(self, data: bytes) -> int:
        try:
            self._disk.step()
        except OSError:
            self._file.write(data[: len(data) // 2])
            raise
        return int(self._file.write(data))

    def __enter__(self) -> TornFile:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def check_final_names(out: Path, whole: dict[str, bytes]) -> None:
    """Every file under a final name is whole; an index stands beside a whole tar only."""
    for path in out.iterdir():
        assert path.name.endswith(".tmp") or path.read_bytes() == whole[path.name], path.name
        if path.name.endswith(".index.json"):
            assert path.with_name(path.name.replace(".index.json", ".tar")).exists()


@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC], ids=["fault", "full"])
@pytest.mark.parametrize("once", [True, False], ids=["once", "from-then-on"])
def test_a_disk_that_fails_at_any_operation(
    once: bool, code: int, looks: Looks, plan_of: PlanOf, tree: Tree, tmp_path: Path, in_process: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    root = looks(3)
    next(root.rglob("Item-Image/1008003_F.jpg")).write_bytes(b"")
    planned = plan_of(root)
    run(root, tmp_path / "whole", planned)
    whole = tree(tmp_path / "whole")
    disk = Disk(tmp_path / "out", monkeypatch)
    disk.code = code
    run(root, tmp_path / "out-0", planned)
    operations = disk.calls
    assert operations > 50
    for number in range(1, operations + 1):
        out = tmp_path / f"out-{number}"
        disk.calls = 0
        disk.fail = (lambda call, n=number: call == n) if once else (lambda call, n=number: call >= n)  # type: ignore[misc]
        with pytest.raises(UserError, match=os.strerror(code)):
            run(root, out, planned)
        disk.fail = lambda call: False
        if out.exists():
            check_final_names(out, whole)
        run(root, out, planned)
        assert tree(out) == whole, f"after operation {number}"


@pytest.mark.parametrize(
    "code", [errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.ESTALE, errno.ENAMETOOLONG]
)
def test_whatever_a_file_system_refuses_is_one_line_and_the_build_resumes(
    code: int, looks: Looks, plan_of: PlanOf, tree: Tree, tmp_path: Path, in_process: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    root = looks(3)
    planned = plan_of(root)
    run(root, tmp_path / "whole", planned)
    disk = Disk(tmp_path / "out", monkeypatch)
    disk.code = code
    for first in (1, 4, 10, 20):
        disk.calls = 0
        disk.fail = lambda call, n=first: call >= n  # type: ignore[misc]
        with pytest.raises(UserError, match=rf"^--out \S+: {os.strerror(code)}") as caught:
            run(root, tmp_path / "out", planned)
        assert "\n" not in str(caught.value)
    disk.fail = lambda call: False
    run(root, tmp_path / "out", planned)
    assert tree(tmp_path / "out") == tree(tmp_path / "whole")


def test_a_retry_on_a_disk_that_fails_at_any_operation(
    looks: Looks, plan_of: PlanOf, tree: Tree, tmp_path: Path, in_process: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = looks(5)
    repaired = next(root.rglob("Item-Image/1008003_F.jpg"))
    good = repaired.read_bytes()
    repaired.write_bytes(b"")
    before = plan_of(root)
    repaired.write_bytes(good)
    after = plan_of(root)
    run(root, tmp_path / "whole", after)
    whole = tree(tmp_path / "whole")
    disk = Disk(tmp_path / "out", monkeypatch)
    number, finished = 0, False
    while not finished:
        number += 1
        out = tmp_path / f"out-{number}"
        disk.fail = lambda call: False
        repaired.write_bytes(b"")
        run(root, out, before)
        repaired.write_bytes(good)
        disk.calls, disk.fail = 0, lambda call, n=number: call == n  # type: ignore[misc]
        try:
            run(root, out, after, retry_rejects=True)
            finished = disk.calls < number
        except UserError:
            disk.fail = lambda call: False
            run(root, out, after, retry_rejects=True)
        assert tree(out) == whole, f"after operation {number}"
    assert number > 30


@pytest.fixture
def killed(looks: Looks, plan_of: PlanOf, tree: Tree, tmp_path: Path, in_process: None) -> Callable[[int], None]:
    """Kill a build so many times, each at a random moment between its first and last file, and go on to the end."""
    root = looks(8)
    planned = plan_of(root)
    run(root, tmp_path / "whole", planned)
    whole = tree(tmp_path / "whole")
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    command = [sys.executable, str(script), str(root)]
    configuration = planned.plan.configuration.model_dump_json()

    def start(out: Path) -> subprocess.Popen[bytes]:
        arguments = [str(out), configuration, "2", "0", "1"]
        process = subprocess.Popen([*command, *arguments], stdout=subprocess.PIPE, start_new_session=True)
        assert process.stdout is not None
        process.stdout.readline()  # the plan is written, and the first shard begins
        return process

    with start(tmp_path / "timed") as process:
        begun = time.monotonic()
        assert process.wait() == 0
        length = time.monotonic() - begun

    def kill(times: int) -> None:
        moments = random.Random(20)
        for number in range(times):
            out = tmp_path / f"killed-{number}"
            with start(out) as process:
                try:
                    process.wait(timeout=moments.uniform(0, length))
                except subprocess.TimeoutExpired:
                    (os.kill if number % 2 else os.killpg)(process.pid, signal.SIGKILL)
                    assert process.stdout is not None
                    process.stdout.read()  # ends with the last of its workers
            check_final_names(out, whole)
            run(root, out, planned)
            assert tree(out) == whole

    return kill


def test_a_build_killed_at_random_moments(killed: Callable[[int], None]) -> None:
    killed(6)


@pytest.mark.slow
def test_a_build_killed_at_many_random_moments(killed: Callable[[int], None]) -> None:
    killed(50)


def test_what_a_living_run_writes_is_left_alone(tmp_path: Path) -> None:
    dead, living, foreign = (tmp_path / f"{name}.tmp" for name in ("a.tar.0123", "a.tar.4567", "b.tar.89ab"))
    for path in (dead, living, foreign):
        path.write_bytes(b"half")
    with living.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        remove_stale(tmp_path, {"a.tar"})
    assert sorted(tmp_path.iterdir()) == sorted([living, foreign])
    remove_stale(tmp_path, {"a.tar"})
    assert list(tmp_path.iterdir()) == [foreign]


def test_an_index_without_its_tar_is_no_finished_shard(
    looks: Looks, plan_of: PlanOf, tree: Tree, tmp_path: Path, in_process: None
) -> None:
    root, out = looks(3), tmp_path / "out"
    planned = plan_of(root)
    run(root, out, planned)
    whole = tree(out)
    (out / planned.plan.shards[0].name).unlink()
    run(root, out, planned)
    assert tree(out) == whole
    index = ShardIndex.model_validate_json((out / index_name(planned.plan.shards[1].name)).read_bytes())
    assert index.fingerprint == Plan.model_validate_json((out / "plan.json").read_bytes()).fingerprint
