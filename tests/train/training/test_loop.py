"""The loop: exact after an interruption, and it learns."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from callbacks import after, never, quiet

from common.errors import UserError
from train.configuration.stage_config import LogConfig, StageConfig
from train.data import BatchLoader, ShardFolder
from train.diffusion.conditioning import from_uint8
from train.runs import run_lock
from train.runs.run_folder import CONFIG, METRICS, RunFolder
from train.runs.run_lock import LOCK, RunLock
from train.training.loop import Diverged, fit_stage
from train.training.metrics import Metrics, Status
from train.training.step import init_training, learning_rate, stage_inputs, update_ema

TinyConfig = Callable[..., StageConfig]


def losses(run: Path) -> list[float | None]:
    lines = map(json.loads, (run / METRICS).read_text().splitlines())
    return [line["loss"] for line in lines if "loss" in line]


@pytest.mark.parametrize("stage", ["base", pytest.param("sr256", marks=pytest.mark.slow), "sr1024"])
def test_an_interrupted_run_resumes_bit_for_bit(
    shards: Path, tmp_path: Path, tiny: TinyConfig, stage: str
) -> None:  # fmt: skip
    data = ShardFolder(shards, "train")
    config = tiny(stage)
    assert fit_stage(config, data, tmp_path / "whole", quiet, never)
    assert not fit_stage(config, data, tmp_path / "parts", quiet, after(4))
    assert not fit_stage(config, data, tmp_path / "parts", quiet, after(3))
    assert fit_stage(config, data, tmp_path / "parts", quiet, never)
    for which in ("model", "ema", "optimizer"):
        whole, parts = (RunFolder(tmp_path / run).checkpoints.load_weights(which)[0] for run in ("whole", "parts"))
        assert whole.keys() == parts.keys()
        assert all(torch.equal(whole[name], parts[name]) for name in whole), which
    assert losses(tmp_path / "whole") == losses(tmp_path / "parts")


OPTIONS: dict[str, list[str]] = {
    "micro-batches": ["data.batch=3", "memory.micro_batch=2"],
    "checkpointing": ["memory.checkpointing=true"],
    "optimizer-on-host": ["memory.optimizer_on_host=true", "memory.ema_on_host=true"],
    "optimizer-in-backward": ["memory.optimizer_in_backward=true", "optim.clip=null"],
    "no-clipping": ["optim.clip=null"],
    "bf16": ["precision=bf16"],
    "fp16": ["precision=fp16", "memory.micro_batch=1"],
    "fp16-on-host": ["precision=fp16", "memory.optimizer_on_host=true", "memory.checkpointing=true"],
    "adamw": ["optim.name=adamw", "optim.weight_decay=0.01"],
    "adafactor": ["optim.name=adafactor"],
    "adafactor-in-backward": ["optim.name=adafactor", "memory.optimizer_in_backward=true", "optim.clip=null"],
}
"""Settings of memory, precision and optimizer."""


@pytest.mark.parametrize("option", OPTIONS)
def test_with_every_option_an_interrupted_run_resumes_bit_for_bit(
    shards: Path, tmp_path: Path, tiny: TinyConfig, option: str
) -> None:  # fmt: skip
    data = ShardFolder(shards, "train")
    # What is computed twice may draw random numbers twice, and only a try-on stage drops conditions at random.
    stage = "base" if "memory.checkpointing=true" in OPTIONS[option] else "sr1024"
    config = tiny(stage, "steps=5", *OPTIONS[option])
    assert fit_stage(config, data, tmp_path / "whole", quiet, never)
    assert not fit_stage(config, data, tmp_path / "parts", quiet, after(3))
    assert fit_stage(config, data, tmp_path / "parts", quiet, never)
    assert files(tmp_path / "whole") == files(tmp_path / "parts")
    assert losses(tmp_path / "whole") == losses(tmp_path / "parts")


EXACT = {
    "checkpointing": ["memory.checkpointing=true"],
    "optimizer-on-host": ["memory.optimizer_on_host=true", "memory.ema_on_host=true"],
    "optimizer-in-backward": ["memory.optimizer_in_backward=true"],
}


PLAIN = ("base", "steps=5", "optim.clip=null")


@pytest.fixture(scope="module")
def undisturbed(shards: Path, tiny: TinyConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run folder of PLAIN, trained at one go."""
    run = tmp_path_factory.mktemp("undisturbed")
    torch.set_num_threads(1)  # as in every test
    assert fit_stage(tiny(*PLAIN), ShardFolder(shards, "train"), run, quiet, never)
    return run


