import pytest
import torch

from train.configuration.settings import stage_config
from train.configuration.stage_config import StageConfig
from train.diffusion.schedule import make_schedule
from train.memory.trace import blank_batch
from train.training.loss_scale import INTERVAL, LossScale
from train.training.step import Stepper, init_training, train_step


def test_the_loss_scale_matches_gradscaler() -> None:
    ours, theirs = LossScale.initial(torch.device("cpu")), torch.amp.GradScaler("cpu")
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter])
    theirs.scale(torch.ones(1))
    for step in range(2 * INTERVAL + 10):
        finite = step not in (3, 4, 2500)
        parameter.grad = torch.full((1,), 1.0 if finite else float("inf"))
        theirs.step(optimizer)
        theirs.update()
        ours.update(torch.tensor(finite))
        assert (float(ours.scale), int(ours.good)) == (theirs.get_scale(), theirs._get_growth_tracker()), step
    assert ours.scale < 65536.0


def tiny(*settings: str) -> StageConfig:
    return stage_config("nano", "sr1024", None, ["data.batch=2", "precision=fp16", *settings])


@pytest.mark.parametrize("on_host", ["true", "false"])
def test_a_step_with_an_overflow_changes_nothing_and_is_counted(on_host: str) -> None:
    config = tiny(f"memory.optimizer_on_host={on_host}")
    training = init_training(config, torch.device("cpu"))
    assert training.scale is not None
    training.scale.scale = torch.tensor(2.0**120)  # times the loss it leaves fp16's range
    before = [p.detach().clone() for p in training.model.parameters()]
    stepper = Stepper(config, make_schedule(config.diffusion.schedule), torch.device("cpu"))
    train_step(training, blank_batch(config, 2), stepper)
    assert all(torch.equal(p, q) for p, q in zip(training.model.parameters(), before, strict=True))
    assert (training.step, int(training.skipped), float(training.scale.scale)) == (1, 1, 2.0**119)
    assert all(p.grad is None for p in training.model.parameters())
    training.scale.scale = torch.tensor(1024.0)
    train_step(training, blank_batch(config, 2), stepper)
    assert (training.skipped, training.skipped_in_a_row) == (1, 0)
    assert any(not torch.equal(p, q) for p, q in zip(training.model.parameters(), before, strict=True))
