"""The command line as a person meets it: training, an interruption by force, sampling, mistakes."""

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from forked_programs import ForkedPrograms
from in_process import Ended, run_here
from PIL import Image
from running_fits import wait_for_steps
from safetensors.numpy import load_file

from train.cli import main
from train.configuration.stage_config import STAGES, StageConfig
from train.models import count_parameters

Settings = dict[str, list[str]]
TinyConfig = Callable[..., StageConfig]


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "train", *arguments]


def trainer(*arguments: str, cwd: Path) -> Ended:
    """Run the command line in this process; what a process alone can show is run by `command`."""
    return run_here(main, *arguments, cwd=cwd)


def fit(shards: Path, runs: str, stage: str, settings: Settings, *more: str) -> list[str]:
    sets = [part for setting in settings[stage] for part in ("--set", setting)]
    return ["fit", "--shards", str(shards), "--runs", runs, "--stage", stage, "--preset", "nano", *sets, *more]


def weights(run: Path) -> dict[str, dict[str, np.ndarray[tuple[int, ...], np.dtype[np.float32]]]]:
    (last,) = sorted((run / "checkpoints").iterdir())[-1:]
    return {name: load_file(last / f"{name}.safetensors") for name in ("model", "ema", "optimizer")}


def numbers(run: Path) -> list[tuple[object, ...]]:
    """Return step, loss and validation loss of every line of the metrics."""
    lines = map(json.loads, (run / "metrics.jsonl").read_text().splitlines())
    return [(line["step"], line.get("loss"), line.get("validation"), line.get("validation_by_t")) for line in lines]


def size(path: Path) -> tuple[int, int]:
    with Image.open(path) as picture:
        return picture.size


def pixels(path: Path) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    with Image.open(path) as picture:
        return np.array(picture)


