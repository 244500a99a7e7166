"""Properties of both networks for any configuration and image size."""

from __future__ import annotations

from typing import Literal

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from train.models import (
    EfficientUNet,
    EfficientUNetConfig,
    ModelConfig,
    ParallelUNet,
    ParallelUNetConfig,
    build_model,
)
from train.models.condition import Condition

torch.set_num_threads(1)

BATCH = 3
Inputs = tuple[Tensor, Tensor, Condition]


@st.composite
def parallel_unets(draw: st.DrawFn) -> ParallelUNetConfig:
    """Two to four levels, one or two blocks each, heads of several widths, attention at any of the lower levels."""
    depth, head_dim = draw(st.integers(2, 4)), draw(st.sampled_from((4, 8, 12)))
    bottom, patch = draw(st.integers(1, 3)), draw(st.sampled_from((1, 1, 2)))
    resolutions = [bottom << level for level in range(depth - 1, -1, -1)]
    attended = draw(st.sets(st.sampled_from(range(1, depth)), min_size=1))

    def width(level: int) -> int:
        return head_dim * draw(st.integers(1, 48 // head_dim)) if level in attended else draw(st.integers(8, 48))

    def blocks() -> tuple[int, ...]:
        return tuple(draw(st.integers(1, 2)) for _ in range(depth))

    garment_down = blocks()
    garment: Literal["cross-attention", "concatenation", "none"] = draw(
        st.sampled_from(("cross-attention", "cross-attention", "concatenation", "none"))
    )
    return ParallelUNetConfig(
        image_size=patch * resolutions[0],
        patch=patch,
        channels=tuple(width(level) for level in range(depth)),
        person_down=blocks(),
        garment_down=garment_down,
        garment_up=garment_down[min(attended) :][::-1],
        attention_levels=tuple(resolutions[level] for level in sorted(attended)),
        head_dim=head_dim,
        film_dim=2 * draw(st.integers(4, 16)),
        pose_dim=head_dim * draw(st.integers(1, 3)),
        low_res_channels=draw(st.sampled_from((0, 3))),
        garment_film=draw(st.sampled_from(("t", "static"))) if garment == "cross-attention" else "t",
        garment=garment,
        pose_maps=draw(st.booleans()),
        warp=draw(st.booleans()) if garment != "none" else False,
    )


@st.composite
def efficient_unets(draw: st.DrawFn) -> EfficientUNetConfig:
    """One to three levels."""
    depth = draw(st.integers(1, 3))
    return EfficientUNetConfig(
        channels=tuple(draw(st.integers(4, 48)) for _ in range(depth)),
        blocks=tuple(draw(st.integers(1, 2)) for _ in range(depth)),
        emb_dim=2 * draw(st.integers(4, 16)),
    )


def inputs(config: ModelConfig, bottom: tuple[int, int]) -> Inputs:
    """Return z_t, t and a condition for images whose bottom level has this height and width."""
    g = torch.Generator().manual_seed(0)
    height, width = (side * config.stride for side in bottom)
    z_t, Ia, Ic, low_res = torch.randn(4, BATCH, 3, height, width, generator=g)
    t = torch.rand(BATCH, generator=g)
    if isinstance(config, EfficientUNetConfig):
        return z_t, t, Condition(torch.rand(BATCH, 1, generator=g), low_res=low_res)
    Jp, Jg = torch.rand(2, BATCH, config.keypoints, 3, generator=g)
    t_na = torch.rand(BATCH, config.condition_images, generator=g)
    return z_t, t, Condition(t_na, Ia, Ic, Jp, Jg, low_res if config.low_res_channels else None)


def rows(given: Inputs, order: Tensor) -> Inputs:
    """Return the samples of a batch in another order."""
    z_t, t, condition = given
    t_na, *others = (None if value is None else value[order] for value in condition)
    assert t_na is not None
    return z_t[order], t[order], Condition(t_na, *others)


def fresh(config: ModelConfig) -> ParallelUNet | EfficientUNet:
    torch.manual_seed(0)
    return build_model(config)


def filled(config: ModelConfig) -> ParallelUNet | EfficientUNet:
    """A network with random values for zero-initialised parameters, which would block all gradients behind them."""
    model = fresh(config)
    for parameter in model.parameters():
        if not parameter.any():
            nn.init.normal_(parameter, std=0.05)
    return model


CONFIGS = st.one_of(parallel_unets(), parallel_unets(), efficient_unets())
BOTTOMS = st.tuples(st.integers(2, 4), st.integers(2, 4))
examples = settings(max_examples=25, deadline=None, derandomize=True)


@examples
@given(config=CONFIGS, bottom=st.tuples(st.integers(1, 4), st.integers(1, 4)))
def test_the_output_has_the_shape_of_z_t(config: ModelConfig, bottom: tuple[int, int]) -> None:
    z_t, t, condition = inputs(config, bottom)
    with torch.no_grad():
        out = fresh(config)(z_t, t, condition)
    assert out.shape == z_t.shape
    assert out.isfinite().all()


@examples
@given(config=CONFIGS, bottom=BOTTOMS)
def test_no_parameter_is_without_gradient(config: ModelConfig, bottom: tuple[int, int]) -> None:
    model = filled(config)
    z_t, t, condition = inputs(config, bottom)
    (model(z_t, t, condition) - torch.randn_like(z_t)).square().mean().backward()
    assert [name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()] == []


@examples
@given(config=CONFIGS, bottom=BOTTOMS, order=st.permutations(range(3)), other=st.integers(0, 2))
def test_samples_of_a_batch_do_not_mix(
    config: ModelConfig, bottom: tuple[int, int], order: list[int], other: int
) -> None:  # fmt: skip
    """Permuting the batch permutes the output; changing one sample changes only its output."""
    model = filled(config)
    whole, kept = inputs(config, bottom), torch.arange(3) != other
    z_t, t, condition = rows(whole, torch.arange(3))
    for value in (z_t, t, *condition):
        if value is not None:
            value[other] = 1.0 - value[other]
    with torch.no_grad():
        out = model(*whole)
        permuted = model(*rows(whole, torch.tensor(order)))
        changed = model(z_t, t, condition)
    torch.testing.assert_close(permuted, out[order], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(changed[kept], out[kept], rtol=1e-5, atol=1e-6)
    assert not torch.allclose(changed[other], out[other], rtol=1e-3, atol=1e-4)


@examples
@given(config=CONFIGS, bottom=BOTTOMS)
def test_every_input_affects_the_output_after_one_step(config: ModelConfig, bottom: tuple[int, int]) -> None:
    """A new network may ignore its condition; after one training step it depends on it, in every sample.

    Only what says something of the garment stays without effect where the garment is to be hidden.
    """
    hidden = isinstance(config, ParallelUNetConfig) and config.garment == "none"
    model = fresh(config)
    z_t, t, condition = inputs(config, bottom)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    (model(z_t, t, condition) - torch.randn_like(z_t)).square().mean().backward()
    optimizer.step()
    with torch.no_grad():
        out = model(z_t, t, condition)
        for name, value in condition._asdict().items():
            if value is not None:
                changed = model(z_t, t, condition._replace(**{name: 1.0 - value}))
                if hidden and name in ("Ic", "Jg"):
                    assert torch.equal(changed, out), name
                else:
                    assert ((changed - out).abs().amax((1, 2, 3)) > 1e-6).all(), name
        assert ((model(z_t, 1.0 - t, condition) - out).abs().amax((1, 2, 3)) > 1e-6).all(), "t"
