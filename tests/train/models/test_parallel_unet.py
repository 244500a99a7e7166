"""The Parallel-UNet as a whole."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from train.models import PRESETS, ParallelUNet, ParallelUNetConfig, build_model, set_checkpointing
from train.models.condition import Condition
from train.models.warp.copying import split_copied

torch.set_num_threads(1)


def tiny(low_res_channels: int = 0) -> ParallelUNetConfig:
    return ParallelUNetConfig(
        image_size=16,
        channels=(8, 16, 16),
        person_down=(1, 2, 2),
        garment_down=(2, 1, 2),
        garment_up=(2, 1),
        attention_levels=(8, 4),
        head_dim=8,
        film_dim=16,
        pose_dim=16,
        low_res_channels=3 if low_res_channels else 0,
    )


def inputs(batch: int, height: int, width: int, low_res: bool = False) -> tuple[Tensor, Tensor, Condition]:
    g = torch.Generator().manual_seed(batch + height + width)
    z_t, Ia, Ic, low = torch.randn(4, batch, 3, height, width, generator=g)
    Jp, Jg = torch.rand(2, batch, 17, 3, generator=g)
    t, t_na = torch.rand(batch, generator=g), torch.rand(batch, 2 + low_res, generator=g)
    return z_t, t, Condition(t_na, Ia, Ic, Jp, Jg, low if low_res else None)


def select(condition: Condition, samples: Tensor) -> Condition:
    t_na, Ia, Ic, Jp, Jg, low_res = (None if x is None else x[samples] for x in condition)
    assert t_na is not None
    return Condition(t_na, Ia, Ic, Jp, Jg, low_res)


def trained(low_res_channels: int = 0, more: dict[str, bool] | None = None) -> ParallelUNet:
    """A model without zero-initialised parameters."""
    torch.manual_seed(0)
    model = ParallelUNet(tiny(low_res_channels).model_copy(update=more))
    for parameter in model.parameters():
        if not parameter.any():
            nn.init.normal_(parameter, std=0.05)
    return model


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("stage", ["base", "sr256"])
def test_presets_run_at_their_own_size(preset: str, stage: str) -> None:
    config = PRESETS[preset][stage]
    assert isinstance(config, ParallelUNetConfig)
    with torch.device("meta"):
        model = build_model(config)
        image, pose = torch.empty(2, 3, config.image_size, config.image_size), torch.empty(2, 17, 3)
        low_res = image if config.low_res_channels else None
        condition = Condition(torch.empty(2, config.condition_images), image, image, pose, pose, low_res)
        output = model(image, torch.empty(2), condition)
        copied = split_copied(output)
        assert (output if copied is None else copied.painted).shape == image.shape
        assert (copied is None) == (preset == "paper")


def test_every_decoder_block_gets_one_encoder_feature() -> None:
    """Spec A.3.1: one skip is concatenated per block; the input of each decoder ResBlock is as wide as two features."""
    model = ParallelUNet(tiny())
    for unet, depths in ((model.person, (2, 2, 1)), (model.garment, (2, 1))):
        widths = [[block.res.conv_in.in_channels for block in stack.blocks] for stack in unet.up]  # type: ignore[union-attr]
        assert [len(level) for level in widths] == list(depths)
        assert widths == [[2 * width] * depth for width, depth in zip((16, 16, 8), depths, strict=False)]


def test_attention_is_only_in_the_person_unet_at_the_configured_levels() -> None:
    model = ParallelUNet(tiny())
    attending = [name for name, module in model.named_modules() if name.endswith("self_attention") and module]
    assert all(name.startswith("person.") for name in attending)
    assert len(attending) == 2 * (2 + 2)


@pytest.mark.parametrize("low_res", [False, True], ids=["base", "sr"])
def test_no_parameter_is_without_gradient(low_res: bool) -> None:
    model = trained(low_res)
    z_t, t, condition = inputs(2, 16, 16, low_res)
    (model(z_t, t, condition) - torch.randn_like(z_t)).square().mean().backward()
    idle = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()]
    assert idle == []


@pytest.mark.parametrize("name", ["Ia", "Ic", "Jp", "Jg", "low_res", "t_na"])
def test_every_input_affects_the_output_after_one_step(name: str) -> None:
    torch.manual_seed(0)
    model = ParallelUNet(tiny(3))
    z_t, t, condition = inputs(2, 16, 16, True)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    (model(z_t, t, condition) - torch.randn_like(z_t)).square().mean().backward()
    optimizer.step()
    changed = condition._replace(**{name: 1.0 - getattr(condition, name)})
    with torch.no_grad():
        difference = (model(z_t, t, changed) - model(z_t, t, condition)).abs().amax((1, 2, 3))
    assert (difference > 1e-5).all()


def test_samples_of_a_batch_do_not_mix() -> None:
    model = trained(3).eval()
    z_t, t, condition = inputs(3, 16, 16, True)
    order = torch.tensor([2, 0, 1])
    with torch.no_grad():
        out = model(z_t, t, condition)
        permuted = model(z_t[order], t[order], select(condition, order))
        alone = model(z_t[1:2], t[1:2], select(condition, torch.tensor([1])))
    torch.testing.assert_close(permuted, out[order], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(alone, out[1:2], rtol=1e-4, atol=1e-5)


def test_checkpointing_changes_no_gradient() -> None:
    model = trained()
    z_t, t, condition = inputs(2, 16, 16)
    gradients = []
    for enabled in (False, True):
        set_checkpointing(model, enabled)
        model.zero_grad()
        model(z_t, t, condition).square().mean().backward()
        gradients.append([p.grad.clone() for p in model.parameters() if p.grad is not None])
    for plain, recomputed in zip(*gradients, strict=True):
        torch.testing.assert_close(recomputed, plain)


def test_bfloat16_autocast_stays_close() -> None:
    model = trained()
    z_t, t, condition = inputs(2, 16, 16)
    with torch.no_grad():
        exact = model(z_t, t, condition)
        with torch.autocast("cpu", torch.bfloat16):
            out = model(z_t, t, condition)
    assert out.dtype == torch.bfloat16
    torch.testing.assert_close(out.float(), exact, rtol=0.1, atol=0.1)


def test_channels_last_gives_the_same() -> None:
    model = trained().eval()
    z_t, t, condition = inputs(2, 16, 16)
    with torch.no_grad():
        expected = model(z_t, t, condition)
        model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        out = model(z_t.to(memory_format=torch.channels_last), t, condition)
    torch.testing.assert_close(out, expected, rtol=1e-4, atol=1e-5)


def test_a_wrong_condition_is_refused() -> None:
    z_t, t, condition = inputs(1, 16, 16, True)
    with pytest.raises(ValueError, match="needs Ia, Ic, Jp and Jg"):
        ParallelUNet(tiny())(z_t, t, condition._replace(Jg=None))
    with pytest.raises(ValueError, match="low_res"):
        ParallelUNet(tiny())(z_t, t, condition)
    with pytest.raises(ValueError, match="low_res"):
        ParallelUNet(tiny(3))(z_t, t, condition._replace(low_res=None))
    with pytest.raises(ValueError, match=r"t_na is \(1, 3\).* \(1, 2\)"):
        ParallelUNet(tiny())(z_t, t, condition._replace(low_res=None))
    with pytest.raises(ValueError, match=r"z_t is \(1, 3, 18, 16\).* multiples of 4"):
        ParallelUNet(tiny())(z_t.new_zeros(1, 3, 18, 16), t, inputs(1, 18, 16)[2])


@pytest.mark.parametrize("low_res", [False, True], ids=["base with limb maps and warp", "sr"])
def test_torch_export_gives_the_same(low_res: bool) -> None:
    model = trained(low_res, {} if low_res else {"pose_maps": True, "warp": True}).eval()
    arguments = inputs(2, 16, 16, low_res)
    program = torch.export.export(model, arguments)
    torch.testing.assert_close(program.module()(*arguments), model(*arguments))


@pytest.mark.parametrize("low_res", [0, 3])
def test_an_ignored_garment_has_no_influence(low_res: int) -> None:
    """Neither Ic nor Jg nor the noise level of Ic, whatever their values."""
    torch.manual_seed(0)
    model = ParallelUNet(tiny(low_res).model_copy(update={"garment": "none"}))
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.1)
    z_t, t, condition = inputs(2, 16, 16, bool(low_res))
    t_na = condition.t_na.clone()
    t_na[:, 1] = 1.0 - t_na[:, 1]
    assert condition.Ic is not None
    assert condition.Jg is not None
    other = condition._replace(t_na=t_na, Ic=-condition.Ic, Jg=1.0 - condition.Jg)
    with torch.no_grad():
        out = model(z_t, t, condition)
        assert torch.equal(model(z_t, t, other), out)
        t_na[:, 0] = 1.0 - t_na[:, 0]
        assert not torch.allclose(model(z_t, t, condition._replace(t_na=t_na)), out)


@pytest.mark.parametrize("garment", ["concatenation", "none"])
def test_the_baselines_have_neither_garment_unet_nor_cross_attention(garment: str) -> None:
    model = ParallelUNet(tiny().model_copy(update={"garment": garment}))
    names = {name for name, _ in model.named_parameters()}
    assert not any(name.startswith("garment.") or "cross_attention" in name for name in names)
    assert any("self_attention" in name for name in names)
    first = model.person.down[0].resample
    assert isinstance(first, nn.Conv2d)
    assert first.in_channels == (9 if garment == "concatenation" else 6)
    *_, condition = inputs(1, 16, 16)
    with pytest.raises(ValueError, match=f"garment={garment}: the model has no garment-UNet"):
        model.encode_garment(condition)