@pytest.mark.slow
@pytest.mark.parametrize("stage", STAGES)
def test_a_killed_run_resumes_bit_for_bit(
    shards: Path, tmp_path: Path, tiny_settings: Settings, stage: str
) -> None:  # fmt: skip
    more = ("--steps", "20", "--set", "checkpoint.every=3", "--set", "validation.every=4")
    assert trainer(*fit(shards, "whole", stage, tiny_settings, *more), cwd=tmp_path).returncode == 0
    arguments = command(*fit(shards, "killed", stage, tiny_settings, *more))
    with subprocess.Popen(arguments, cwd=tmp_path, text=True, stderr=subprocess.DEVNULL) as process:
        wait_for_steps(tmp_path / "killed" / stage, 7, process)
        process.kill()
    done = trainer(*fit(shards, "killed", stage, tiny_settings, *more), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    whole, killed = weights(tmp_path / "whole" / stage), weights(tmp_path / "killed" / stage)
    for which, tensors in whole.items():
        for name, tensor in tensors.items():
            assert np.array_equal(tensor, killed[which][name]), f"{which} {name}"
    assert numbers(tmp_path / "whole" / stage) == numbers(tmp_path / "killed" / stage)


@pytest.mark.parametrize("number", [pytest.param(signal.SIGINT, marks=pytest.mark.slow), signal.SIGTERM])
def test_a_signal_stops_the_run_at_a_checkpoint(
    shards: Path, tmp_path: Path, tiny_settings: Settings, number: signal.Signals
) -> None:  # fmt: skip
    arguments = command(*fit(shards, "runs", "base", tiny_settings, "--steps", "100000"))
    with subprocess.Popen(arguments, cwd=tmp_path, text=True, stderr=subprocess.PIPE) as process:
        wait_for_steps(tmp_path / "runs/base", 3, process)
        process.send_signal(number)
        _, told = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "run the same command again to resume" in told
    (checkpoint,) = (tmp_path / "runs/base/checkpoints").iterdir()
    state = json.loads((checkpoint / "state.json").read_text())
    steps = [json.loads(line)["step"] for line in (tmp_path / "runs/base/metrics.jsonl").read_text().splitlines()]
    assert state["step"] == steps[-1] == len(steps)


LONG = {
    "validation": ["validation.every=1", "validation.samples=3000"],
    "sheet": ["validation.sheet_every=1", "sampling.steps=100000"],
}


@pytest.mark.slow
@pytest.mark.parametrize(("what", "number"), [("validation", signal.SIGINT), ("sheet", signal.SIGTERM)])
def test_a_signal_interrupts_validation_which_is_repeated_on_resume(
    shards: Path, tmp_path: Path, tiny_settings: Settings, what: str, number: signal.Signals
) -> None:
    sets = [part for setting in LONG[what] for part in ("--set", setting)]
    arguments = command(*fit(shards, "runs", "base", tiny_settings, "--steps", "9", *sets))
    run = tmp_path / "runs/base"
    with subprocess.Popen(arguments, cwd=tmp_path, text=True, stderr=subprocess.PIPE) as process:
        wait_for_steps(run, 1, process)
        process.send_signal(number)
        process.communicate(timeout=60)
    assert process.returncode == 130
    assert [path.name for path in (run / "checkpoints").iterdir()] == ["step-00000001"]
    assert [step for step, *_ in numbers(run)] == [1]
    assert not (run / "sheets").exists()
    short = ("--steps", "1", "--set", "validation.samples=3", "--set", "sampling.steps=2")
    done = trainer(*fit(shards, "runs", "base", tiny_settings, *sets, *short), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    if what == "sheet":
        assert [path.name for path in (run / "sheets").iterdir()] == ["step-00000001.png"]
    else:
        assert [(step, loss is None) for step, loss, *_ in numbers(run)] == [(1, False), (1, True)]


def test_a_diverged_run_exits_with_1(shards: Path, tmp_path: Path, tiny_settings: Settings) -> None:
    more = ("--steps", "50", "--set", "optim.lr=1e30", "--set", "optim.max_skipped=2")
    done = trainer(*fit(shards, "runs", "base", tiny_settings, *more), cwd=tmp_path)
    assert done.returncode == 1
    assert "trainer: base: loss or gradients were not finite for 2 consecutive steps" in done.stderr.splitlines()[-1]


@pytest.fixture(scope="module")
def runs(shards: Path, tmp_path_factory: pytest.TempPathFactory, tiny_settings: Settings) -> Path:
    """Three tiny stages, trained for a step or two."""
    folder = tmp_path_factory.mktemp("trained")
    for stage in STAGES:
        done = trainer(*fit(shards, "runs", stage, tiny_settings, "--steps", "2"), cwd=folder)
        assert done.returncode == 0, done.stderr
        assert f"{stage}: 2 steps" in done.stdout
    return folder / "runs"


def sample(runs: Path, shards: Path, out: Path, *more: str) -> Ended:
    return trainer("sample", "--runs", str(runs), "--shards", str(shards), "--out", str(out), *more, cwd=out.parent)


def test_sample_writes_images_and_a_sheet(runs: Path, shards: Path, tmp_path: Path) -> None:
    done = sample(runs, shards, tmp_path / "out", "--pairs", "2")
    assert done.returncode == 0, done.stderr
    assert f"contact sheet: {tmp_path / 'out/sheet.png'}" in done.stdout
    pictures = [path for path in (tmp_path / "out").iterdir() if path.name != "sheet.png"]
    assert len(pictures) == 2
    for path in pictures:
        person, garment = path.stem.split("__")
        assert person.startswith("val_")
        assert garment.startswith("val_")
        assert person.split("_")[-2] != garment.split("_")[-2]
        assert size(path) == (256, 256)
    assert size(tmp_path / "out/sheet.png")[0] > 7 * 192


def test_the_same_seed_gives_the_same_image_regardless_of_other_pairs(
    runs: Path, shards: Path, tmp_path: Path
) -> None:  # fmt: skip
    for out, *more in (("a", "--pairs", "1"), ("b", "--pairs", "1"), ("c", "--pairs", "1", "--seed", "1")):
        assert sample(runs, shards, tmp_path / out, *more).returncode == 0
    (name,) = {path.name for path in (tmp_path / "a").iterdir()} - {"sheet.png"}
    a, b, c = (pixels(tmp_path / out / name) for out in "abc")
    assert np.array_equal(a, b)
    assert not np.array_equal(a, c)


def test_fast_sampling_writes_images(runs: Path, shards: Path, tmp_path: Path) -> None:
    done = sample(runs, shards, tmp_path / "out", "--pairs", "1", "--fast")
    assert done.returncode == 0, done.stderr
    (picture,) = (path for path in (tmp_path / "out").iterdir() if path.name != "sheet.png")
    assert size(picture) == (256, 256)


@pytest.mark.parametrize("way", ["keys", "file", "all"])
def test_pairs_can_be_selected(runs: Path, shards: Path, tmp_path: Path, way: str) -> None:
    entries = json.loads((shards / "manifest.json").read_text())["shards"]
    (index,) = (shards / entry["name"].replace(".tar", ".index.json") for entry in entries if entry["split"] == "val")
    a, b = (sample["key"] for sample in json.loads(index.read_text())["samples"][:2])
    (tmp_path / "pairs.tsv").write_text(f"{a}\t{b}\n{b}\t{a}\n")
    more = {
        "keys": ["--person", a, "--garment", b, "--person", b, "--garment", a, "--no-ema"],
        "file": ["--pairs-file", str(tmp_path / "pairs.tsv")],
        "all": ["--all", "--pairs", "2"],
    }[way]
    done = sample(runs, shards, tmp_path / "out", *more)
    assert done.returncode == 0, done.stderr
    names = {path.name for path in (tmp_path / "out").iterdir()} - {"sheet.png"}
    assert len(names) == 2
    if way == "all":
        assert "2 of " in done.stderr
    else:
        assert names == {f"{a}__{b}.png", f"{b}__{a}.png"}
    with Image.open(tmp_path / "out" / min(names)) as picture:
        assert picture.text["base.weights"] == ("model" if way == "keys" else "ema")  # type: ignore[attr-defined]


def test_untrained_stages_are_skipped(runs: Path, shards: Path, tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs/base").symlink_to(runs / "base")
    assert sample(tmp_path / "runs", shards, tmp_path / "out", "--pairs", "1").returncode == 0
    (picture,) = (path for path in (tmp_path / "out").iterdir() if path.name != "sheet.png")
    assert size(picture) == (64, 64)


def test_plan_prints_one_object(tmp_path: Path, tiny: TinyConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("train.cli.plan.preset_config", lambda preset, stage: tiny(stage))  # it is really traced
    done = trainer("plan", "--preset", "nano", "--stage", "sr1024", "--batch", "16", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    stage = json.loads(done.stdout)["stages"]["sr1024"]
    assert stage["parameters"] == count_parameters(tiny("sr1024").model)
    assert stage["peak_bytes"] > 4 * 4 * stage["parameters"]
    assert (stage["micro_batch"], stage["precision"]) == (16, "bf16")


@pytest.mark.usefixtures("either_traces")
def test_plan_exits_with_1_if_a_stage_does_not_fit(tmp_path: Path) -> None:
    done = trainer("plan", "--preset", "nano", "--stage", "sr1024", "--memory", "719MiB", cwd=tmp_path)
    assert done.returncode == 1
    assert "sr1024: does not fit 0.70 GiB" in done.stdout


@pytest.mark.usefixtures("made_up_traces")  # real ones: tests/train/memory/test_rehearse.py
def test_a_dry_run_reports_memory_and_time_and_writes_nothing(
    shards: Path, tmp_path: Path, tiny_settings: Settings
) -> None:
    done = trainer(*fit(shards, "runs", "sr256", tiny_settings, "--dry-run"), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["stage", "sr256"]
    assert list(tmp_path.iterdir()) == []


def test_printed_configuration_is_accepted_by_config_option(tmp_path: Path) -> None:
    first = trainer("config", "--preset", "paper", "--stage", "sr256", "--set", "optim.lr=3e-5", cwd=tmp_path)
    assert first.returncode == 0, first.stderr
    assert "lr: 3.0e-05" in first.stdout
    (tmp_path / "mine.yaml").write_text(first.stdout)
    again = trainer("config", "--preset", "nano", "--stage", "sr256", "--config", "mine.yaml", cwd=tmp_path)
    assert again.stdout == first.stdout


MISTAKES: dict[str, tuple[Callable[[Path, Path], list[str]], str]] = {
    "no-shards": (lambda shards, runs: ["fit", "--shards", "nowhere"], "run prep build-shards"),
    "pipe": (lambda shards, runs: ["fit", "--shards", "pipe:cat x"], "commands are not run"),
    "scheme": (lambda shards, runs: ["fit", "--shards", "nonsense://bucket"], "Protocol not known"),
    "setting": (lambda shards, runs: ["fit", "--shards", str(shards), "--set", "optm.lr=1"], "optim.lr"),
    "stage": (lambda shards, runs: ["fit", "--shards", str(shards), "--stage", "sr512"], "'sr512' is not one of"),
    "config": (lambda shards, runs: ["fit", "--shards", str(shards), "--config", "no.yaml"], "no.yaml"),
    "no-runs": (lambda shards, runs: ["sample", "--shards", str(shards), "--runs", "x"], "run trainer fit first"),
    "card-bf16": (
        lambda shards, runs: ["plan", "--card", "t4", "--precision", "bf16"],
        "T4 does not support bf16; use fp16 or fp32",
    ),
    "card-twice": (lambda shards, runs: ["plan", "--card", "t4", "--memory", "16GiB"], "use only one"),
    "no-card": (lambda shards, runs: ["plan", "--memory", "auto"], "--memory auto: no card on this machine"),
    "guidance": (
        lambda shards, runs: [
            "fit",
            "--shards",
            str(shards),
            "--preset",
            "nano",
            "--set",
            "diffusion.drop=0",
            "--set",
            "sampling.guidance=2",
        ],
        "sampling.guidance=2: diffusion.drop=0 never trains the null condition",
    ),
    "memory": (lambda shards, runs: ["plan", "--memory", "much"], "--memory much: give a number and a unit"),
    "seed": (
        lambda shards, runs: ["fit", "--shards", str(shards), "--set", "seed=9223372036854775808"],
        "seed=9223372036854775808: input should be less than or equal to 9223372036854775807",
    ),
    "sample-seed": (
        lambda shards, runs: ["sample", "--shards", str(shards), "--seed", "9223372036854775808"],
        "9223372036854775808 is not in the range",
    ),
    "out": (
        lambda shards, runs: ["export", "--runs", str(runs), "--out", "/proc/x"],
        "--out /proc/x: No such file or directory",
    ),
    "sample-out": (
        lambda shards, runs: [
            "sample",
            "--runs",
            str(runs),
            "--shards",
            str(shards),
            "--pairs",
            "1",
            "--out",
            "/proc/x",
        ],
        "--out /proc/x: No such file or directory",
    ),
    "steps": (lambda shards, runs: ["fit", "--shards", str(shards), "--steps", "0"], "0 is not in the range"),
    "fast": (lambda shards, runs: ["sample", "--shards", str(shards), "--fast", "--steps", "9"], "remove --sampler"),
    "twice": (
        lambda shards, runs: ["sample", "--shards", str(shards), "--person", "x", "--all"],
        "conflicting pair selection",
    ),
    "key": (
        lambda shards, runs: [
            "sample",
            "--runs",
            str(runs),
            "--shards",
            str(shards),
            "--person",
            "x",
            "--garment",
            "y",
        ],
        "similar keys: val_",
    ),
    "other": (
        lambda shards, runs: ["fit", "--shards", str(shards), "--runs", str(runs), "--stage", "base"],
        "started with different settings",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_user_error_is_one_line_and_exit_code_2(runs: Path, shards: Path, tmp_path: Path, mistake: str) -> None:
    arguments, said = MISTAKES[mistake]
    done = trainer(*arguments(shards, runs), cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("trainer: ")
    assert done.stderr.count("\n") == 1
    assert said in done.stderr


def test_a_user_error_in_a_subprocess_is_one_line_and_exit_code_2(tmp_path: Path, programs: ForkedPrograms) -> None:
    done = programs.run("train", "fit", "--shards", "nowhere", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("trainer: ")
    assert done.stderr.count("\n") == 1
    assert "run prep build-shards" in done.stderr


def test_damaged_samples_stop_the_run_without_skip_damaged(
    shards: Path, tmp_path: Path, tiny_settings: Settings
) -> None:  # fmt: skip
    shutil.copytree(shards, tmp_path / "shards")
    index = json.loads((tmp_path / "shards/train-000000.index.json").read_text())
    offset, length = index["samples"][0]["members"]["agnostic.png"]
    with (tmp_path / "shards/train-000000.tar").open("r+b") as tar:
        tar.seek(offset)
        tar.write(bytes(length))
    name = f"train-000000.tar: {index['samples'][0]['key']}.agnostic.png is damaged"
    arguments = fit(tmp_path / "shards", "runs", "base", tiny_settings, "--steps", "30")
    stopped = trainer(*arguments, cwd=tmp_path)
    assert stopped.returncode == 2
    assert name in stopped.stderr
    done = trainer(*arguments, "--skip-damaged", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count(name) == 1
    lines = (tmp_path / "runs/base/metrics.jsonl").read_text().splitlines()
    assert sum(json.loads(line)["replaced"] for line in lines) >= 1


def test_a_missing_extra_is_reported(tmp_path: Path) -> None:
    code = "import sys; sys.modules['torch'] = None; from train.__main__ import main; sys.argv[1:] = ['plan']; main()"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "trainer: torch is not installed; pip install 'tryon-cascade[train]'\n"


def test_the_traceback_is_printed_when_asked_for(tmp_path: Path) -> None:
    done = trainer("--traceback", "fit", "--shards", "nowhere", cwd=tmp_path)
    assert done.returncode == 2
    assert "Traceback" in done.stderr
    assert "run prep build-shards" in done.stderr.splitlines()[-1]


def test_a_bug_is_reported_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nothing: dict[str, object] = {}
    monkeypatch.setattr("train.cli.plan.planned_card", lambda text: nothing["deep"])
    done = trainer("plan", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "KeyError: 'deep'; this is a bug; run again as `trainer --traceback …`" in done.stderr


def test_a_checkpoint_of_another_network_is_a_user_error(runs: Path, shards: Path, tmp_path: Path) -> None:
    shutil.copytree(runs / "base", tmp_path / "runs/base")
    shutil.rmtree(tmp_path / "runs/base/checkpoints")
    shutil.copytree(runs / "sr1024/checkpoints", tmp_path / "runs/base/checkpoints")
    done = sample(tmp_path / "runs", shards, tmp_path / "out", "--pairs", "1")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "does not have the weights of config.json's network" in done.stderr
