"""Several processes that torchrun starts: the numbers of one, one run folder, and no end of one without the others.

Each torchrun takes seconds to start, so a run here serves several assertions.
"""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from forked_programs import ForkedPrograms
from in_process import run_here
from running_fits import wait_for_steps
from safetensors.numpy import load_file

from train.cli import main
from train.configuration.settings import stage_config
from train.runs.run_folder import RunFolder

Settings = dict[str, list[str]]

LAUNCHER = ["torch.distributed.run", "--nproc-per-node", "2"]
TWO = [sys.executable, "-m", *LAUNCHER]
"""torchrun with two processes on this machine."""

STEPS = 6
LONG = 30
"""Steps of runs that lose a process on the way."""
LIMIT = 900
"""Seconds after which a run hangs: on two cores that others use as well it takes minutes."""

PLAIN = ["--set", "model.warp=false", "--set", "model.copies=false", "--set", "diffusion.warp_loss=0"]
"""For runs of more steps: with the warp rounding errors grow faster, and after 30 steps losses differ by 2e-4."""
SHARED = ["data.batch=8", "memory.micro_batch=2", "optim.clip=0.1", "validation.every=2", "checkpoint.every=2"]
"""Two micro-batches a process, gradients that are clipped, and three evaluations of a validation for two processes."""


def fit(shards: Path, runs: Path, settings: Settings, *more: str, steps: int = STEPS) -> list[str]:
    """Return the arguments behind the interpreter, or behind torchrun."""
    sets = [part for setting in [*settings["base"], *SHARED] for part in ("--set", setting)]
    where = ["--shards", str(shards), "--runs", str(runs), "--stage", "base", "--preset", "nano"]
    return ["-m", "train", "fit", *where, "--steps", str(steps), *sets, *more]


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=LIMIT)


def numbers(runs: Path) -> list[tuple[int, str, float]]:
    """Return step, kind and value of every loss and validation loss."""
    lines = map(json.loads, (runs / "base/metrics.jsonl").read_text().splitlines())
    return [(line["step"], kind, line[kind]) for line in lines for kind in ("loss", "validation") if kind in line]


def assert_same_numbers(one: Path, several: Path) -> None:
    expected, found = numbers(one), numbers(several)
    assert [number[:2] for number in found] == [number[:2] for number in expected]
    assert [number[2] for number in found] == pytest.approx([number[2] for number in expected], abs=1e-6, rel=0)


def workers_of(agent: int) -> dict[int, int]:
    """Return the process ids of torchrun's training processes by their rank."""
    found: dict[int, int] = {}
    for child in Path(f"/proc/{agent}/task/{agent}/children").read_text().split():
        try:
            environment = Path(f"/proc/{child}/environ").read_bytes().split(b"\0")
        except OSError:  # it has ended meanwhile
            continue
        found |= {int(value[5:]): int(child) for value in environment if value.startswith(b"RANK=")}
    return found


@pytest.fixture(scope="module")
def alone(shards: Path, tiny_settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run folders of one process, undisturbed."""
    runs = tmp_path_factory.mktemp("alone")
    done = run(sys.executable, *fit(shards, runs, tiny_settings))
    assert done.returncode == 0, done.stderr
    return runs


@pytest.fixture(scope="module")
def undisturbed(shards: Path, tiny_settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run folders of one process that nobody disturbs, as long as those that lose one."""
    runs = tmp_path_factory.mktemp("undisturbed")
    done = run(sys.executable, *fit(shards, runs, tiny_settings, *PLAIN, steps=LONG))
    assert done.returncode == 0, done.stderr
    return runs


@pytest.mark.slow
def test_two_processes_match_one_and_share_checkpoints(
    shards: Path, tmp_path: Path, tiny_settings: Settings, alone: Path
) -> None:  # fmt: skip
    """One process, two with copies of the weights, two with shares of them, one."""
    python = [sys.executable]
    for steps, command, more in ((1, python, []), (3, TWO, []), (5, TWO, ["--parallel", "fsdp"]), (STEPS, python, [])):
        done = run(*command, *fit(shards, tmp_path, tiny_settings, *more, steps=steps))
        assert done.returncode == 0, done.stderr
        assert done.stdout == f"base: {steps} steps, {tmp_path / 'base'}\n"
    assert_same_numbers(alone, tmp_path)
    for which in ("model", "ema", "optimizer"):
        path = f"base/checkpoints/step-{STEPS:08d}/{which}.safetensors"
        one, moved = load_file(alone / path), load_file(tmp_path / path)
        assert {name: value.shape for name, value in one.items()} == {name: v.shape for name, v in moved.items()}
        assert all(np.isfinite(value).all() for value in moved.values())


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_gathering_weights_in_half_precision_matches_one_process(
    shards: Path, tmp_path: Path, tiny_settings: Settings, precision: str
) -> None:
    more = ["--set", f"precision={precision}"]
    commands = {"one": [sys.executable], "shares": TWO}
    for name, command in commands.items():
        fsdp = ["--parallel", "fsdp"] if name == "shares" else []
        done = run(*command, *fit(shards, tmp_path / name, tiny_settings, *more, *fsdp, steps=4))
        assert done.returncode == 0, done.stderr
    one, shares = ([number[2] for number in numbers(tmp_path / name)] for name in commands)
    assert shares == pytest.approx(one, rel=0.02)


@pytest.mark.slow
def test_a_killed_process_is_restarted_and_resumes(
    shards: Path, tmp_path: Path, tiny_settings: Settings, undisturbed: Path
) -> None:  # fmt: skip
    command = [*TWO, "--max-restarts", "1", *fit(shards, tmp_path / "two", tiny_settings, *PLAIN, steps=LONG)]
    with subprocess.Popen(command, text=True, stderr=subprocess.PIPE) as process:
        wait_for_steps(tmp_path / "two" / "base", 5, process)
        killed = workers_of(process.pid)
        os.kill(killed[1], signal.SIGKILL)
        _, told = process.communicate(timeout=LIMIT)
    assert process.returncode == 0, told
    assert "SIGKILL" in told or "exitcode: -9" in told
    assert_same_numbers(undisturbed, tmp_path / "two")


@pytest.mark.slow
def test_a_signal_to_torchrun_stops_all_processes_at_a_checkpoint(
    shards: Path, tmp_path: Path, tiny_settings: Settings
) -> None:  # fmt: skip
    more = ("--parallel", "fsdp", "--set", "checkpoint.every=100000")
    command = [*TWO, *fit(shards, tmp_path, tiny_settings, *more, steps=100_000)]
    with subprocess.Popen(command, text=True, stderr=subprocess.PIPE) as process:
        wait_for_steps(tmp_path / "base", 4, process)
        process.send_signal(signal.SIGTERM)
        _, told = process.communicate(timeout=LIMIT)
    assert process.returncode != 0
    assert told.count("trainer: stopped at a checkpoint") == 1
    (checkpoint,) = (tmp_path / "base/checkpoints").iterdir()
    steps = [step for step, kind, _ in numbers(tmp_path) if kind == "loss"]
    assert json.loads((checkpoint / "state.json").read_text())["step"] == steps[-1] == len(steps)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--set", "data.batch=5"], "data.batch=5 cannot be divided among 2 processes; use a multiple of 2"),
        (
            ["--set", "seed=1"],
            "was started with different settings (seed was 0, is 1)",
        ),  # found by the first process alone
    ],
)
def test_a_user_error_is_reported_once_and_stops_all_processes(
    shards: Path, tiny_settings: Settings, tmp_path: Path, programs: ForkedPrograms, more: list[str], said: str
) -> None:
    settings = [*tiny_settings["base"], *SHARED, f"steps={STEPS}"]
    RunFolder(tmp_path / "base").claim_config(stage_config("nano", "base", None, settings))
    done = programs.run(*LAUNCHER, *fit(shards, tmp_path, tiny_settings, *more))
    lines = [line for line in done.stderr.splitlines() if line.startswith("trainer: ")]
    assert len(lines) == 1, done.stderr
    assert said in lines[0]
    assert "exitcode  : 2" in done.stderr


