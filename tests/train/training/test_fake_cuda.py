"""The trainer on a card that is not there (tests/helpers/fake_cuda.py): devices, copies, waiting, memory."""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from fake_cuda import (
    CUDA,
    CardWatch,
    Traffic,
    copies,
    cpu_outputs,
    fake_cuda,
    kept_per_sample,
    synchronisations,
    why_not,
)
from shallow_networks import SHALLOW
from torch import Tensor

from train.configuration.settings import stage_config
from train.configuration.stage_config import STAGES, Stage, StageConfig
from train.data.batch import tensors_of, to_device
from train.diffusion.conditioning import TryOnInputs
from train.diffusion.schedule import make_schedule
from train.inference.cascade import Overrides, TrainedStage, assemble_stage, sample_stage
from train.memory.trace import blank_batch, trace
from train.models import build_model
from train.runs.run_folder import RunFolder
from train.training.checkpoint import restore, save_checkpoint
from train.training.loss_scale import LossScale
from train.training.optim.muon import MOMENTUM
from train.training.optim.update import free_gradients, step_optimizer
from train.training.state import Training
from train.training.step import Stepper, init_training, train_step, update_ema
from train.training.validation.loss import validate

CPU = torch.device("cpu")
PRECISIONS = ("fp32", "bf16", "fp16")

QUICK = {"base": "fp32", "sr256": "bf16", "sr1024": "fp16"}
"""One precision a stage, where another would show nothing new; the others are slow tests."""


def cases(*stages: str) -> list[Any]:
    """Return (preset, stage, precision) of all; quick are the shallow ``stages`` in the precisions of QUICK."""
    return [
        pytest.param(
            *(preset, stage, precision),
            marks=() if preset == "shallow" and stage in stages and QUICK[stage] == precision else pytest.mark.slow,
        )
        for preset in ("shallow", "nano", "small", "paper")
        for stage in STAGES
        for precision in PRECISIONS
    ]


every_step = pytest.mark.parametrize(("preset", "stage", "precision"), cases(*STAGES))
every_use = pytest.mark.parametrize(("preset", "stage", "precision"), cases("sr256", "sr1024"))


@pytest.fixture(scope="module", autouse=True)
def _compiler() -> None:
    if reason := why_not():
        pytest.skip(reason)


@dataclass(frozen=True)
class Step:
    """What was seen of a step that is not the first one."""

    training: Training
    loss: Tensor
    optimizer: Traffic
    """Of the optimizer's and the averaged weights' step alone, from gradients that are there."""
    whole: Traffic
    peak: int
    """Most bytes on the device."""


def configured(preset: str, stage: Stage, *settings: str) -> StageConfig:
    shallow = SHALLOW[stage] if preset == "shallow" else []
    named = "nano" if preset == "shallow" else preset
    return stage_config(named, stage, None, ["data.batch=8", *shallow, *settings])  # type: ignore[arg-type]


def give_gradients(training: Training) -> None:
    for parameter in training.model.parameters():
        parameter.grad = torch.empty_like(parameter)


@cache
def begun(config: StageConfig) -> tuple[Training, Traffic]:
    """Begin a training on the card; its optimizer has made its first step, and so has its moments."""
    with fake_cuda(), CardWatch() as watch:
        training = init_training(config, CUDA)
        give_gradients(training)
        watch.taken()
        step_optimizer(training)
        update_ema(training, config.ema, torch.ones((), dtype=torch.bool, device=CUDA))
        free_gradients(training.model)
        return training, watch.taken()


@cache
def made(config: StageConfig) -> Step:
    """Make a step on the card, the one that `trainer plan` traces.

    The stages' trainings are shared: a precision is of a step, and of the loss scale, alone.
    """
    training, optimizer = begun(config.model_copy(update={"precision": "fp32"}))
    micro = min(config.memory.micro_batch or config.data.batch, config.data.batch)
    stepper = Stepper(config, make_schedule(config.diffusion.schedule), CUDA)
    with fake_cuda():
        stepper.schedule.log_snr(torch.zeros(1, device=CUDA))  # its table is copied once a run
        training.scale = LossScale.initial(CUDA) if config.precision == "fp16" else None
        batch = to_device(blank_batch(config, micro), CUDA)
    with fake_cuda(), CardWatch() as watch:
        watch.hold(tensors_of(batch))
        watch.hold([*training.model.parameters(), *training.ema.values(), *moments(training)])
        if micro < config.data.batch:
            give_gradients(training)
        watch.taken()
        loss = train_step(training, batch, stepper)
        return Step(training, loss, optimizer, watch.taken(), watch.device_peak)


