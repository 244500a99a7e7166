"""The GPU, versions and code that a figure belongs to."""

from __future__ import annotations

import hashlib
import platform
import shutil
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

ROOT = Path(__file__).parents[2]
MEASURED = ("train", "schemas", "preprocess", "benchmarks/card", "tests/card")
"""The code that figures depend on; a commit that changes only documents does not invalidate them."""


def describe(device: torch.device) -> dict[str, str]:
    """Return names and versions, as they are shown in docs/measurements/card.md."""
    facts = {
        "card": "none",
        "commit": commit(),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "triton": _version("triton"),
    }
    if device.type == "cuda":
        properties = torch.cuda.get_device_properties(device)
        facts |= {
            "card": properties.name,
            "memory": f"{properties.total_memory / 2**30:.1f} GiB",
            "capability": f"{properties.major}.{properties.minor}",
            "driver": _driver(),
            "cuda": str(torch.version.cuda),
            "cudnn": str(torch.backends.cudnn.version()),  # type: ignore[no-untyped-call]
        }
    return facts


def commit(root: Path = ROOT) -> str:
    """Return the last commit that changed the measured code, with a digest of what differs from it.

    Where there is no git, a digest of the files themselves.
    """
    try:
        last = _git(root, "log", "-1", "--format=%h", "--abbrev=10", "--", *MEASURED)
        changes = _git(root, "diff", "HEAD", "--", *MEASURED)
        added = _git(root, "ls-files", "--others", "--exclude-standard", "--", *MEASURED)
    except (OSError, subprocess.CalledProcessError):
        last, changes, added = "", "", ""
    if not last:
        return f"files {_digest(root, sorted(_sources(root)))}"
    if not changes and not added:
        return last
    names = added.splitlines()
    return f"{last} with changes {hashlib.sha256((changes + _digest(root, names)).encode()).hexdigest()[:10]}"


def _git(root: Path, *words: str) -> str:
    done = subprocess.run(["git", "-C", str(root), *words], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def _sources(root: Path) -> list[str]:
    return [str(path.relative_to(root)) for folder in MEASURED for path in (root / folder).rglob("*.py")]


def _digest(root: Path, names: list[str]) -> str:
    digest = hashlib.sha256()
    for name in names:
        digest.update(name.encode())
        digest.update((root / name).read_bytes())
    return digest.hexdigest()[:10]


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "none"


def _driver() -> str:
    program = shutil.which("nvidia-smi")
    if program is None:
        return "unknown"
    command = [program, "--query-gpu=driver_version", "--format=csv,noheader"]
    lines = subprocess.run(command, check=False, capture_output=True, text=True).stdout.splitlines()
    return lines[0].strip() if lines else "unknown"
