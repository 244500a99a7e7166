"""The Efficient-UNet as a whole."""

from __future__ import annotations

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from train.models import PRESETS, EfficientUNet, EfficientUNetConfig, build_model, set_checkpointing
from train.models.blocks import ResBlock
from train.models.condition import Condition

torch.set_num_threads(1)

TINY = EfficientUNetConfig(channels=(8, 12, 16), blocks=(1, 2, 2), emb_dim=16)


def inputs(batch: int, height: int, width: int) -> tuple[Tensor, Tensor, Condition]:
    g = torch.Generator().manual_seed(batch + height + width)
    z_t, low_res = torch.randn(2, batch, 3, height, width, generator=g)
    return z_t, torch.rand(batch, generator=g), Condition(torch.rand(batch, 1, generator=g), low_res=low_res)


def trained() -> EfficientUNet:
    """A model without zero-initialised parameters."""
    torch.manual_seed(0)
    model = EfficientUNet(TINY)
    for parameter in model.parameters():
        if not parameter.any():
            nn.init.normal_(parameter, std=0.05)
    return model


@pytest.fixture(scope="module")
def papers() -> nn.Module:
    """The paper's network on the meta device."""
    with torch.device("meta"):
        return build_model(PRESETS["paper"]["sr1024"])


@pytest.mark.slow
@settings(max_examples=12, deadline=None, derandomize=True)
@given(height=st.integers(4, 64), width=st.integers(4, 64))
@example(height=64, width=64)
@example(height=4, width=4)
def test_the_paper_network_runs_at_any_multiple_of_16(papers: nn.Module, height: int, width: int) -> None:
    with torch.device("meta"):
        z_t = torch.empty(1, 3, 16 * height, 16 * width)
        out = papers(z_t, torch.empty(1), Condition(torch.empty(1, 1), low_res=torch.empty_like(z_t)))
    assert out.shape == z_t.shape


def test_residual_blocks_run_below_the_full_resolution() -> None:
    """Imagen App. B.1: downsampling before, upsampling after the convolutions; for 32² they run at 16², 8², 4²."""
    sizes: list[int] = []
    model = trained()
    for module in model.modules():
        if isinstance(module, ResBlock):
            module.register_forward_hook(lambda _module, arguments, _out: sizes.append(arguments[0].shape[-1]))
    model(*inputs(1, 32, 32))
    assert sizes == [16, 8, 8, 4, 4, 4, 4, 8, 8, 16]


def test_no_parameter_is_without_gradient() -> None:
    model = trained()
    z_t, t, condition = inputs(2, 16, 16)
    (model(z_t, t, condition) - torch.randn_like(z_t)).square().mean().backward()
    assert [name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()] == []


@pytest.mark.parametrize("name", ["low_res", "t_na"])
def test_every_input_affects_the_output(name: str) -> None:
    model = trained()
    z_t, t, condition = inputs(2, 16, 16)
    changed = condition._replace(**{name: 1.0 - getattr(condition, name)})
    assert not torch.allclose(model(z_t, t, changed), model(z_t, t, condition))


def test_samples_of_a_batch_do_not_mix() -> None:
    model = trained().eval()
    z_t, t, condition = inputs(3, 16, 16)
    assert condition.low_res is not None
    order = torch.tensor([2, 0, 1])
    with torch.no_grad():
        out = model(z_t, t, condition)
        permuted = model(z_t[order], t[order], Condition(condition.t_na[order], low_res=condition.low_res[order]))
    torch.testing.assert_close(permuted, out[order], rtol=1e-4, atol=1e-5)


def test_the_network_is_translation_equivariant() -> None:
    """Only group statistics are global: shifting the input by the stride shifts the output's interior."""
    model = EfficientUNet(TINY).eval()
    z_t, t, condition = inputs(1, 64, 64)
    assert condition.low_res is not None
    with torch.no_grad():
        out = model(z_t, t, condition)
        rolled = model(z_t.roll(8, 3), t, condition._replace(low_res=condition.low_res.roll(8, 3)))
    torch.testing.assert_close(rolled.roll(-8, 3)[..., 24:40], out[..., 24:40], rtol=0.05, atol=0.05)


def test_checkpointing_changes_no_gradient() -> None:
    model = trained()
    gradients = []
    for enabled in (False, True):
        set_checkpointing(model, enabled)
        model.zero_grad()
        model(*inputs(2, 16, 16)).square().mean().backward()
        gradients.append([p.grad.clone() for p in model.parameters() if p.grad is not None])
    for plain, recomputed in zip(*gradients, strict=True):
        torch.testing.assert_close(recomputed, plain)


def test_wrong_inputs_are_refused() -> None:
    model = EfficientUNet(TINY)
    z_t, t, condition = inputs(1, 12, 16)
    with pytest.raises(ValueError, match=r"12, 16\).* multiples of 8"):
        model(z_t, t, condition)
    z_t, t, condition = inputs(1, 16, 16)
    with pytest.raises(ValueError, match="needs low_res"):
        model(z_t, t, condition._replace(low_res=None))
    with pytest.raises(ValueError, match=r"t_na is \(1, 2\).* \(1, 1\)"):
        model(z_t, t, condition._replace(t_na=torch.rand(1, 2)))


def test_torch_export_gives_the_same() -> None:
    model, arguments = trained().eval(), inputs(2, 16, 16)
    program = torch.export.export(model, arguments)
    torch.testing.assert_close(program.module()(*arguments), model(*arguments))
