"""Classifier-free guidance and thresholding."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from train.diffusion.conditioning import null_condition
from train.diffusion.guidance import guided_condition, guided_denoiser, guided_output, threshold_x0
from train.diffusion.objective import Prediction, q_sample
from train.diffusion.schedule import CosineSchedule
from train.models.condition import Condition

SCHEDULE = CosineSchedule()


class Recorder:
    """A denoiser that is linear in its inputs and records them."""

    def __init__(self) -> None:
        self.calls: list[tuple[Tensor, Tensor, Condition]] = []

    def __call__(self, z_t: Tensor, t: Tensor, condition: Condition) -> Tensor:
        self.calls.append((z_t, t, condition))
        assert condition.low_res is not None
        return 0.3 * z_t + t[:, None, None, None] + 2.0 * condition.low_res + condition.t_na[:, :1, None, None]


def inputs() -> tuple[Tensor, Tensor, Condition]:
    g = torch.Generator().manual_seed(0)
    z_t, low_res = torch.randn(2, 3, 3, 4, 4, generator=g)
    return z_t, torch.tensor([0.2, 0.5, 0.9]), Condition(torch.rand(3, 1, generator=g), low_res=low_res)


@pytest.mark.parametrize("weight", [0.0, 1.0, 2.0, 7.5])
def test_guidance_matches_imagens_formula(weight: float) -> None:
    model, (z_t, t, condition) = Recorder(), inputs()
    expected = weight * model(z_t, t, condition) + (1 - weight) * model(z_t, t, null_condition(condition))
    out = guided_output(model, z_t, t, guided_condition(condition, weight), weight)
    torch.testing.assert_close(out, expected)


def test_guidance_is_one_batch_of_twice_the_size() -> None:
    model, (z_t, t, condition) = Recorder(), inputs()
    guided_output(model, z_t, t, guided_condition(condition, 2.0), 2.0)
    (called_z, called_t, called) = model.calls[0]
    assert len(model.calls) == 1
    assert called.Ia is None
    assert called.low_res is not None
    assert torch.equal(called_z, torch.cat([z_t, z_t]))
    assert torch.equal(called_t, torch.cat([t, t]))
    assert torch.equal(called.t_na, torch.cat([condition.t_na, condition.t_na]))
    assert not called.low_res[3:].any()


def test_a_weight_of_one_needs_a_single_pass() -> None:
    model, (z_t, t, condition) = Recorder(), inputs()
    guided_output(model, z_t, t, guided_condition(condition, 1.0), 1.0)
    assert len(model.calls[0][0]) == 3


@pytest.mark.parametrize("prediction", ["eps", "v", "x"])
def test_thresholded_estimates_stay_in_range_and_add_up_to_z_t(prediction: Prediction) -> None:
    z_t, t, condition = inputs()
    denoise = guided_denoiser(Recorder(), condition, SCHEDULE, prediction=prediction)
    x0, eps = denoise(z_t, t)
    assert x0.abs().max() <= 1.0
    torch.testing.assert_close(q_sample(x0, eps, t, SCHEDULE), z_t)
    free = guided_denoiser(Recorder(), condition, SCHEDULE, prediction=prediction, threshold="none")(z_t, t)
    torch.testing.assert_close(free.x0.clamp(-1, 1), x0)


def test_dynamic_thresholding_divides_by_the_percentile_but_never_amplifies() -> None:
    calm = torch.linspace(-0.5, 0.5, 3 * 64).reshape(1, 3, 8, 8)
    wild = 6.0 * calm
    out = threshold_x0(torch.cat([calm, wild]), "dynamic")
    limit = torch.quantile(wild.abs(), 0.995)
    assert torch.equal(out[:1], calm)
    torch.testing.assert_close(out[1:], wild.clamp(-limit, limit) / limit)
    assert out.abs().max() <= 1.0


def test_no_threshold_changes_nothing() -> None:
    x0 = 3.0 * torch.randn(1, 3, 4, 4)
    assert threshold_x0(x0, "none") is x0
    assert torch.equal(threshold_x0(x0, "static"), x0.clamp(-1, 1))


@pytest.mark.parametrize(("time", "guided"), [(0.1, False), (0.2, True), (0.5, True), (0.8, True), (0.9, False)])
def test_guidance_is_applied_within_its_interval_alone(time: float, guided: bool) -> None:
    model, (z_t, _, condition) = Recorder(), inputs()
    t = torch.full((3,), time)
    found = guided_denoiser(model, condition, SCHEDULE, weight=3.0, interval=(0.2, 0.8))(z_t, t)
    plain = guided_denoiser(Recorder(), condition, SCHEDULE, weight=3.0 if guided else 1.0)(z_t, t)
    assert torch.equal(found.x0, plain.x0)
    assert len(model.calls[0][0]) == (6 if guided else 3)
    assert guided or model.calls[0][2] is condition