@pytest.mark.parametrize("option", EXACT)
def test_memory_settings_change_no_bit_and_may_change_on_resume(
    shards: Path, undisturbed: Path, tmp_path: Path, tiny: TinyConfig, option: str
) -> None:  # fmt: skip
    data, plain = ShardFolder(shards, "train"), PLAIN
    fit_stage(tiny(*plain), data, tmp_path / "mixed", quiet, after(2))
    fit_stage(tiny(*plain, *EXACT[option]), data, tmp_path / "mixed", quiet, after(2))
    fit_stage(tiny(*plain), data, tmp_path / "mixed", quiet, never)
    assert files(undisturbed) == files(tmp_path / "mixed")


def files(run: Path) -> dict[str, bytes]:
    """Return the last checkpoint, byte for byte."""
    return {path.name: path.read_bytes() for path in RunFolder(run).checkpoints.all()[-1].iterdir()}


def test_a_run_of_an_earlier_version_resumes(shards: Path, tmp_path: Path, tiny: TinyConfig) -> None:
    data = ShardFolder(shards, "train")
    fit_stage(tiny("base", "steps=1"), data, tmp_path, quiet, never)
    config = json.loads((tmp_path / CONFIG).read_text())
    del config["memory"], config["optim"]["name"]
    (tmp_path / CONFIG).write_text(json.dumps(config))
    assert fit_stage(tiny("base", "steps=2"), data, tmp_path, quiet, never)
    (tmp_path / CONFIG).write_text("{}")
    with pytest.raises(UserError, match="damaged or from an incompatible version"):
        fit_stage(tiny("base", "steps=3"), data, tmp_path, quiet, never)


def test_a_finished_run_is_not_trained_again(shards: Path, tmp_path: Path, tiny: TinyConfig) -> None:
    data = ShardFolder(shards, "train")
    fit_stage(tiny("base"), data, tmp_path, quiet, never)
    before = losses(tmp_path)
    assert fit_stage(tiny("base"), data, tmp_path, quiet, never)
    assert losses(tmp_path) == before


def test_more_steps_continue_a_finished_run(shards: Path, tmp_path: Path, tiny: TinyConfig) -> None:
    data = ShardFolder(shards, "train")
    fit_stage(tiny("base", "steps=4"), data, tmp_path, quiet, never)
    fit_stage(tiny("base", "steps=6"), data, tmp_path, quiet, never)
    assert len(losses(tmp_path)) == 6


def test_with_cosine_decay_the_number_of_steps_is_fixed(
    shards: Path, tmp_path: Path, tiny: TinyConfig
) -> None:  # fmt: skip
    data = ShardFolder(shards, "train")
    fit_stage(tiny("base", "steps=2", "optim.decay=cosine"), data, tmp_path, quiet, never)
    with pytest.raises(UserError, match="steps was 2, is 3"):
        fit_stage(tiny("base", "steps=3", "optim.decay=cosine"), data, tmp_path, quiet, never)


def test_the_number_of_threads_may_change(shards: Path, tmp_path: Path, tiny: TinyConfig) -> None:
    data = ShardFolder(shards, "train")
    fit_stage(tiny("base", "steps=2"), data, tmp_path, quiet, never)
    assert fit_stage(tiny("base", "steps=2", "data.threads=2"), data, tmp_path, quiet, never)


def test_other_settings_in_the_same_folder_are_refused(shards: Path, tmp_path: Path, tiny: TinyConfig) -> None:
    data = ShardFolder(shards, "train")
    fit_stage(tiny("base", "steps=1"), data, tmp_path, quiet, never)
    with pytest.raises(UserError, match=r"seed was 0, is 1"):
        fit_stage(tiny("base", "seed=1"), data, tmp_path, quiet, never)


def test_lines_of_a_killed_run_are_dropped_from_the_metrics(shards: Path, tmp_path: Path, tiny: TinyConfig) -> None:
    data = ShardFolder(shards, "train")
    fit_stage(tiny("base", "steps=3"), data, tmp_path, quiet, never)
    whole = losses(tmp_path)
    with (tmp_path / METRICS).open("a") as file:
        file.write('{"step": 4, "loss": 1.0}\n{"step": 5, "lo')
    fit_stage(tiny("base", "steps=3"), data, tmp_path, quiet, never)
    assert losses(tmp_path) == whole