def moments(training: Training) -> list[Tensor]:
    return [value for state in training.optimizer.state.values() for value in state.values()]


def devices(*tensors: Tensor) -> set[str]:
    return {tensor.device.type for tensor in tensors}


@every_step
def test_a_step_stays_on_the_gpu(preset: str, stage: Stage, precision: str) -> None:
    """Weights, averaged weights, moments (Adam's count of steps, too) and the loss."""
    step = made(configured(preset, stage, f"precision={precision}"))
    state = step.training
    assert devices(*state.model.parameters(), *state.ema.values(), *moments(state), step.loss) == {"cuda"}
    assert {value.dtype for value in (*state.model.parameters(), *moments(state))} == {torch.float32}


@every_step
def test_the_optimizer_step_does_not_use_the_host(preset: str, stage: Stage, precision: str) -> None:
    assert made(configured(preset, stage, f"precision={precision}")).optimizer == Traffic()


@every_step
def test_the_host_neither_computes_nor_copies_nor_synchronises(preset: str, stage: Stage, precision: str) -> None:
    """Noise, times and dropout are drawn on the card; whether the step was finite stays there."""
    traffic = made(configured(preset, stage, f"precision={precision}")).whole
    assert traffic == Traffic()


MEMORY = {
    "micro_batch": ["memory.micro_batch=2"],
    "checkpointing": ["memory.checkpointing=true"],
    "optimizer_on_host": ["memory.optimizer_on_host=true"],
    "ema_on_host": ["memory.ema_on_host=true"],
    "optimizer_in_backward": ["memory.optimizer_in_backward=true", "optim.clip=null"],
    "adafactor": ["optim.name=adafactor"],
    "all of them": [
        "memory.micro_batch=2", "memory.checkpointing=true", "memory.optimizer_on_host=true", "memory.ema_on_host=true",
    ],
}  # fmt: skip
"""Every setting that saves memory."""
ON_HOST = {
    "optimizer_on_host": {"train.training.optim.update.step_optimizer", "train.training.optim.update.step_where"},
    "ema_on_host": {"train.training.step.move_average"},
    "all of them": {
        "train.training.optim.update.step_optimizer",
        "train.training.optim.update.step_where",
        "train.training.step.move_average",
    },
    "adafactor": {"train.training.optim.update.step_where"},  # which counts its steps there
}
"""The functions that work on the host because a setting wants it."""


@pytest.mark.parametrize("name", MEMORY)
def test_memory_savings_work_on_the_gpu(name: str) -> None:
    config = configured("shallow", "sr1024", "optim.name=adam", *MEMORY[name])
    step = made(config)
    state = step.training
    assert devices(*state.model.parameters(), step.loss) == {"cuda"}
    assert devices(*state.ema.values()) == {"cpu" if config.memory.ema_on_host else "cuda"}
    assert devices(*state.optimized_parameters.values()) == {"cpu" if config.memory.optimizer_on_host else "cuda"}
    if config.optim.name != "adafactor":
        assert devices(*moments(state)) == devices(*state.optimized_parameters.values())
    assert cpu_outputs(step.whole) == ON_HOST.get(name, set())
    assert copies(step.whole, "host") <= ON_HOST.get(name, set())
    plain = made(configured("shallow", "sr1024", "optim.name=adam", "precision=fp32")).peak
    # So small a network's gradients are less than what its forward pass frees meanwhile.
    assert step.peak <= plain if name == "optimizer_in_backward" else step.peak < plain


def test_checkpointing_saves_gpu_memory_in_the_parallel_unet() -> None:
    whole = made(configured("shallow", "base", "precision=bf16"))
    assert made(configured("shallow", "base", "precision=bf16", "memory.checkpointing=true")).peak < whole.peak


SCHEDULED_ON_HOST = (
    "train.diffusion.randomness.", "train.diffusion.schedule.", "train.diffusion.samplers.",
    "train.inference.cascade.sample_stage", "train.inference.cascade.sampling_condition",
)  # fmt: skip
"""What of sampling is on the host: noise, and the numbers of the schedule."""


def stage_inputs(config: StageConfig) -> TryOnInputs:
    """Return what a stage reads of two samples, on the card."""

    def image(side: int) -> Tensor:
        return torch.zeros(2, 3, side, side, device=CUDA)

    low_res = image(config.low_res) if config.low_res else None
    if not config.is_try_on:
        return TryOnInputs(low_res=low_res, photo=torch.ones(2, 4, device=CUDA))
    poses = torch.zeros(2, 17, 3, device=CUDA)
    return TryOnInputs(image(config.size), image(config.size), poses, poses, low_res, torch.ones(2, 4, device=CUDA))


