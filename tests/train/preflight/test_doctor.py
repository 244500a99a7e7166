"""`trainer doctor`: sound shards and settings pass, and each thing that ends a run is found before it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from in_process import Ended, run_here

from train.cli import main
from train.configuration.stage_config import StageConfig
from train.data import ShardFolder
from train.preflight.checkpoint_sizes import checkpoint_bytes
from train.preflight.findings import Finding
from train.preflight.runs_checks import disk_findings, run_findings, write_finding, write_speed
from train.preflight.shard_checks import _spread, checksum_finding, shard_findings
from train.preflight.step_checks import processor_flops, step_findings
from train.runs.run_lock import take

TinyConfig = Callable[..., StageConfig]
Settings = dict[str, list[str]]
CPU = torch.device("cpu")


def doctor(shards: Path, cwd: Path, settings: Settings, *more: str, stage: str = "base") -> Ended:
    sets = [part for setting in settings[stage] for part in ("--set", setting)]
    words = ("doctor", "--shards", str(shards), "--stage", stage, "--preset", "nano", "--json", *sets, *more)
    return run_here(main, *words, cwd=cwd)


def levels(ended: Ended) -> dict[str, list[str]]:
    levels: dict[str, list[str]] = {}
    for check in json.loads(ended.stdout)["checks"]:
        levels.setdefault(check["level"], []).append(check["check"])
    return levels


@pytest.mark.parametrize("stage", ["base", "sr1024"])
def test_a_sound_run_passes_and_nothing_is_written(
    shards: Path, tmp_path: Path, tiny_settings: Settings, stage: str
) -> None:
    done = doctor(shards, tmp_path, tiny_settings, stage=stage)
    assert done.returncode == 0, done.stdout
    found = levels(done)
    assert "FAIL" not in found
    assert {"card", "settings", "shards", "samples", "checksums", "run", "disk", "memory", "steps", "write"} <= {
        *found["ok"], *found.get("warn", [])
    }  # fmt: skip
    assert list(tmp_path.iterdir()) == []


def copied(shards: Path, folder: Path) -> Path:
    shutil.copytree(shards, folder)
    return folder


def test_a_changed_shard_is_found(shards: Path, tmp_path: Path, tiny_settings: Settings) -> None:
    there = copied(shards, tmp_path / "shards")
    shard = min(there.glob("train-*.tar"))
    data = bytearray(shard.read_bytes())
    data[600] ^= 1
    shard.write_bytes(data)
    done = doctor(there, tmp_path, tiny_settings)
    assert done.returncode == 1
    assert "checksums" in levels(done)["FAIL"]


def test_what_fit_refuses_is_found(shards: Path, tmp_path: Path, tiny_settings: Settings) -> None:
    there = copied(shards, tmp_path / "shards")
    for path in there.glob("val-*"):
        path.unlink()
    manifest = json.loads((there / "manifest.json").read_text())
    manifest["shards"] = [shard for shard in manifest["shards"] if shard["split"] == "train"]
    (there / "manifest.json").write_text(json.dumps(manifest))
    done = doctor(there, tmp_path, tiny_settings)
    (said,) = [check for check in json.loads(done.stdout)["checks"] if check["level"] == "FAIL"]
    assert said["fix"] == "build more shards, or --set validation.every=0"
    assert doctor(tmp_path / "nowhere", tmp_path, tiny_settings).returncode == 1
    done = doctor(shards, tmp_path, tiny_settings, "--set", "diffusion.drop=0", "--set", "sampling.guidance=3")
    assert (done.returncode, levels(done)["FAIL"]) == (1, ["settings"])


def test_a_diverging_run_is_found(shards: Path, tmp_path: Path, tiny_settings: Settings) -> None:
    done = doctor(shards, tmp_path, tiny_settings, "--set", "optim.lr=1e30")
    assert (done.returncode, levels(done)["FAIL"]) == (1, ["steps"])


def test_shards_with_too_small_images_are_found(shards: Path, tiny: TinyConfig) -> None:
    data = ShardFolder(shards, "train")
    small = data.manifest.configuration.model_copy(update={"target_size": 32})
    data.manifest = data.manifest.model_copy(update={"configuration": small})
    (found,) = (finding for finding in shard_findings(data, [tiny("base")]) if finding.level == "FAIL")
    assert (found.check, "have 32 px a side" in found.says, "--target-size 64" in str(found.fix)) == (
        "shards", True, True,
    )  # fmt: skip


def test_people_who_cannot_be_swapped_are_a_warning(shards: Path, tiny: TinyConfig) -> None:
    class One(ShardFolder):
        def __len__(self) -> int:
            return 1

    def of(data: ShardFolder, stage: str) -> dict[str, Finding]:
        config = tiny(stage, "validation.sheet_every=1")
        return {finding.check: finding for finding in shard_findings(data, [config])}

    found = of(One(shards, "val"), "base")
    assert found["sheets"].level == "warn"
    assert "shown in their own garments" in found["sheets"].says
    assert "sheets" not in of(ShardFolder(shards, "val"), "base")
    assert "sheets" not in of(One(shards, "val"), "sr256")


def one(findings: Iterator[Finding]) -> Finding:
    (finding,) = findings
    return finding


def test_runs_that_cannot_resume_are_found(shards: Path, trained: Path, tmp_path: Path, tiny: TinyConfig) -> None:
    data = ShardFolder(shards, "train")
    shutil.copytree(trained / "base", tmp_path / "base")
    resumed = one(run_findings(tmp_path, [tiny("base")], data))
    assert (resumed.level, "resumes after step-00000002" in resumed.says) == ("ok", True)
    other = one(run_findings(tmp_path, [tiny("base", "optim.lr=1")], data))
    assert (other.level, "different settings" in other.says) == ("FAIL", True)
    lock = take(tmp_path / "base")
    try:
        assert "another trainer fit" in one(run_findings(tmp_path, [tiny("base")], data)).says
    finally:
        lock.release()
    second = tiny("sr256", "grow=true", "diffusion.own_low_res=1")
    assert one(run_findings(tmp_path, [second], data)).level == "ok"
    assert "train base first" in str(one(run_findings(tmp_path / "empty", [second], data)).fix)


def test_a_small_and_a_slow_disk_are_found(
    trained: Path, tmp_path: Path, tiny: TinyConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tiny("base", "checkpoint.every=2")
    folder = trained / "base/checkpoints/step-00000002"
    stored = sum(path.stat().st_size for path in folder.glob("*.safetensors"))
    assert checkpoint_bytes(config) == pytest.approx(stored, rel=0.25)  # headers and counters are small here alone
    assert one(disk_findings(tmp_path / "runs", [config])).level == "ok"
    assert write_speed(tmp_path, 1 << 20) > 0
    assert list(tmp_path.iterdir()) == []

    class Usage:
        free = 1000

    monkeypatch.setattr("train.preflight.runs_checks.shutil.disk_usage", lambda _path: Usage)
    full = one(disk_findings(tmp_path, [config]))
    assert (full.level, full.fix) == ("FAIL", "free some, or give another --runs")  # one checkpoint is too much already
    Usage.free = 5 * checkpoint_bytes(config)
    many = config.model_copy(update={"checkpoint": config.checkpoint.model_copy(update={"keep": 9})})
    assert str(one(disk_findings(tmp_path, [many])).fix).endswith("or --set checkpoint.keep=1")
    monkeypatch.setattr("train.preflight.runs_checks.write_speed", lambda *_: 1e3)
    slow = write_finding(tmp_path, config, 0.001)
    assert (slow.level, "checkpoint.every" in str(slow.fix)) == ("warn", True)


def test_too_little_memory_names_a_micro_batch_that_fits(shards: Path, tiny: TinyConfig) -> None:
    config, data = tiny("base", "data.batch=64", "preset=nano"), ShardFolder(shards, "train")

    def run(memory: int) -> Finding:
        return step_findings(config, data, CPU, memory, 0.2, lambda *_: None).findings[0]

    assert run(1 << 33).level == "ok"
    some = run(20 << 20)
    assert (some.level, some.check) == ("FAIL", "memory")
    assert str(some.fix).startswith("--set memory.micro_batch=")
    assert run(1 << 16).fix is not None


def test_steps_that_would_take_minutes_are_not_tried(
    shards: Path, tiny: TinyConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert processor_flops() > 1e8
    monkeypatch.setattr("train.preflight.step_checks.processor_flops", lambda: 1e3)
    stepped = step_findings(tiny("base"), ShardFolder(shards, "train"), CPU, 1 << 33, 10.0, lambda *_: None)
    (finding,) = stepped.findings
    assert (finding.level, finding.check, stepped.step_seconds) == ("warn", "steps", None)


def test_checksums_are_compared_as_far_as_time_allows(shards: Path) -> None:
    data = ShardFolder(shards, "train")
    numbers: Any = list(range(11))
    places: list[Any] = list(_spread(numbers))
    assert (sorted(places), places[:2]) == (numbers, [0, 8])
    partly = checksum_finding(data, -1.0)
    assert partly.says.startswith("1 of ")
