"""Forward process, prediction targets, and the loss."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from train.diffusion.objective import (
    Prediction,
    diffusion_loss,
    edge_error,
    interpret,
    loss_weight,
    q_sample,
    target,
    with_x0,
)
from train.diffusion.schedule import CosineSchedule, LinearSchedule
from train.models.condition import Condition

SCHEDULE = CosineSchedule()
PREDICTIONS: list[Prediction] = ["eps", "v", "x"]


def batch(size: int = 6) -> tuple[Tensor, Tensor, Tensor]:
    g = torch.Generator().manual_seed(0)
    x = torch.rand(size, 3, 4, 4, generator=g, dtype=torch.float64) * 2 - 1
    eps = torch.randn(size, 3, 4, 4, generator=g, dtype=torch.float64)
    return x, eps, torch.linspace(0.0, 1.0, size, dtype=torch.float64)


def test_mistake_3_the_forward_process_uses_the_image() -> None:
    x, eps, t = batch()
    z_t = q_sample(x, eps, t, SCHEDULE)
    alpha, sigma = SCHEDULE.alpha_sigma(t)
    for i in range(len(t)):
        torch.testing.assert_close(z_t[i], alpha[i] * x[i] + sigma[i] * eps[i])
    torch.testing.assert_close(z_t[0], x[0], rtol=0, atol=1e-3)
    torch.testing.assert_close(z_t[-1], eps[-1], rtol=0, atol=1e-3)
    moved = q_sample(x + 0.5, eps, t, SCHEDULE) - z_t
    torch.testing.assert_close(moved.mean((1, 2, 3)), 0.5 * alpha)


@pytest.mark.parametrize("prediction", PREDICTIONS)
@pytest.mark.parametrize("schedule", [CosineSchedule(), LinearSchedule()], ids=["cosine", "linear"])
def test_the_target_recovers_image_and_noise(prediction: Prediction, schedule: CosineSchedule | LinearSchedule) -> None:
    x, eps, t = batch()
    z_t = q_sample(x, eps, t, schedule)
    estimate = interpret(target(x, eps, t, schedule, prediction), z_t, t, schedule, prediction)
    torch.testing.assert_close(estimate.x0, x, rtol=0, atol=1e-9)
    torch.testing.assert_close(estimate.eps, eps, rtol=0, atol=1e-9)


@pytest.mark.parametrize("prediction", PREDICTIONS)
def test_image_and_noise_of_any_output_add_up_to_z_t(prediction: Prediction) -> None:
    x, eps, t = batch()
    z_t, wrong = q_sample(x, eps, t, SCHEDULE), torch.randn_like(eps)
    estimate = interpret(wrong, z_t, t, SCHEDULE, prediction)
    torch.testing.assert_close(q_sample(estimate.x0, estimate.eps, t, SCHEDULE), z_t)
    torch.testing.assert_close(with_x0(estimate.x0, z_t, t, SCHEDULE).eps[1:], estimate.eps[1:])


def test_v_is_the_derivative_along_the_angle() -> None:
    x, eps, t = batch()
    alpha, sigma = (value[:, None, None, None] for value in SCHEDULE.alpha_sigma(t))
    torch.testing.assert_close(target(x, eps, t, SCHEDULE, "v"), alpha * eps - sigma * x)


def test_the_loss_is_the_mean_squared_error_of_each_sample() -> None:
    x, eps, t = batch()
    condition = Condition(t[:, None])
    offset = torch.arange(6.0, dtype=torch.float64)

    def model(z_t: Tensor, _t: Tensor, _condition: Condition) -> Tensor:
        torch.testing.assert_close(z_t, q_sample(x, eps, t, SCHEDULE))
        return eps + offset[:, None, None, None]

    loss = diffusion_loss(model, x, eps, t, condition, SCHEDULE)
    torch.testing.assert_close(loss, offset**2, rtol=1e-5, atol=1e-10)


def test_min_snr_weights_all_predictions_equally_in_x0_space() -> None:
    t = torch.linspace(0.05, 0.95, 19, dtype=torch.float64)
    snr = SCHEDULE.log_snr(t).exp()
    in_x0 = snr.clamp(max=5.0)
    torch.testing.assert_close(loss_weight(t, SCHEDULE, "eps", 5.0) * snr, in_x0)
    torch.testing.assert_close(loss_weight(t, SCHEDULE, "v", 5.0) * (snr + 1), in_x0)
    assert (loss_weight(t, SCHEDULE, "eps", None) == 1.0).all()


def test_the_edge_error_counts_differences_between_neighbours() -> None:
    error = torch.zeros(3, 3, 16, 16)
    error[1] = 0.5  # another brightness alone
    error[2, :, :, 8:] = 0.5  # an edge in the middle
    found = edge_error(error, None)
    assert found[:2].tolist() == [0, 0]
    # One of 15, 7 and 3 differences across, none along.
    assert found[2].item() == pytest.approx(0.5 * (1 / 15 + 1 / 7 + 1 / 3))


def test_the_edge_error_takes_what_is_shown_for_right() -> None:
    inside = torch.zeros(2, 1, 16, 16, dtype=torch.bool)
    inside[0, :, 4:12, 4:12] = True
    error = torch.full((2, 3, 16, 16), 0.5, requires_grad=True)
    found = edge_error(error, inside)
    found.sum().backward()  # type: ignore[no-untyped-call]
    assert found[0].item() > 0  # another brightness than around it
    assert found[1].item() == 0
    assert error.grad is not None
    assert not error.grad.masked_fill(inside, 0.0).any()


@pytest.mark.parametrize("prediction", ["v", "x"])
def test_the_edge_loss_is_of_the_image_at_every_time(prediction: Prediction) -> None:
    x, eps, t = batch()
    wrong = torch.zeros_like(x)
    wrong[..., 2:] = 0.1
    z_t = q_sample(x, eps, t, SCHEDULE)
    output = target(x, eps, t, SCHEDULE, prediction) + (wrong if prediction == "x" else 0.0)

    def model(*_: object) -> Tensor:
        return output

    plain, edged = (
        diffusion_loss(model, x, eps, t, Condition(t[:, None]), SCHEDULE, prediction=prediction, edge_loss=weight)
        for weight in (0.0, 2.0)
    )
    found = interpret(output, z_t, t, SCHEDULE, prediction).x0 - x
    torch.testing.assert_close(edged - plain, 2.0 * edge_error(found, None), rtol=0, atol=1e-6)
    if prediction == "x":
        assert (edged > plain).all()
    else:
        torch.testing.assert_close(edged, plain, rtol=0, atol=1e-6)