def test_damaged_lines_of_the_metrics_do_not_block_resuming(
    shards: Path, tmp_path: Path, tiny: TinyConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    data = ShardFolder(shards, "train")
    fit_stage(tiny("base", "steps=3"), data, tmp_path, quiet, never)
    first, second, third = (tmp_path / METRICS).read_bytes().splitlines(keepends=True)
    broken = [b"\xff\x00\n", b'{"step": 2, "lo\n', b"[1]\n", b'{"loss": 1.0}\n', b"[" * 100_000 + b"\n"]
    again = b'{"step": 2, "loss": 9.0}\n'
    (tmp_path / METRICS).write_bytes(b"".join([again, first, *broken, again, third, first, second, b'{"st']))
    assert fit_stage(tiny("base", "steps=4"), data, tmp_path, quiet, never)
    assert capsys.readouterr().err == f"trainer: {tmp_path / METRICS}: 5 damaged lines skipped\n"
    lines = (tmp_path / METRICS).read_bytes().splitlines(keepends=True)
    assert lines[:3] == [first, second, third]
    assert [json.loads(line)["step"] for line in lines] == [1, 2, 3, 4]


def test_validations_are_read_back(tmp_path: Path) -> None:
    lines = [
        {"step": 1, "loss": None}, {"step": 1, "validation": 0.5}, {"step": 2, "loss": 1.0},
        {"step": 2, "validation": float("nan")}, {"step": 2, "validation": "low"}, {"step": True, "validation": 1.0},
        {"step": 3, "validation": 0.1},
    ]  # fmt: skip
    (tmp_path / METRICS).write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    metrics = Metrics(RunFolder(tmp_path), LogConfig(), 2)
    assert metrics.validation == pytest.approx({1: 0.5, 2: float("nan")}, nan_ok=True)
    assert len((tmp_path / METRICS).read_text().splitlines()) == 4


def test_unwritable_metrics_are_a_user_error(tmp_path: Path) -> None:
    (tmp_path / METRICS).mkdir()
    with pytest.raises(UserError, match=r"metrics\.jsonl: Is a directory"):
        Metrics(RunFolder(tmp_path), LogConfig(), 0)


def test_if_every_checkpoint_is_damaged_the_run_does_not_restart(
    shards: Path, tmp_path: Path, tiny: TinyConfig
) -> None:
    data = ShardFolder(shards, "train")
    fit_stage(tiny("base", "steps=2"), data, tmp_path, quiet, never)
    (RunFolder(tmp_path).checkpoints.all()[0] / "ema.safetensors").write_bytes(b"")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(UserError, match="every checkpoint is damaged"):
        fit_stage(tiny("base", "steps=3"), data, tmp_path, quiet, never)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file() and path.name != CONFIG} == {
        path: data for path, data in before.items() if path.name != CONFIG
    }


def test_a_second_run_in_the_folder_is_refused_and_the_first_continues(
    shards: Path, tmp_path: Path, tiny: TinyConfig
) -> None:  # fmt: skip
    data, config = ShardFolder(shards, "train"), tiny("base", "steps=2")

    def second(_status: Status) -> None:
        with pytest.raises(UserError, match="another trainer fit is using this folder"):
            fit_stage(config, data, tmp_path, quiet, never)

    assert fit_stage(config, data, tmp_path, second, never)
    assert not (tmp_path / LOCK).exists()
    assert len(losses(tmp_path)) == 2


def test_a_run_without_its_lock_writes_no_checkpoint(
    shards: Path, tmp_path: Path, tiny: TinyConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_lock, "_GRACE", 0.0)

    def remove(status: Status) -> None:
        if status.step == 2:
            (tmp_path / LOCK).unlink()

    with pytest.raises(UserError, match="this run's lock was removed; stopped writing"):
        fit_stage(tiny("base", "checkpoint.every=2"), ShardFolder(shards, "train"), tmp_path, remove, never)
    assert RunFolder(tmp_path).checkpoints.all() == []


