"""What a machine offers to training, read once; the checks are functions of it."""

from __future__ import annotations

import os
import re
import resource
import shutil
from dataclasses import dataclass
from pathlib import Path

import torch

from train.hardware.machine import available_memory, processors

SHM = Path("/dev/shm")
_ROOT = Path("/")
_WSL_CUDA = "usr/lib/wsl/lib/libcuda.so.1"
"""Where Windows puts the library of NVIDIA's driver for its subsystem for Linux."""


@dataclass(frozen=True)
class Gpu:
    """A GPU that torch can use."""

    name: str
    total: int
    """Bytes of memory."""
    free: int
    capability: tuple[int, int]
    """Compute capability."""


@dataclass(frozen=True)
class MachineFacts:
    """The machine, its driver and this torch."""

    torch: str
    cuda: str | None
    """CUDA's version that torch was built for; None: for CPUs alone."""
    driver: str | None
    """Version of NVIDIA's kernel driver; None if it is not loaded."""
    has_device: bool
    """Whether a GPU's device file is visible to this process."""
    hidden: bool
    """Whether CUDA_VISIBLE_DEVICES hides all GPUs."""
    gpus: tuple[Gpu, ...]
    architectures: tuple[str, ...]
    """What this torch has kernels for, such as sm_90."""
    processors: int
    memory: int | None
    """Bytes that this process can still allocate; None if unknown."""
    shared_memory: int | None
    """Free bytes of /dev/shm; None if there is none."""
    open_files: int
    """Limit of open files."""

    @classmethod
    def here(cls, root: Path = _ROOT) -> MachineFacts:
        """Read those of this machine."""
        shm = root / SHM.relative_to("/")
        return cls(
            torch=torch.__version__,
            cuda=torch.version.cuda,
            driver=_driver(root),
            has_device=_has_device(root),
            hidden=os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1"),
            gpus=tuple(map(_gpu, range(torch.cuda.device_count()))) if torch.cuda.is_available() else (),
            architectures=tuple(torch.cuda.get_arch_list()) if torch.cuda.is_available() else (),
            processors=processors(root),
            memory=available_memory(root),
            shared_memory=shutil.disk_usage(shm).free if shm.is_dir() else None,
            open_files=resource.getrlimit(resource.RLIMIT_NOFILE)[0],
        )


def _has_device(root: Path) -> bool:
    """Return whether a card is there: of any number, since a container may be given the second; or WSL's.

    WSL has one device file for the cards of all makers, but CUDA's library for NVIDIA's alone.
    """
    in_wsl = (root / "dev/dxg").exists() and (root / _WSL_CUDA).exists()
    return in_wsl or any((root / "dev").glob("nvidia[0-9]*"))


def _driver(root: Path) -> str | None:
    try:
        text = (root / "proc/driver/nvidia/version").read_text()
    except OSError:
        return None
    found = re.search(r"Kernel Module[^\n]*?\s(\d+(?:\.\d+)+)", text)
    return found[1] if found else None


def _gpu(number: int) -> Gpu:
    properties = torch.cuda.get_device_properties(number)
    free, total = torch.cuda.mem_get_info(number)
    return Gpu(properties.name, total, free, torch.cuda.get_device_capability(number))
