"""What this process may use of its machine: processors and memory, within the limits of a container or a job."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

_ROOT = Path("/")
_THREADS = 2
"""Decoding threads where the processors compute the step themselves, and the least on a card."""
_SHARE = 3
"""A third of the memory goes to decoded images: the rest is for the network, and for the files the kernel keeps."""
_UNKNOWN = 1 << 30
"""Bytes of decoded images where the system does not tell its memory."""


def decoding_threads(wanted: int | None, *, on_card: bool, root: Path = _ROOT) -> int:
    """Return how many threads decode: as set, else all processors of this process where a card computes the step."""
    if wanted is not None:
        return wanted
    return max(_THREADS, processors(root) // _local_processes()) if on_card else _THREADS


def image_memory(wanted: int | None, root: Path = _ROOT) -> int:
    """Return how many bytes of decoded images this process may keep: as set, else a share of what is available now."""
    if wanted is not None:
        return wanted
    available = available_memory(root)
    return _UNKNOWN if available is None else available // (_SHARE * _local_processes())


def processors(root: Path = _ROOT) -> int:
    """Return how many processors this process may keep busy: by its affinity and by its container's quota."""
    affinity = getattr(os, "sched_getaffinity", None)  # Linux alone has it
    counts = [len(affinity(0)) if affinity else os.cpu_count() or 1]
    for group in _groups(root, "cpu"):
        quota, period, *_ = [*_words(group / "cpu.max"), "", ""]
        quota, period = quota or _word(group / "cpu.cfs_quota_us"), period or _word(group / "cpu.cfs_period_us")
        if quota.isdecimal() and period.isdecimal():  # "max", or -1: no quota
            counts.append(max(1, int(quota) // int(period)))
    return min(counts)


def available_memory(root: Path = _ROOT) -> int | None:
    """Return how many bytes this process could still take, or None where the system does not tell.

    What the kernel has free or would free, but no more than the control groups of a container or a job still allow;
    files that they hold in memory and that were not used lately do not count against them.
    """
    lines = (line.split() for line in _text(root / "proc/meminfo").splitlines())
    found = [1024 * int(words[1]) for words in lines if words[:1] == ["MemAvailable:"]]
    for group in _groups(root, "memory"):
        for limit, usage, freeable in (
            ("memory.max", "memory.current", "inactive_file"),
            ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
        ):
            most, used = _word(group / limit), _word(group / usage)
            if most.isdecimal() and used.isdecimal():
                stat = dict(line.split() for line in _text(group / "memory.stat").splitlines())
                found.append(max(0, int(most) - int(used) + int(stat.get(freeable, 0))))
    return min(found, default=None)


def _local_processes() -> int:
    """Return how many processes of a run share this machine, as torchrun says."""
    return max(1, int(os.environ.get("LOCAL_WORLD_SIZE", "1")))


def _groups(root: Path, controller: str) -> Iterator[Path]:
    """Yield the folders of the control groups that this process is in, of either version, up to the root group.

    A container may see only a part of them, at another place: folders that are not there hold no files.
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
