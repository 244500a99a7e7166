"""Processors and memory, read from /proc and /sys files that the tests create in a temporary folder."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from train.configuration.stage_config import StageConfig
from train.hardware.machine import available_memory, decoding_threads, image_memory, processors
from train.runs.run_folder import RunFolder

GIB = 2**30
Machine = Callable[[dict[str, str]], Path]


@pytest.fixture
def files(tmp_path: Path) -> Machine:
    """(contents by path) → the root folder of a machine with these files, and 16 GiB available."""

    def write(contents: dict[str, str]) -> Path:
        meminfo = f"MemTotal: {32 * 2**20} kB\nMemFree: 5 kB\nMemAvailable: {16 * 2**20} kB\n"
        for name, text in {"proc/meminfo": meminfo, **contents}.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return tmp_path

    return write


@pytest.fixture(autouse=True)
def _sixteen_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LOCAL_WORLD_SIZE", raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(16)))


V2 = "0::/job/step\n"
V1 = "5:memory:/job\n3:cpu,cpuacct:/job\n1:name=systemd:/\n0::/\n"


def test_without_control_groups_the_kernels_estimate_is_used(files: Machine) -> None:
    assert available_memory(files({})) == 16 * GIB


def test_unknown_memory_gives_the_default(tmp_path: Path) -> None:
    assert available_memory(tmp_path) is None
    assert image_memory(None, tmp_path) == GIB
    assert processors(tmp_path) == 16


@pytest.mark.parametrize("group", ["job", "job/step", ""])
def test_every_parent_control_group_limits_the_process(files: Machine, group: str) -> None:
    here = f"sys/fs/cgroup/{group}"
    root = files(
        {
            "proc/self/cgroup": V2,
            "sys/fs/cgroup/job/step/memory.max": "max\n",
            "sys/fs/cgroup/job/step/memory.current": "100\n",
            f"{here}/memory.max": f"{8 * GIB}\n",
            f"{here}/memory.current": f"{5 * GIB}\n",
            f"{here}/memory.stat": f"anon {3 * GIB}\ninactive_file {2 * GIB}\nactive_file 7\n",
        }
    )
    assert available_memory(root) == 5 * GIB


def test_control_groups_of_version_1(files: Machine) -> None:
    root = files(
        {
            "proc/self/cgroup": V1,
            "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
            "sys/fs/cgroup/memory/memory.usage_in_bytes": f"{20 * GIB}\n",
            "sys/fs/cgroup/memory/job/memory.limit_in_bytes": f"{4 * GIB}\n",
            "sys/fs/cgroup/memory/job/memory.usage_in_bytes": f"{2 * GIB}\n",
            "sys/fs/cgroup/memory/job/memory.stat": f"inactive_file 5\ntotal_inactive_file {GIB}\n",
            "sys/fs/cgroup/cpu/job/cpu.cfs_quota_us": "350000\n",
            "sys/fs/cgroup/cpu/job/cpu.cfs_period_us": "100000\n",
        }
    )
    assert available_memory(root) == 3 * GIB
    assert processors(root) == 3


def test_a_container_with_its_group_as_root_is_limited_by_it(files: Machine) -> None:
    root = files(
        {
            "proc/self/cgroup": "0::/../../elsewhere\n",
            "sys/fs/cgroup/memory.max": f"{2 * GIB}\n",
            "sys/fs/cgroup/memory.current": f"{3 * GIB}\n",
            "sys/fs/cgroup/cpu.max": "50000 100000\n",
        }
    )
    assert available_memory(root) == 0
    assert processors(root) == 1


@pytest.mark.parametrize(("quota", "count"), [("max 100000", 16), ("800000 100000", 8), ("6400000 100000", 16)])
def test_a_quota_limits_the_processors(files: Machine, quota: str, count: int) -> None:
    root = files({"proc/self/cgroup": V2, "sys/fs/cgroup/job/cpu.max": f"{quota}\n"})
    assert processors(root) == count


def test_a_third_of_the_memory_is_for_images_split_over_the_processes(
    files: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    root = files({})
    assert image_memory(None, root) == 16 * GIB // 3
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "4")
    assert image_memory(None, root) == 16 * GIB // 12
    assert image_memory(5, root) == 5
    assert image_memory(0, root) == 0


def test_threads_are_as_configured_or_all_processors_with_a_gpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert decoding_threads(None, on_card=False, root=tmp_path) == 2
    assert decoding_threads(None, on_card=True, root=tmp_path) == 16
    assert decoding_threads(3, on_card=True, root=tmp_path) == 3
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "4")
    assert decoding_threads(None, on_card=True, root=tmp_path) == 4
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "16")
    assert decoding_threads(None, on_card=True, root=tmp_path) == 2


def test_this_machine_reports_its_processors_and_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    available = available_memory()
    assert available is None or available > 2**20
    assert 1 <= processors() <= 16


def test_a_run_resumes_on_a_machine_of_another_size(tmp_path: Path, tiny: Callable[..., StageConfig]) -> None:
    RunFolder(tmp_path / "base").claim_config(tiny("base"))
    RunFolder(tmp_path / "base").claim_config(tiny("base", "data.cache_memory=1000", "data.threads=7"))
