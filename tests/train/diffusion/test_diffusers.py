"""Every sampler, step by step, against the corresponding scheduler of diffusers.

Both walk the same times of the same schedule with the same noise and are told the same x̂0 of every z_t, once as ε and
once as v. diffusers' DPM-Solver++ of order 2 is ours with ``solver_type="midpoint"``; its last step to σ = 0 is of
first order, so returns x̂0 itself, as our last steps do.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from train.diffusion.guidance import guided_denoiser
from train.diffusion.objective import Prediction
from train.diffusion.samplers import SAMPLERS
from train.diffusion.schedule import CosineSchedule, LinearSchedule, Schedule, expand_like
from train.models.condition import Condition

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning:diffusers")

STEPS = 10
CHAIN = torch.arange(1000, dtype=torch.float64) / 999
"""The times of the 1000 steps of diffusers' schedulers."""
WALKED = torch.arange(999, 0, -1000 // STEPS)
"""The steps at which both call the model: diffusers' "trailing" spacing."""

NAMES = {"ddpm": "DDPMScheduler", "ddim": "DDIMScheduler", "dpmpp_2m": "DPMSolverMultistepScheduler"}
PREDICTIONS: dict[Prediction, str] = {"eps": "epsilon", "v": "v_prediction"}
SETTINGS: dict[str, dict[str, Any]] = {
    "ddpm": {"variance_type": "fixed_small", "clip_sample": False},
    "ddim": {"set_alpha_to_one": True, "clip_sample": False},
    "dpmpp_2m": {"algorithm_type": "dpmsolver++", "solver_order": 2, "final_sigmas_type": "zero"},
}
SCHEDULES = pytest.mark.parametrize("schedule", [CosineSchedule(), LinearSchedule()], ids=["cosine", "linear"])


def noise(step: int) -> Tensor:
    return torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(step), dtype=torch.float64)


def model_of(schedule: Schedule, prediction: Prediction) -> Callable[[Tensor, Tensor, Condition], Tensor]:
    """A model whose output, for this prediction target, corresponds to x̂0 = tanh(0.7 z + sin(5 t))."""

    def model(z_t: Tensor, t: Tensor, _condition: Condition) -> Tensor:
        alpha, sigma = (expand_like(value, z_t) for value in schedule.alpha_sigma(t))
        x0 = torch.tanh(0.7 * z_t + expand_like(torch.sin(5.0 * t), z_t))
        eps = (z_t - alpha * x0) / sigma
        return eps if prediction == "eps" else alpha * eps - sigma * x0

    return model


def scheduler(name: str, schedule: Schedule, prediction: Prediction, **more: str) -> Any:
    """diffusers' scheduler with the noise levels of ``schedule``, in float64."""
    built = getattr(importlib.import_module("diffusers"), NAMES[name])(
        num_train_timesteps=1000,
        timestep_spacing="trailing",
        prediction_type=PREDICTIONS[prediction],
        **(SETTINGS[name] | more),
    )
    alpha, sigma = schedule.alpha_sigma(CHAIN)
    built.alphas_cumprod = alpha**2
    built.set_timesteps(STEPS)
    assert built.timesteps.tolist() == WALKED.tolist()
    if name == "dpmpp_2m":
        built.sigmas = torch.cat([(sigma / alpha)[WALKED], torch.zeros(1, dtype=torch.float64)])
    return built


def walk(name: str, schedule: Schedule, prediction: Prediction, theirs: Any) -> list[float]:
    """Return for each step from our z_t the largest difference between our next z_t (finally, image) and theirs."""
    calls: list[tuple[Tensor, Tensor]] = []
    model = model_of(schedule, prediction)

    def recorded(z_t: Tensor, t: Tensor, condition: Condition) -> Tensor:
        calls.append((z_t, model(z_t, t, condition)))
        return calls[-1][1]

    times = torch.cat([CHAIN[WALKED], torch.zeros(1, dtype=torch.float64)])
    condition = Condition(torch.zeros(2, 1), low_res=torch.zeros(2, 3, 4, 4))
    denoise = guided_denoiser(recorded, condition, schedule, weight=1.0, prediction=prediction, threshold="none")
    image = SAMPLERS[name](denoise, noise(99), times, schedule, noise)
    ours = [*(z_t for z_t, _ in calls[1:]), image]
    differences = []
    for k, (z_t, output), next_z in zip(theirs.timesteps, calls, ours, strict=True):
        differences.append(float((theirs.step(output, k, z_t).prev_sample - next_z).abs().max()))
    return differences


@SCHEDULES
@pytest.mark.parametrize("prediction", PREDICTIONS)
@pytest.mark.parametrize("name", NAMES)
def test_every_step_matches_diffusers(
    name: str, prediction: Prediction, schedule: Schedule, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = scheduler(name, schedule, prediction)
    if name == "ddpm":
        drawn = map(noise, range(STEPS))
        module = importlib.import_module("diffusers.schedulers.scheduling_ddpm")
        monkeypatch.setattr(module, "randn_tensor", lambda *_, **__: next(drawn))
    differences = walk(name, schedule, prediction, theirs)
    assert len(differences) == STEPS
    assert max(differences) < 1e-5, differences


def test_the_second_order_formula_is_the_midpoint_one() -> None:
    schedule = CosineSchedule()
    heun = walk("dpmpp_2m", schedule, "v", scheduler("dpmpp_2m", schedule, "v", solver_type="heun"))
    assert max(heun[1:-1]) > 1e-3
    assert max(heun[0], heun[-1]) < 1e-5  # the first and the last step are of first order in both


def test_the_linear_schedule_matches_ddpm() -> None:
    theirs = importlib.import_module("diffusers").DDPMScheduler(beta_start=1e-4, beta_end=0.02)
    alpha, _ = LinearSchedule().alpha_sigma(CHAIN)
    torch.testing.assert_close(theirs.alphas_cumprod.double(), alpha**2, rtol=1e-4, atol=0)
