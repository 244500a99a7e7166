"""Checks of the machine alone: card, driver, kernels, compiler, shared memory."""

from __future__ import annotations

import re
from collections.abc import Iterator

from train.memory.automatic import why_not_compiled
from train.preflight.findings import Finding, fail, gib, ok, warn
from train.preflight.machine_facts import MachineFacts

_DRIVERS = {12: (525, 60), 13: (580, 65)}
"""Lowest driver for each major version of CUDA, by NVIDIA's table of minor version compatibility."""
_BUSY = 0.1
"""Share of a card that may be taken before a run begins."""
_SHM_OF_A_PROCESS = 1 << 28
"""Bytes of shared memory that NCCL may take for each process of a machine, with room to spare."""
_OPEN_FILES = 1024


def machine_findings(facts: MachineFacts) -> Iterator[Finding]:
    """Yield the findings about the machine."""
    yield from _cards(facts)
    if facts.gpus:
        yield _driver(facts)
        yield _kernels(facts)
        why = why_not_compiled()
        yield (
            warn("compile", f"torch.compile is off: {why}", "install it for faster steps") if why
            else ok("compile", "torch.compile can write kernels")
        )  # fmt: skip
    yield _shared_memory(facts)
    if facts.open_files < _OPEN_FILES:
        yield warn(
            "files", f"at most {facts.open_files} open files, and every shard is one", f"ulimit -n {_OPEN_FILES}"
        )


def _cards(facts: MachineFacts) -> Iterator[Finding]:
    if not facts.gpus:
        yield _no_card(facts)
    for gpu in facts.gpus:
        says = f"{gpu.name}, {gib(gpu.free)} of {gib(gpu.total)} free"
        busy = 1 - gpu.free / gpu.total > _BUSY
        yield warn("card", says, "end what else runs on it (nvidia-smi)") if busy else ok("card", says)


def _no_card(facts: MachineFacts) -> Finding:
    if facts.hidden or not (facts.driver or facts.has_device):
        why = "CUDA_VISIBLE_DEVICES hides all GPUs" if facts.hidden else "no GPU"
        return ok("card", f"{why}; {facts.processors} processors train, the default is the preset nano")
    if facts.cuda is None and not facts.has_device:
        return warn(
            "card", f"NVIDIA's driver {facts.driver} is loaded, but no GPU is visible here",
            "to use one, start the container with --gpus all, and install torch from PyPI; this one is for CPUs alone",
        )  # fmt: skip
    if facts.cuda is None:
        return fail(
            "card", f"there is a GPU, but torch {facts.torch} is built for CPUs alone",
            "pip install torch from PyPI, whose builds for Linux have CUDA",
        )  # fmt: skip
    if not facts.has_device:
        return fail(
            "card", f"NVIDIA's driver {facts.driver} is loaded, but no GPU is visible here",
            "start the container with --gpus all, or ask the job scheduler for a GPU",
        )  # fmt: skip
    return fail(
        "card", f"torch {facts.torch} for CUDA {facts.cuda} cannot use the GPU (driver {facts.driver or 'not loaded'})",
        "run nvidia-smi; update the driver, or install a torch for an older CUDA",
    )  # fmt: skip


def _driver(facts: MachineFacts) -> Finding:
    says = f"driver {facts.driver or 'unknown'}, torch {facts.torch} for CUDA {facts.cuda}"
    lowest = _DRIVERS.get(int((facts.cuda or "0").split(".")[0]))
    if lowest and facts.driver and _numbers(facts.driver) < lowest:
        least = ".".join(map(str, lowest))
        return fail("driver", f"{says}, which needs {least} or later", "update the driver, or install an older torch")
    return ok("driver", says)


def _kernels(facts: MachineFacts) -> Finding:
    """Check that torch has kernels for each card, or code that the driver can compile for it."""
    for gpu in facts.gpus:
        major, minor = gpu.capability
        if facts.architectures and not any(_runs(one, major, minor) for one in facts.architectures):
            return fail(
                "kernels", f"{gpu.name} is sm_{major}{minor}, torch has kernels for {', '.join(facts.architectures)}",
                "install a torch that supports this GPU",
            )  # fmt: skip
    return ok("kernels", ", ".join(sorted({"sm_{}{}".format(*gpu.capability) for gpu in facts.gpus})))


def _runs(architecture: str, major: int, minor: int) -> bool:
    """Return whether code for an architecture runs on a card: binaries within a major version, PTX on later ones."""
    found = re.fullmatch(r"(sm|compute)_(\d+)(\d)[af]?", architecture)
    if not found:
        return False
    built = int(found[2]), int(found[3])
    return built <= (major, minor) and (found[1] == "compute" or built[0] == major)


def _shared_memory(facts: MachineFacts) -> Finding:
    needed = _SHM_OF_A_PROCESS * len(facts.gpus)
    if len(facts.gpus) < 2:
        return ok("shm", "one process needs no /dev/shm; torchrun's processes exchange through it")
    if facts.shared_memory is None or facts.shared_memory < needed:
        free = "there is none" if facts.shared_memory is None else f"{gib(facts.shared_memory)} free"
        return fail(
            "shm", f"/dev/shm: {free}, and torchrun's {len(facts.gpus)} processes need {gib(needed)}",
            f"docker run --shm-size {max(1, needed >> 30)}g; in Kubernetes an emptyDir of medium Memory",
        )  # fmt: skip
    return ok("shm", f"/dev/shm: {gib(facts.shared_memory)} free")


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))