def test_a_run_that_lost_its_lock_stops_at_the_next_step(
    shards: Path, tmp_path: Path, tiny: TinyConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    held: list[RunLock] = []
    monkeypatch.setattr(RunLock, "start", lambda lock: held.append(lock))
    steps: list[int] = []

    def lose(status: Status) -> None:
        steps.append(status.step)
        (tmp_path / LOCK).write_bytes(b"another's")
        held[0].beat()

    with pytest.raises(UserError, match="this run's lock was"):
        fit_stage(tiny("base"), ShardFolder(shards, "train"), tmp_path, lose, never)
    assert steps == [1]
    assert RunFolder(tmp_path).checkpoints.all() == []


@pytest.mark.parametrize("prediction", ["eps", *(pytest.param(one, marks=pytest.mark.slow) for one in ("v", "x"))])
def test_the_loss_falls(shards: Path, tmp_path: Path, tiny: TinyConfig, prediction: str) -> None:
    steps = 60 if prediction == "eps" else 120  # the others learn later
    config = tiny(
        "base", f"steps={steps}", "optim.lr=3e-3", f"diffusion.prediction={prediction}",
        "diffusion.residual_std=null", "diffusion.shown_std=null", "diffusion.t_shift=1.0",
        "model.copies=false", "diffusion.warp_loss=0", "diffusion.edge_loss=0", "diffusion.keep_shown=false",
        "size=32", "model.image_size=32", "model.patch=1",  # a pixel's own noise does not pass 8 channels a patch
    )  # fmt: skip
    fit_stage(config, ShardFolder(shards, "train"), tmp_path, quiet, never)
    told = [loss for loss in losses(tmp_path) if loss is not None]
    assert len(told) == steps
    assert sum(told[-30:]) < 0.75 * sum(told[:30])


def test_a_diverged_run_ends_and_names_the_last_good_checkpoint(
    shards: Path, tmp_path: Path, tiny: TinyConfig
) -> None:  # fmt: skip
    config = tiny("base", "steps=50", "optim.lr=1e30", "optim.max_skipped=6", "checkpoint.every=1")
    with pytest.raises(
        Diverged, match=r"not finite for 6 consecutive steps; .*checkpoints/step-00000\d\d\d;"
    ) as caught:
        fit_stage(config, ShardFolder(shards, "train"), tmp_path, quiet, never)
    good, *within = RunFolder(tmp_path).checkpoints.all()
    assert f"the last good checkpoint is {good};" in str(caught.value)
    assert len(within) == config.checkpoint.keep
    assert json.loads((good / "state.json").read_text())["step"] == len(losses(tmp_path)) - 6
    assert losses(tmp_path)[-6:] == [None] * 6
    assert len(losses(tmp_path)) < 50


def test_divergence_before_the_first_checkpoint_is_reported(
    shards: Path, tmp_path: Path, tiny: TinyConfig
) -> None:  # fmt: skip
    config = tiny("base", "steps=50", "optim.lr=1e30", "optim.max_skipped=3", "checkpoint.every=3")
    with pytest.raises(Diverged, match="there is no good checkpoint"):
        fit_stage(config, ShardFolder(shards, "train"), tmp_path, quiet, never)


def test_consecutive_skipped_steps_are_counted_across_an_interruption(
    shards: Path, tmp_path: Path, tiny: TinyConfig
) -> None:
    data = ShardFolder(shards, "train")
    settings = ("base", "steps=50", "optim.lr=1e30", "checkpoint.every=1")
    with pytest.raises(Diverged):
        fit_stage(tiny(*settings, "optim.max_skipped=3"), data, tmp_path, quiet, never)
    before = len(losses(tmp_path))
    with pytest.raises(Diverged, match="5 consecutive steps"):
        fit_stage(tiny(*settings, "optim.max_skipped=5"), data, tmp_path, quiet, never)
    assert len(losses(tmp_path)) == before + 2


def test_the_status_reports_time_memory_and_data_wait(shards: Path, tmp_path: Path, tiny: TinyConfig) -> None:
    told: list[Status] = []
    fit_stage(tiny("base", "steps=4"), ShardFolder(shards, "train"), tmp_path, told.append, never)
    assert [status.step for status in told] == [1, 2, 3, 4]
    assert told[-1].seconds_left == 0 < told[0].seconds_left
    assert all(0 <= status.data_wait <= 1 and status.skipped == 0 for status in told)
    assert 100 << 20 < told[0].memory_bytes <= told[-1].memory_bytes < 100 << 30
    assert told[-1].images_per_second == pytest.approx(8 / told[-1].seconds)
    line = json.loads((tmp_path / METRICS).read_text().splitlines()[-1])
    assert line.keys() == {
        "step", "loss", "images_per_second", "data_wait", "memory_bytes", "skipped", "replaced",
        "grad_norm", "lr", "loss_scale", "tflops", "mfu",
    }  # fmt: skip
    assert line["grad_norm"] > 0
    assert line["lr"] == pytest.approx(1e-3)
    assert line["tflops"] > 0
    assert line["loss_scale"] is line["mfu"] is None


def test_learning_rate_warms_up_linearly_and_stays(tiny: TinyConfig) -> None:
    config = tiny("base", "optim.warmup=10", "optim.lr=1e-3")
    assert [learning_rate(config, step) for step in (0, 4, 9, 10, 10**6)] == pytest.approx(
        [1e-4, 5e-4, 1e-3, 1e-3, 1e-3]
    )
    assert learning_rate(tiny("base", "optim.warmup=0", "optim.lr=1e-3"), 0) == 1e-3


def test_learning_rate_can_decay_to_zero(tiny: TinyConfig) -> None:
    config = tiny("base", "optim.warmup=10", "optim.lr=1e-3", "optim.decay=cosine", "steps=110")
    assert [learning_rate(config, step) for step in (4, 10, 60, 110)] == pytest.approx([5e-4, 1e-3, 5e-4, 0.0])


def test_ema_warms_up_and_follows_the_weights(tiny: TinyConfig) -> None:
    state = init_training(tiny("base"), torch.device("cpu"))
    with torch.no_grad():
        for parameter in state.model.parameters():
            parameter.add_(1.0)
    name, parameter = next(iter(state.model.named_parameters()))
    state.step = 5
    update_ema(state, 0.9999, torch.tensor(True))
    moved = state.ema[name] - (parameter.detach() - 1)
    assert torch.allclose(moved, torch.full_like(moved, 1 - 6 / 15), atol=1e-6)


def test_the_low_resolution_image_has_the_range_of_the_target(
    shards: Path, tiny: TinyConfig
) -> None:  # fmt: skip
    """Mistake 1 and 8 of the list: [0, 1] here and [-1, 1] there tints stage 2 for ever."""
    config = tiny("sr256")
    batches = BatchLoader(ShardFolder(shards, "train"), config).batches(0)
    batch = next(batches)
    batches.close()
    x, inputs = stage_inputs(batch, config, torch.device("cpu"))
    assert inputs.low_res is not None
    assert (x.shape[-1], inputs.low_res.shape[-1]) == (128, 64)
    assert torch.allclose(inputs.low_res.mean((2, 3)), x.mean((2, 3)), atol=1e-5)
    assert torch.equal(x, from_uint8(batch.x))
    assert x.max() > 0.5
    assert x.min() < -0.5


@pytest.mark.parametrize(("steps", "named"), [(6, "step-00000005.json"), (4, "step-00000005.json"), (2, None)])
def test_a_profile_traces_the_requested_steps(
    shards: Path, tmp_path: Path, tiny: TinyConfig, steps: int, named: str | None
) -> None:
    """After three steps to warm up; a run that ends earlier writes what it has made, or nothing."""
    data = ShardFolder(shards, "train")
    fit_stage(tiny("sr1024", f"steps={steps}"), data, tmp_path, quiet, never, profile=2)
    files = sorted(path.name for path in (tmp_path / "profile").glob("*"))
    assert files == ([named] if named else [])
    if named:
        events = json.loads((tmp_path / "profile" / named).read_text())["traceEvents"]
        assert sum(event["name"] == "Optimizer.step#AdamW.step" for event in events) == min(steps, 5) - 3


def test_wsd_is_constant_and_then_decays_to_zero(tiny: TinyConfig) -> None:
    wsd = ("optim.warmup=10", "optim.lr=1e-3", "optim.decay=wsd", "optim.decay_share=0.25")
    config = tiny("base", *wsd, "steps=200")
    rates = [learning_rate(config, step) for step in range(201)]
    assert rates[4] == pytest.approx(5e-4)
    assert set(rates[10:151]) == {1e-3}
    assert sorted(rates[150:], reverse=True) == rates[150:]
    assert rates[150 + 12] == pytest.approx(1e-3 * (1 - (12 / 50) ** 0.5))
    assert rates[200] == 0
    longer = tiny("base", *wsd, "steps=400")
    assert [learning_rate(longer, step) for step in range(151)] == rates[:151]


def test_a_wsd_run_can_be_extended_until_it_decays(shards: Path, tiny: TinyConfig, tmp_path: Path) -> None:
    data = ShardFolder(shards, "train")
    wsd = ("optim.decay=wsd", "optim.decay_share=0.5", "checkpoint.every=2")
    asked = iter(range(100))
    stopped = fit_stage(tiny("base", *wsd, "steps=8"), data, tmp_path, quiet, lambda: next(asked) >= 3)
    assert not stopped
    assert fit_stage(tiny("base", *wsd, "steps=10"), data, tmp_path, quiet, never)
    with pytest.raises(UserError, match="steps was 10, is 12"):
        fit_stage(tiny("base", *wsd, "steps=12"), data, tmp_path, quiet, never)


def test_settings_that_a_run_did_not_store_are_compared_as_well(shards: Path, tiny: TinyConfig, tmp_path: Path) -> None:
    data = ShardFolder(shards, "train")
    fit_stage(tiny("base", "steps=1"), data, tmp_path, quiet, never)
    with pytest.raises(UserError, match=r"\(optim\.decay_share was the default, is 0\.5\)"):
        fit_stage(tiny("base", "steps=1", "optim.decay_share=0.5"), data, tmp_path, quiet, never)
