"""One step: a batch divided is the batch whole."""

from collections.abc import Callable

import pytest
import torch

from schemas import MID_GREY
from train.configuration.stage_config import StageConfig
from train.data import Batch
from train.diffusion.schedule import make_schedule
from train.memory.trace import blank_batch
from train.training.state import Training
from train.training.step import Stepper, init_training, micro_batches, sample_losses, train_step

TinyConfig = Callable[..., StageConfig]
CPU = torch.device("cpu")


def drawn_batch(config: StageConfig) -> Batch:
    """Return a batch whose samples differ, so that their weights in the mean matter."""
    batch = blank_batch(config, config.data.batch)
    generator = torch.Generator().manual_seed(0)
    assert batch.Ia is not None, "a try-on stage has Ia"
    batch.Ia[:, :, 8:-8, 8:-8] = MID_GREY  # what is to be painted
    batch.x.copy_(torch.randint(0, 256, batch.x.shape, generator=generator, dtype=torch.uint8))
    return batch


def stepped(config: StageConfig) -> tuple[Training, float]:
    training = init_training(config, CPU)
    loss = train_step(training, drawn_batch(config), Stepper(config, make_schedule("cosine"), CPU))
    return training, float(loss)


@pytest.mark.parametrize("micro", [1, 2, 3, 4, 9])
def test_micro_batches_add_up_to_the_batch(tiny: TinyConfig, micro: int) -> None:
    settings = (
        "data.batch=5",
        "optim.clip=null",
        "optim.eps=1.0",
        "optim.lr=1.0",
    )  # so large an ε makes the step linear
    whole, loss = stepped(tiny("base", *settings))
    parts, divided = stepped(tiny("base", *settings, f"memory.micro_batch={micro}"))
    assert divided == pytest.approx(loss, rel=1e-5)
    for before, first, second in zip(
        *(training.model.parameters() for training in (init_training(tiny("base"), CPU), whole, parts)), strict=True
    ):
        assert torch.allclose(first - before, second - before, rtol=1e-3, atol=1e-6)


def test_every_sample_is_in_one_micro_batch(tiny: TinyConfig) -> None:
    batch = drawn_batch(tiny("base", "data.batch=5"))
    parts = list(micro_batches(batch, 2))
    assert [part.positions for part in parts] == [(0, 1), (2, 3), (4,)]
    assert torch.equal(torch.cat([part.x for part in parts]), batch.x)
    assert all(part.Jp is not None and len(part.Jp) == len(part.positions) for part in parts)


def test_t_shift_applies_in_training_but_not_in_validation(tiny: TinyConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[torch.Tensor] = []

    def loss(model: object, x: torch.Tensor, eps: torch.Tensor, t: torch.Tensor, *_: object, **__: object) -> object:
        seen.append(t)
        return torch.zeros(len(t))

    monkeypatch.setattr("train.training.step.diffusion_loss", loss)
    model = torch.nn.Identity()
    for shift in (1.0, 3.0):
        config = tiny("base", f"diffusion.t_shift={shift}")
        stepper = Stepper(config, make_schedule("cosine"), CPU)
        sample_losses(model, drawn_batch(config), stepper)
        sample_losses(model, drawn_batch(config), stepper, t=torch.full((config.data.batch,), 0.5))
    plain, given, late, still_given = seen
    torch.testing.assert_close(late, 3.0 * plain / (1.0 + 2.0 * plain))
    assert torch.equal(given, still_given)


def test_validation_measures_the_diffusion_loss_alone(tiny: TinyConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that runs with other losses besides can be compared by it."""
    seen: list[tuple[object, object]] = []

    def loss(_model: object, x: torch.Tensor, *_: object, **given: object) -> torch.Tensor:
        seen.append((given["warp_loss"], given["edge_loss"]))
        return torch.zeros(len(x))

    monkeypatch.setattr("train.training.step.diffusion_loss", loss)
    config = tiny("base", "diffusion.warp_loss=2", "diffusion.edge_loss=3")
    stepper = Stepper(config, make_schedule("cosine"), CPU)
    sample_losses(torch.nn.Identity(), drawn_batch(config), stepper)
    sample_losses(torch.nn.Identity(), drawn_batch(config), stepper, t=torch.full((config.data.batch,), 0.5))
    assert seen == [(2.0, 3.0), (0.0, 0.0)]


def all_of(training: Training) -> list[torch.Tensor]:
    """Return weights, averaged weights and the optimizer's moments."""
    moments = [value for state in training.optimizer.state.values() for value in state.values()]
    return [*training.model.parameters(), *training.ema.values(), *moments]


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
@pytest.mark.parametrize("clip", ["1.0", "null"])
@pytest.mark.parametrize("where", ["loss", "gradient"])
def test_a_step_that_is_not_finite_changes_nothing_and_is_counted(
    tiny: TinyConfig, precision: str, clip: str, where: str
) -> None:
    config = tiny("base", f"precision={precision}", f"optim.clip={clip}")
    training, stepper = init_training(config, CPU), Stepper(config, make_schedule("cosine"), CPU)
    if training.scale is not None:
        training.scale.scale = torch.tensor(64.0)  # far inside of fp16's range
    train_step(training, drawn_batch(config), stepper)
    before = [value.detach().clone() for value in all_of(training)]
    first = next(training.model.parameters())
    if where == "loss":
        hook = training.model.register_forward_hook(lambda module, args, output: output * float("inf"))
    else:
        hook = first.register_hook(lambda gradient: gradient * float("nan"))  # type: ignore[no-untyped-call]
    for skipped in (1, 2):
        train_step(training, drawn_batch(config), stepper)
        assert (training.skipped, training.skipped_in_a_row) == (skipped, skipped)
    assert all(torch.equal(a, b) for a, b in zip(before, all_of(training), strict=True))
    hook.remove()
    train_step(training, drawn_batch(config), stepper)
    assert (training.step, training.skipped, training.skipped_in_a_row) == (4, 2, 0)
    assert not torch.equal(first, before[0])


@pytest.mark.parametrize("where", ["loss", "gradient"])
def test_in_backward_only_finite_gradients_are_stepped(tiny: TinyConfig, where: str) -> None:
    config = tiny("base", "memory.optimizer_in_backward=true", "optim.clip=null")
    training, stepper = init_training(config, CPU), Stepper(config, make_schedule("cosine"), CPU)
    before = [p.detach().clone() for p in training.model.parameters()]
    first = next(training.model.parameters())
    if where == "loss":
        training.model.register_forward_hook(lambda module, args, output: output * float("inf"))
    else:
        first.register_hook(lambda gradient: gradient * float("nan"))  # type: ignore[no-untyped-call]
    train_step(training, drawn_batch(config), stepper)
    same = [torch.equal(p, q) for p, q in zip(training.model.parameters(), before, strict=True)]
    assert same[0]
    assert all(same) == (where == "loss")
    assert (training.skipped, training.skipped_in_a_row) == (1, 1)
    assert all(p.isfinite().all() for p in training.model.parameters())
