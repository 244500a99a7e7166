"""Processors and memory available to this process, within the limits of a container or a job."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

_ROOT = Path("/")
_THREADS = 2
"""Decoding threads when the step runs on the CPU, and the minimum when it runs on a GPU."""
_SHARE = 3
"""One third of the memory is for decoded images; the rest is for the network and the kernel's page cache."""
_UNKNOWN = 1 << 30
"""Bytes of decoded images if the available memory is unknown."""


def decoding_threads(configured: int | None, *, on_card: bool, root: Path = _ROOT) -> int:
    """Return the number of decoding threads: as configured, else all processors if the step runs on a GPU."""
    if configured is not None:
        return configured
    return max(_THREADS, processors(root) // _local_processes()) if on_card else _THREADS


def image_memory(configured: int | None, root: Path = _ROOT) -> int:
    """Return the bytes of decoded images this process may cache: as configured, else a share of available memory."""
    if configured is not None:
        return configured
    available = available_memory(root)
    return _UNKNOWN if available is None else available // (_SHARE * _local_processes())


def processors(root: Path = _ROOT) -> int:
    """Return the number of processors this process may use, by its CPU affinity and its container's quota."""
    affinity = getattr(os, "sched_getaffinity", None)  # Linux only
    counts = [len(affinity(0)) if affinity else os.cpu_count() or 1]
    for group in _groups(root, "cpu"):
        quota, period, *_ = [*_words(group / "cpu.max"), "", ""]
        quota, period = quota or _word(group / "cpu.cfs_quota_us"), period or _word(group / "cpu.cfs_period_us")
        if quota.isdecimal() and period.isdecimal():  # "max", or -1: no quota
            counts.append(max(1, int(quota) // int(period)))
    return min(counts)


def available_memory(root: Path = _ROOT) -> int | None:
    """Return the bytes this process can still allocate, or None if unknown.

    This is the kernel's estimate (MemAvailable), limited by what the control groups of a container or a job still
    allow; their inactive page cache counts as free.
    """
    lines = (line.split() for line in _text(root / "proc/meminfo").splitlines())
    available = [1024 * int(words[1]) for words in lines if words[:1] == ["MemAvailable:"]]
    for group in _groups(root, "memory"):
        for limit, usage, freeable in (
            ("memory.max", "memory.current", "inactive_file"),
            ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
        ):
            maximum, used = _word(group / limit), _word(group / usage)
            if maximum.isdecimal() and used.isdecimal():
                stat = dict(line.split() for line in _text(group / "memory.stat").splitlines())
                available.append(max(0, int(maximum) - int(used) + int(stat.get(freeable, 0))))
    return min(available, default=None)


def _local_processes() -> int:
    """Return the number of processes of a run on this machine, as set by torchrun."""
    return max(1, int(os.environ.get("LOCAL_WORLD_SIZE", "1")))


def _groups(root: Path, controller: str) -> Iterator[Path]:
    """Yield the folders of this process's control groups (version 1 or 2), up to the root group.

    A container may see only some of them, or under another path; reading from a missing folder gives no values.
    """
    mounted = root / "sys/fs/cgroup"
    for line in _text(root / "proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        base = mounted / controller if controllers else mounted
        group = base / path.lstrip("/")
        yield group
        yield from (parent for parent in group.parents if parent.is_relative_to(base))


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


def _words(path: Path) -> list[str]:
    return _text(path).split()


def _word(path: Path) -> str:
    return "".join(_words(path)[:1])
