"""What a change of layout must leave alone: the bytes of shards, the losses of training, the bits of a sampled image.

The programs are run as users run them, so that no module's name matters here. `python tests/test_pins.py` writes the
figures anew after a change that is meant; the reason belongs in CHANGELOG.md.
"""

from __future__ import annotations

import hashlib
import json
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from forked_programs import ForkedPrograms
from PIL import Image

PINS = Path(__file__).with_name("pins.json")
STAGES = ("base", "sr256", "sr1024")
_ALONE = {"base": [], "sr256": ["--set", "diffusion.own_low_res=0", "--set", "grow=false"], "sr1024": []}
"""Settings with which a stage is trained without the one before it."""
_QUICK = ["--set", "data.batch=2", "--set", "validation.every=0", "--set", "data.threads=1"]


def this_machine() -> dict[str, str]:
    """What floating-point numbers depend on to the last bit: the processor, and the packages that compute."""
    cpuinfo = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").is_file() else ""
    lines = dict(line.split(":", 1) for line in cpuinfo.splitlines() if ":" in line)
    keys = {key.strip(): value.strip() for key, value in lines.items()}
    processor = " ".join(keys.get(name, "?") for name in ("vendor_id", "cpu family", "model"))
    packages = {name: version(name) for name in ("numpy", "opencv-python-headless", "pillow", "torch")}
    return {"processor": f"{platform.machine()} {processor}", **packages}


def run(programs: ForkedPrograms, *words: str | Path) -> None:
    """Run `python -m WORDS` on one thread."""
    done = programs.run(*words)
    assert done.returncode == 0, done.stderr


def drawn_shards(programs: ForkedPrograms, folder: Path) -> Path:
    """Draw six looks and build their shards."""
    run(programs, "preprocess", "sample-data", "--out", folder / "aihub", "--looks", "6", "--seed", "3")
    run(programs, "preprocess", "build-shards", "--src", folder / "aihub", "--out", folder / "shards", "--workers", "1")
    return folder / "shards"


def hashes(shards: Path) -> dict[str, str]:
    """Return the SHA-256 of every tar and of its index."""
    files = sorted([*shards.glob("*.tar"), *shards.glob("*.index.json")])
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def losses(programs: ForkedPrograms, shards: Path, runs: Path, stage: str) -> list[float]:
    """Return the losses of ten steps of one stage of the nano preset."""
    run(
        programs,
        "train",
        "fit",
        "--shards",
        shards,
        "--runs",
        runs,
        "--stage",
        stage,
        "--steps",
        "10",
        *_QUICK,
        *_ALONE[stage],
    )
    lines = (runs / stage / "metrics.jsonl").read_text().splitlines()
    return [json.loads(line)["loss"] for line in lines]


def sampled(programs: ForkedPrograms, shards: Path, folder: Path) -> dict[str, Any]:
    """Return a sampled image of a cascade that was trained for one step: its hash, and its means in 8 × 8 fields."""
    noise = ["--set", "sampling.low_res_noise=0.02"]  # nano has none, but this path is pinned too
    run(programs, "train", "fit", "--shards", shards, "--runs", folder / "runs", "--steps", "1", *_QUICK, *noise)
    first, *_, last = keys_of(shards)
    pair = ["--split", "train", "--person", first, "--garment", last, "--steps", "2"]
    run(programs, "train", "sample", "--runs", folder / "runs", "--shards", shards, "--out", folder / "samples", *pair)
    (file,) = (folder / "samples").glob("*__*.png")
    pixels = np.asarray(Image.open(file).convert("RGB"))
    fields = pixels.reshape(8, pixels.shape[0] // 8, 8, pixels.shape[1] // 8, 3).mean(axis=(1, 3, 4))
    return {"sha256": hashlib.sha256(pixels.tobytes()).hexdigest(), "means": np.round(fields, 3).ravel().tolist()}


def keys_of(shards: Path) -> list[str]:
    """Return the keys of the training samples."""
    index = json.loads((shards / "train-000000.index.json").read_text())
    return [sample["key"] for sample in index["samples"]]


@pytest.fixture(scope="session")
def pins() -> dict[str, Any]:
    """What was measured before."""
    found: dict[str, Any] = json.loads(PINS.read_text())
    return found


@pytest.fixture(scope="session")
def to_the_bit(pins: dict[str, Any]) -> bool:
    """Whether this machine computes as the one that was measured did; on others the figures differ a little."""
    same: bool = this_machine() == pins["machine"]
    return same


@pytest.fixture(scope="module")
def shards(programs: ForkedPrograms, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return drawn_shards(programs, tmp_path_factory.mktemp("pinned"))


def test_shards_are_the_same_bytes(pins: dict[str, Any], to_the_bit: bool, shards: Path) -> None:
    if not to_the_bit:
        pytest.skip("drawn and encoded by another processor or other packages than the pinned bytes")
    assert hashes(shards) == pins["shards"]


@pytest.mark.parametrize("stage", STAGES)
def test_ten_steps_lose_the_same(
    stage: str, programs: ForkedPrograms, pins: dict[str, Any], to_the_bit: bool, shards: Path, tmp_path: Path
) -> None:
    found, wanted = losses(programs, shards, tmp_path, stage), pins["losses"][stage]
    if to_the_bit:
        assert found == wanted
    else:  # rounding differs from the first step on, and each step adds to it
        assert found[:3] == pytest.approx(wanted[:3], rel=1e-3)
        assert found == pytest.approx(wanted, rel=2e-2)


def test_a_sampled_image_is_the_same(
    programs: ForkedPrograms, pins: dict[str, Any], to_the_bit: bool, shards: Path, tmp_path: Path
) -> None:
    found, wanted = sampled(programs, shards, tmp_path), pins["sampled"]
    assert found["means"] == pytest.approx(wanted["means"], abs=0.001 if to_the_bit else 4)
    if to_the_bit:
        assert found["sha256"] == wanted["sha256"]


def write(folder: Path) -> None:
    """Measure all of it, and write it to pins.json."""
    programs = ForkedPrograms()
    shards = drawn_shards(programs, folder)
    measured = {
        "machine": this_machine(),
        "shards": hashes(shards),
        "losses": {stage: losses(programs, shards, folder / "runs", stage) for stage in STAGES},
        "sampled": sampled(programs, shards, folder / "sampled"),
    }
    programs.close()
    PINS.write_text(json.dumps(measured, indent=1) + "\n")


if __name__ == "__main__":
    import tempfile

    with tempfile.TemporaryDirectory() as temporary:
        write(Path(temporary))