def sampled(stage: TrainedStage) -> tuple[Tensor, Traffic]:
    """Return two images, sampled in two steps, and the traffic of that."""
    with fake_cuda(), CardWatch() as watch:
        inputs = stage_inputs(stage.config)
        watch.taken()
        images = sample_stage(stage, inputs, 0, [0, 1], Overrides(steps=2))
        return images, watch.taken()


@every_use
def test_a_stage_samples_on_the_gpu(preset: str, stage: Stage, precision: str) -> None:
    config = configured(preset, stage, f"precision={precision}")
    images, traffic = sampled(TrainedStage(config, made(config).training.model, 1))
    assert (images.device.type, images.dtype) == ("cuda", torch.float32)
    assert images.shape == (2, 3, config.size, config.size)
    assert synchronisations(traffic) == set()
    assert {place for place in cpu_outputs(traffic) if not place.startswith(SCHEDULED_ON_HOST)} == set()
    table = {"train.diffusion.schedule.LinearSchedule.log_snr"} if config.diffusion.schedule == "linear" else set()
    sampling = {"train.inference.cascade.sample_stage", "train.inference.cascade.sampling_condition"}
    assert copies(traffic, "device") == sampling | table


@pytest.mark.parametrize("garment_film", ["t", "static"])
def test_loaded_weights_are_on_the_gpu(garment_film: str) -> None:
    config = configured(
        "shallow", "sr256", "model.garment=cross-attention", f"model.garment_film={garment_film}", "precision=bf16"
    )
    with fake_cuda():
        weights = {name: torch.empty_like(value) for name, value in build_model(config.model).state_dict().items()}
        stage = assemble_stage(config, weights, 1, CUDA)
    assert devices(*stage.model.parameters()) == {"cuda"}
    images, traffic = sampled(stage)
    assert images.device.type == "cuda"
    assert synchronisations(traffic) == set()


@every_use
def test_a_validation_runs_on_the_gpu(preset: str, stage: Stage, precision: str) -> None:
    """It fetches the losses of every evaluation, and waits for nothing else."""
    config = configured(preset, stage, f"precision={precision}")
    training = made(config).training
    samples = blank_batch(config, 4)
    stepper = Stepper(config, make_schedule(config.diffusion.schedule), CUDA)
    with fake_cuda(), CardWatch() as watch:
        found = validate(training, samples, stepper, lambda: False)
        traffic = watch.taken()
    assert found.loss == 1  # as every number that is read from a fake tensor
    assert synchronisations(traffic) == {"train.training.validation.loss.validate"}
    assert devices(*training.model.parameters()) == {"cuda"}


def written(run: Path, config: StageConfig) -> None:
    """Write the checkpoint that a CPU makes after one step."""
    training = init_training(config, CPU)
    for parameter in training.model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    step_optimizer(training)
    training.step = 1
    save_checkpoint(RunFolder(run), training, 1)


@pytest.fixture(scope="module", params=STAGES)
def checkpoint(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, StageConfig]:
    run, config = tmp_path_factory.mktemp("run"), configured("shallow", request.param, "precision=fp16")
    written(run, config)
    return run, config


def restored(run: Path, config: StageConfig) -> tuple[Training, Traffic]:
    """Return a training on the card that has been resumed from the checkpoint, and the traffic of that."""
    with fake_cuda(), CardWatch() as watch:
        training = init_training(config, CUDA)
        watch.taken()
        assert restore(RunFolder(run), training)
        assert training.step == 1
        return training, watch.taken()


@pytest.fixture(scope="module")
def resumed(checkpoint: tuple[Path, StageConfig]) -> Training:
    return restored(*checkpoint)[0]


def test_a_checkpoint_is_restored_to_the_gpu(resumed: Training) -> None:
    states = resumed.optimizer.state
    assert len(states) == len(list(resumed.model.parameters()))
    for parameter, state in states.items():
        shaped = [value for value in state.values() if value.shape == parameter.shape]
        assert len(shaped) == (1 if MOMENTUM in state else 2)
        for value in shaped:
            assert (value.device, value.stride()) == (parameter.device, parameter.stride())
    assert devices(*resumed.model.parameters(), *resumed.ema.values()) == {"cuda"}


def test_a_restored_run_steps_on_the_gpu(resumed: Training) -> None:
    assert devices(*(state["step"] for state in resumed.optimizer.state.values() if "step" in state)) == {"cuda"}
    with fake_cuda(), CardWatch() as watch:
        give_gradients(resumed)
        watch.taken()
        step_optimizer(resumed)
        assert watch.taken() == Traffic()