def test_parallel_without_torchrun_is_refused(
    shards: Path, tmp_path: Path, tiny_settings: Settings
) -> None:  # fmt: skip
    arguments = fit(shards, tmp_path, tiny_settings, "--parallel", "ddp")[2:]
    done = run_here(main, *arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("trainer: --parallel ddp: not started by torchrun; run torchrun")
    assert done.stderr.count("\n") == 1


def node(rendezvous: int, hosts: bool, *arguments: str) -> "subprocess.Popen[str]":
    """Start torchrun as one of two machines would, with one process."""
    command = [
        *TWO[:-1], "1", "--nnodes", "2", "--max-restarts", "3", "--shutdown-timeout", "5", "--rdzv-backend", "c10d",
        "--rdzv-id", "test", "--rdzv-endpoint", f"127.0.0.1:{rendezvous}", "--local-addr", "127.0.0.1",
        "--rdzv-conf", f"is_host={hosts},keep_alive_interval=1,keep_alive_max_attempt=3", *arguments,
    ]  # fmt: skip
    environment = {**os.environ, "TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1"}
    return subprocess.Popen(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment)


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "silent"])
def test_a_lost_machine_is_replaced(
    how: signal.Signals, shards: Path, tmp_path: Path, tiny_settings: Settings, undisturbed: Path
) -> None:
    """Once its connections are closed, once they stay open and nobody answers."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    arguments = fit(shards, tmp_path / "two", tiny_settings, *PLAIN, steps=LONG)
    with node(port, True, *arguments) as first, node(port, False, *arguments) as lost:
        wait_for_steps(tmp_path / "two" / "base", 5, first)
        gone = [lost.pid, *workers_of(lost.pid).values()]
        try:
            for process in gone:
                os.kill(process, how)
            with node(port, False, *arguments) as other:
                told = [process.communicate(timeout=LIMIT)[0] for process in (first, other)]
        finally:
            lost.kill()
            for process in gone[1:] if how == signal.SIGSTOP else ():
                os.kill(process, signal.SIGKILL)
    assert (first.returncode, other.returncode) == (0, 0), told
    assert_same_numbers(undisturbed, tmp_path / "two")


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["ddp", "fsdp"])
def test_several_processes_start_from_the_weights_that_one_starts_from(
    shards: Path, tmp_path: Path, tiny_settings: Settings, alone: Path, kind: str
) -> None:
    """The learning rate is next to nothing, so the weights after the steps are those of the start."""
    more = ["--init-from", str(alone), "--set", "optim.lr=1e-12"]
    done = run(*TWO, *fit(shards, tmp_path, tiny_settings, *more, "--parallel", kind, steps=1))
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("base: starts from the EMA weights of step 6") == 1
    source = load_file(alone / f"base/checkpoints/step-{STEPS:08d}/ema.safetensors")
    for which in ("model", "ema"):
        weights, _ = RunFolder(tmp_path / "base").load_weights(which, 1)
        assert weights.keys() == source.keys()
        assert all(np.allclose(weights[name], source[name], rtol=0, atol=1e-9) for name in source), which
    # What each process wrote of its shards, or rank 0 of all, is exported alike.
    ended = run_here(main, "export", "--runs", str(tmp_path), "--out", str(tmp_path / "exported"), cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    exported = load_file(tmp_path / "exported/base.safetensors")
    assert all(np.array_equal(exported[name], value) for name, value in weights.items())
