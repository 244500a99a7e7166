"""Preconditioning on the known image: algebra with known answers."""

import pytest
import torch
from torch import Tensor

from train.diffusion.objective import interpret, q_sample, target
from train.diffusion.precondition import Preconditioned
from train.diffusion.schedule import make_schedule
from train.models.condition import Condition

SHAPE = (4, 3, 8, 8)
TIMES = torch.tensor([0.02, 0.3, 0.7, 0.99])


def zero(z_t: Tensor, t: Tensor, condition: Condition, /) -> Tensor:
    return torch.zeros_like(z_t)


def known(centre: Tensor) -> Condition:
    return Condition(torch.zeros(len(centre), 2), Ia=centre)


def draw(seed: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(SHAPE, generator=generator), torch.randn(SHAPE, generator=generator)


@pytest.mark.parametrize("schedule", ["cosine", "linear"])
def test_zero_centre_and_unit_std_give_plain_v(schedule: str) -> None:
    chosen = make_schedule(schedule)  # type: ignore[arg-type]
    x, eps = draw(0)
    z_t = q_sample(x, eps, TIMES, chosen)
    denoiser = Preconditioned(lambda z, t, c, /: torch.sin(z), chosen, 1.0)
    assert torch.allclose(denoiser(z_t, TIMES, known(torch.zeros(SHAPE))), torch.sin(z_t), atol=1e-5)


@pytest.mark.parametrize("std", [0.1, 0.5])
def test_a_network_output_of_zero_gives_the_best_linear_estimate(std: float) -> None:
    """For r ~ N(0, s²) the posterior mean is μ + s²α / (s²α² + σ²) (z_t - αμ)."""
    schedule = make_schedule("cosine")
    centre, residual = draw(1)
    z_t = q_sample(centre + std * residual, draw(2)[0], TIMES, schedule)
    v = Preconditioned(zero, schedule, std)(z_t, TIMES, known(centre))
    alpha, sigma = (value[:, None, None, None] for value in schedule.alpha_sigma(TIMES))
    expected = centre + std**2 * alpha / (std**2 * alpha**2 + sigma**2) * (z_t - alpha * centre)
    assert torch.allclose(interpret(v, z_t, TIMES, schedule, "v").x0, expected, atol=1e-5)


def test_network_input_and_target_have_unit_variance() -> None:
    schedule, std = make_schedule("cosine"), 0.2
    generator = torch.Generator().manual_seed(3)
    centre, residual, eps = (torch.randn(4, 3, 64, 64, generator=generator) for _ in range(3))
    x = centre + std * residual
    z_t = q_sample(x, eps, TIMES, schedule)
    inputs: list[Tensor] = []

    def network(z: Tensor, t: Tensor, condition: Condition, /) -> Tensor:
        inputs.append(z)
        return torch.zeros_like(z)

    denoiser = Preconditioned(network, schedule, std)
    error = target(x, eps, TIMES, schedule, "v") - denoiser(z_t, TIMES, known(centre))
    wanted = error.square().mean((1, 2, 3)) * denoiser.weight(TIMES)
    assert torch.allclose(inputs[0].var((1, 2, 3)), torch.ones(4), atol=0.05)
    assert torch.allclose(wanted, torch.ones(4), atol=0.05)


def test_the_low_resolution_image_is_the_centre_if_present() -> None:
    schedule = make_schedule("cosine")
    Ia, low_res = draw(4)
    condition = Condition(torch.zeros(4, 3), Ia=Ia, low_res=low_res)
    late = torch.ones(4)
    v = Preconditioned(zero, schedule, 0.1)(torch.zeros(SHAPE), late, condition)
    assert torch.allclose(interpret(v, torch.zeros(SHAPE), late, schedule, "v").x0, low_res, atol=1e-3)


def shown_left(centre: Tensor, level: float = 0.0) -> Condition:
    """Return a condition whose Ia is mid-grey in its right half."""
    Ia = centre.clone()
    Ia[..., 4:] = 127 / 127.5 - 1
    return Condition(torch.tensor([level, 0.0]).repeat(len(centre), 1), Ia=Ia)


def test_the_std_is_smaller_where_ia_shows_the_person() -> None:
    schedule = make_schedule("cosine")
    centre, eps = draw(4)
    condition = shown_left(centre.sign())
    z_t = q_sample(centre, eps, TIMES, schedule)
    v = Preconditioned(zero, schedule, 0.5, 0.1)(z_t, TIMES, condition)
    few = Preconditioned(zero, schedule, 0.1)(z_t, TIMES, condition)
    many = Preconditioned(zero, schedule, 0.5)(z_t, TIMES, condition)
    assert torch.equal(v[..., :3], few[..., :3])
    assert torch.equal(v[..., 3:], many[..., 3:]), "the pixel beside the grey is a mixture with it"
    assert not torch.equal(few, many)


def test_noise_on_ia_and_a_dropped_condition_use_the_larger_std() -> None:
    schedule = make_schedule("cosine")
    centre, eps = draw(5)
    z_t = q_sample(centre, eps, TIMES, schedule)
    for condition in (shown_left(centre, level=0.3), known(torch.zeros(SHAPE))):
        assert torch.equal(
            Preconditioned(zero, schedule, 0.5, 0.1)(z_t, TIMES, condition),
            Preconditioned(zero, schedule, 0.5)(z_t, TIMES, condition),
        )


def test_with_x_the_network_predicts_the_residual_to_the_known_image() -> None:
    schedule = make_schedule("cosine")
    centre, eps = draw(6)
    x, condition = centre + 0.3, shown_left(centre)
    z_t = q_sample(x, eps, TIMES, schedule)

    def one(z_t: Tensor, t: Tensor, condition: Condition, /) -> Tensor:
        return torch.ones_like(z_t)

    denoiser = Preconditioned(one, schedule, 0.5, 0.1, "x")
    estimate = interpret(denoiser(z_t, TIMES, condition), z_t, TIMES, schedule, "x")
    assert condition.Ia is not None
    torch.testing.assert_close(estimate.x0[..., :3], condition.Ia[..., :3] + 0.1)
    torch.testing.assert_close(estimate.x0[..., 3:], condition.Ia[..., 3:] + 0.5)
    assert torch.equal(denoiser.weight(TIMES), torch.full_like(TIMES, 4.0))