def test_a_step_counter_on_the_wrong_device_is_detected() -> None:
    """Fake tensors themselves do not notice what fused AdamW on a card refuses."""
    with fake_cuda(), CardWatch():
        weight = torch.nn.Parameter(torch.empty(3, device=CUDA))
        optimizer = torch.optim.AdamW([weight], fused=True)
        weight.grad = torch.empty_like(weight)
        optimizer.step()
        optimizer.state[weight]["step"] = torch.zeros(())
        with pytest.raises(AssertionError, match="given tensors on cpu and cuda"):
            optimizer.step()


def test_moments_on_the_host_are_restored_to_the_host(tmp_path: Path) -> None:
    config = configured("shallow", "sr1024", "memory.optimizer_on_host=true", "memory.ema_on_host=true")
    written(tmp_path, config)
    training, _ = restored(tmp_path, config)
    with fake_cuda(), CardWatch():
        give_gradients(training)
        step_optimizer(training)
    assert devices(*training.model.parameters()) == {"cuda"}
    assert devices(*moments(training), *training.ema.values(), *training.masters.values()) == {"cpu"}


def mib(size: int) -> str:
    return f"{size / 2**20:.1f} MiB"


@every_use
def test_the_plan_is_for_the_gpu(preset: str, stage: Stage, precision: str) -> None:
    config = configured(preset, stage, f"precision={precision}")
    # The batch that comes next, which is copied while the step is computed, is on the card as well.
    following = sum(tensor.nbytes for tensor in tensors_of(blank_batch(config, config.data.batch)))
    # The first stage is not on this card: the fake one makes no images.
    planned, taken = trace(config).peak - trace(config).previous, made(config).peak + following
    print(f"{preset} {stage} {precision}, batch of 8: planned {mib(planned)}, on the card {mib(taken)}")
    assert planned == pytest.approx(taken, rel=0.02)


@pytest.mark.parametrize(
    ("preset", "stage"),
    [
        ("shallow", "sr1024"),
        pytest.param("nano", "sr1024", marks=pytest.mark.slow),
        *(pytest.param("small", stage, marks=pytest.mark.slow) for stage in STAGES),
    ],
)
def test_activations_take_no_more_memory_on_the_gpu_than_on_a_cpu(preset: str, stage: Stage) -> None:
    config = configured(preset, stage, "precision=bf16")
    with fake_cuda():
        card, cpu = kept_per_sample(config, CUDA), kept_per_sample(config, CPU)
    print(f"{preset} {stage} bf16, kept a sample: on a CPU {mib(cpu)}, on the card {mib(card)}")
    assert card == pytest.approx(cpu, rel=0.02)


def test_the_fake_restores_torch() -> None:
    attention = torch.nn.functional.scaled_dot_product_attention
    with fake_cuda():
        assert torch.empty(1, device="cuda").is_cuda
        assert not torch.cuda.is_available()
    assert torch.nn.functional.scaled_dot_product_attention is attention
    assert not torch.is_autocast_enabled("cuda")
    assert not torch.cuda.is_available()
    assert torch.accelerator.current_accelerator() is None
    with pytest.raises(Exception, match=r"CUDA|cuda"):
        torch.empty(1, device="cuda")
    weight = torch.ones(3, requires_grad=True)
    (2 * weight).sum().backward()  # type: ignore[no-untyped-call]
    assert weight.grad is not None
    assert weight.grad.tolist() == [2.0, 2.0, 2.0]


def test_a_forked_process_can_still_learn() -> None:
    """The autograd engine refuses that where it has started threads for a device."""
    with fake_cuda():
        weight = torch.ones(3, device="cuda", requires_grad=True)
        weight.sum().backward()  # type: ignore[no-untyped-call]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # later Pythons warn of threads, of which torch has some
        child = os.fork()
    if not child:
        try:
            weight = torch.ones(3, requires_grad=True)
            weight.sum().backward()  # type: ignore[no-untyped-call]
            os._exit(0)
        except BaseException:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_compiled_function_still_learns() -> None:
    with fake_cuda():
        torch.empty(3, device="cuda", requires_grad=True).sum().backward()  # type: ignore[no-untyped-call]
    torch._dynamo.reset()
    weight = torch.ones(3, requires_grad=True)
    torch.compile(lambda x: (2 * x).square().sum(), backend="aot_eager")(weight).backward()
    torch._dynamo.reset()
    assert weight.grad is not None
    assert weight.grad.tolist() == [8.0, 8.0, 8.0]
