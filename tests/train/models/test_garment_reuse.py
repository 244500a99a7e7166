"""A static garment-UNet, which does not depend on t, and the reuse of its features across sampling steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import pytest
import torch
from torch import Tensor, nn

from train.diffusion.guidance import guided_denoiser
from train.diffusion.samplers import SAMPLERS, time_grid
from train.diffusion.schedule import CosineSchedule
from train.models import PRESETS, GarmentReuse, ParallelUNet, ParallelUNetConfig
from train.models.condition import Condition

torch.set_num_threads(1)

SHAPE = (2, 3, 16, 16)


def config(film: Literal["t", "static"], low_res_channels: Literal[0, 3] = 0) -> ParallelUNetConfig:
    return ParallelUNetConfig(
        image_size=16, channels=(8, 16), person_down=(1, 2), garment_down=(1, 2), garment_up=(2,),
        attention_levels=(8,), head_dim=8, film_dim=16, pose_dim=16, low_res_channels=low_res_channels,
        garment_film=film,
    )  # fmt: skip


def trained(film: Literal["t", "static"], low_res_channels: Literal[0, 3] = 0) -> ParallelUNet:
    """A model without zero-initialised parameters."""
    torch.manual_seed(0)
    model = ParallelUNet(config(film, low_res_channels)).requires_grad_(False)
    for parameter in model.parameters():
        if not parameter.any():
            nn.init.normal_(parameter, std=0.05)
    return model


def condition(seed: int, low_res: bool = False) -> Condition:
    g = torch.Generator().manual_seed(seed)
    Ia, Ic, low = torch.randn(3, *SHAPE, generator=g).tanh()
    Jp, Jg = torch.rand(2, 2, 17, 3, generator=g)
    return Condition(torch.rand(2, 2 + low_res, generator=g), Ia, Ic, Jp, Jg, low if low_res else None)


def count_calls(module: nn.Module) -> Callable[[], int]:
    calls: list[int] = []
    module.register_forward_hook(lambda *_: calls.append(1))
    return lambda: len(calls)


def noise(seed: int) -> Tensor:
    return torch.randn(SHAPE, generator=torch.Generator().manual_seed(seed))


def test_both_variants_have_the_same_weights() -> None:
    shapes = [{k: v.shape for k, v in ParallelUNet(config(film)).state_dict().items()} for film in ("t", "static")]
    assert shapes[0] == shapes[1]


def test_the_paper_variant_is_the_default_and_not_written_to_json() -> None:
    """Run folders from before the option existed stay valid and comparable."""
    paper = PRESETS["paper"]["base"]
    assert isinstance(paper, ParallelUNetConfig)
    assert paper.garment_film == "t"
    assert "garment_film" not in paper.model_dump_json()
    static = config("static")
    assert ParallelUNetConfig.model_validate_json(static.model_dump_json()) == static


@pytest.mark.parametrize(("film", "depends"), [("t", True), ("static", False)])
def test_only_the_paper_garment_unet_depends_on_t(film: Literal["t", "static"], depends: bool) -> None:
    model, outputs = trained(film), []
    assert model.garment is not None
    model.garment.register_forward_hook(lambda _m, _a, out: outputs.append(out))
    first = model(noise(0), torch.tensor([0.1, 0.9]), condition(0))
    second = model(noise(0), torch.tensor([0.6, 0.2]), condition(0))
    assert not torch.equal(first, second)
    pairs = zip([*outputs[0].down, *outputs[0].up], [*outputs[1].down, *outputs[1].up], strict=True)
    assert [torch.equal(a, b) for a, b in pairs] == [not depends] * 3


@pytest.mark.parametrize("name", ["t_na", "Ic", "Jp", "Jg"])
def test_static_features_depend_on_all_other_inputs(name: str) -> None:
    model = trained("static")
    changed = condition(0)._replace(**{name: 0.5 * getattr(condition(0), name)})
    one, other = model.encode_garment(condition(0)), model.encode_garment(changed)
    assert all(not torch.equal(a, b) for a, b in zip(one.up, other.up, strict=True))


def test_features_that_depend_on_t_cannot_be_reused() -> None:
    with pytest.raises(ValueError, match=r'garment_film="t".*change with t'):
        trained("t").encode_garment(condition(0))
    with pytest.raises(ValueError, match="need Ic, Jp and Jg"):
        trained("static").encode_garment(condition(0)._replace(Ic=None))


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("weight", [1.0, 2.0], ids=["plain", "guided"])
def test_reuse_gives_the_same_bits_from_one_evaluation(sampler: str, weight: float) -> None:
    model, schedule = trained("static", 3), CosineSchedule()
    assert model.garment is not None
    garments, persons = count_calls(model.garment), count_calls(model.person)
    images, evaluations = [], []
    for denoiser in (model, GarmentReuse(model)):
        before = garments()
        denoise = guided_denoiser(denoiser, condition(0, low_res=True), schedule, weight=weight)
        images.append(SAMPLERS[sampler](denoise, noise(1), time_grid(5), schedule, noise))
        evaluations.append(garments() - before)
    assert torch.equal(*images)
    assert evaluations == [5, 1]
    assert persons() == 10


def test_another_condition_recomputes_the_features() -> None:
    model, t = trained("static"), torch.tensor([0.3, 0.7])
    reuse = GarmentReuse(model)
    for seed in (0, 1, 0):
        assert torch.equal(reuse(noise(0), t, condition(seed)), model(noise(0), t, condition(seed)))
