"""Building a Condition in the same way for training and sampling, and the mistakes that this prevents."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from train.diffusion.conditioning import (
    TryOnInputs,
    augment,
    build_condition,
    downsample,
    from_uint8,
    null_condition,
    to_uint8,
)
from train.diffusion.randomness import SampleNoise
from train.models.condition import Condition

SIZE = (16, 16)


def raw(batch: int = 4) -> TryOnInputs:
    g = torch.Generator().manual_seed(0)
    Ia, Ic = torch.rand(2, batch, 3, *SIZE, generator=g) * 2 - 1
    low_res = torch.rand(batch, 3, 8, 8, generator=g) * 2 - 1
    Jp, Jg = torch.rand(2, batch, 17, 3, generator=g) * 0.9 + 0.1
    return TryOnInputs(Ia, Ic, Jp, Jg, low_res)


def noises(inputs: TryOnInputs) -> tuple[Tensor, ...]:
    g = torch.Generator().manual_seed(1)
    return tuple(torch.randn(image.shape, generator=g) for image in inputs.images)


def given(value: Tensor | None) -> Tensor:
    assert value is not None
    return value


def test_mistake_1_low_res_has_the_same_range_in_training_and_sampling() -> None:
    """The same image gives the same bits, once as uint8 from a shard and once as the previous stage's output."""
    pixels = torch.randint(0, 256, (2, 3, 8, 8), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    stored, sampled = from_uint8(pixels), from_uint8(to_uint8(from_uint8(pixels)))
    t_na, noise = torch.tensor([[0.3], [0.7]]), (torch.randn(2, 3, 8, 8),)
    training = build_condition(TryOnInputs(low_res=stored), SIZE, t_na=t_na, noise=noise, drop=torch.zeros(2).bool())
    sampling = build_condition(TryOnInputs(low_res=sampled), SIZE, t_na=t_na, noise=noise)
    assert torch.equal(given(training.low_res), given(sampling.low_res))
    assert stored.min() < -0.9
    assert stored.max() > 0.9


def test_training_and_sampling_build_the_same_bits_from_keyed_noise() -> None:
    inputs = raw()

    def build(positions: range, part: slice, drop: Tensor | None) -> Condition:
        source = SampleNoise(7, "sr256", positions)
        chosen = TryOnInputs(*(given(x)[part] for x in (inputs.Ia, inputs.Ic, inputs.Jp, inputs.Jg, inputs.low_res)))
        noise = tuple(source.normal(tuple(x.shape[1:]), "na", i) for i, x in enumerate(chosen.images))
        return build_condition(chosen, SIZE, t_na=source.uniform((3,), "t_na"), noise=noise, drop=drop)

    training, sampling = build(range(4), slice(0, 4), torch.zeros(4).bool()), build(range(2, 4), slice(2, 4), None)
    for one, other in zip(training, sampling, strict=True):
        assert torch.equal(given(one)[2:], given(other))


def test_mistake_6_there_is_one_level_per_sample_and_image() -> None:
    inputs = raw(2)
    noise = noises(inputs)
    t_na = torch.tensor([[0.0, 0.5, 1.0], [1.0, 0.0, 0.5]])
    condition = build_condition(inputs, SIZE, t_na=t_na, noise=noise)
    assert torch.equal(given(condition.Ia)[0], given(inputs.Ia)[0])
    torch.testing.assert_close(given(condition.Ia)[1], noise[0][1], rtol=0, atol=1e-3)
    assert torch.equal(given(condition.Ic)[1], given(inputs.Ic)[1])
    half = (given(inputs.Ic)[0] + noise[1][0]) * 0.5**0.5
    torch.testing.assert_close(given(condition.Ic)[0], half)
    assert torch.equal(condition.t_na, t_na)


def test_mistake_6_dropped_samples_are_null_in_every_input() -> None:
    inputs, drop = raw(), torch.tensor([True, False, True, False])
    t_na = torch.rand(4, 3, generator=torch.Generator().manual_seed(2))
    kept = build_condition(inputs, SIZE, t_na=t_na, noise=noises(inputs))
    condition = build_condition(inputs, SIZE, t_na=t_na, noise=noises(inputs), drop=drop)
    for value, whole in zip(condition[1:], kept[1:], strict=True):
        assert not given(value)[drop].any()
        assert torch.equal(given(value)[~drop], given(whole)[~drop])
        assert given(whole).flatten(1).any(1).all()
    assert torch.equal(condition.t_na, t_na)
    null = null_condition(kept)
    for value, part in zip(null[1:], condition[1:], strict=True):
        assert torch.equal(given(value)[drop], given(part)[drop])


def test_mistake_8_uint8_maps_to_minus_one_to_one() -> None:
    pixels = torch.arange(256, dtype=torch.uint8)
    image = from_uint8(pixels)
    assert image.dtype == torch.float32
    assert (image.min().item(), image.max().item()) == (-1.0, 1.0)
    assert torch.equal(to_uint8(image), pixels)
    assert to_uint8(torch.tensor([-3.0, 0.0, 3.0])).tolist() == [0, 128, 255]
    with pytest.raises(ValueError, match="uint8"):
        from_uint8(image)


def test_mistake_8_uint8_images_are_refused() -> None:
    pixels = torch.zeros(1, 3, 8, 8, dtype=torch.uint8)
    with pytest.raises(ValueError, match="from_uint8"):
        build_condition(TryOnInputs(low_res=pixels), SIZE, t_na=torch.zeros(1, 1), noise=(torch.zeros(1, 3, 8, 8),))
    with pytest.raises(AssertionError, match=r"\[-1, 1\]"):
        build_condition(
            TryOnInputs(low_res=pixels + 2.0), SIZE, t_na=torch.zeros(1, 1), noise=(torch.zeros(1, 3, 8, 8),)
        )


def test_augmentation_preserves_variance() -> None:
    g = torch.Generator().manual_seed(0)
    image, noise = torch.randn(2, 5, 3, 64, 64, generator=g)
    out = augment(image, torch.tensor([0.0, 0.1, 0.5, 0.9, 1.0]), noise)
    torch.testing.assert_close(out.flatten(1).std(1), torch.ones(5), rtol=0, atol=0.02)


def test_noise_is_added_before_upsampling() -> None:
    """TryOnDiffusion §3: "before any other processing"; upsampled noise is smoother than noise of full resolution."""
    inputs = TryOnInputs(low_res=torch.zeros(1, 3, 8, 8))
    noise = torch.randn(1, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    condition = build_condition(inputs, SIZE, t_na=torch.ones(1, 1), noise=(noise,))
    enlarged = torch.nn.functional.interpolate(noise, size=SIZE, mode="bilinear", align_corners=False)
    torch.testing.assert_close(given(condition.low_res), enlarged, rtol=0, atol=1e-3)


def test_levels_and_noises_must_match_the_images() -> None:
    inputs = raw(2)
    with pytest.raises(ValueError, match=r"3 conditioning images of 2 samples.*\(2, 3\), not 3 noises and \(2, 2\)"):
        build_condition(inputs, SIZE, t_na=torch.rand(2, 2), noise=noises(inputs))
    with pytest.raises(ValueError, match=r"\(2, 3\), not 3 noises and \(3,\)"):
        build_condition(inputs, SIZE, t_na=torch.rand(3), noise=noises(inputs))
    with pytest.raises(ValueError, match="2 noises"):
        build_condition(inputs, SIZE, t_na=torch.rand(2, 3), noise=noises(inputs)[:2])
    with pytest.raises(ValueError, match="0 conditioning images"):
        build_condition(TryOnInputs(), SIZE, t_na=torch.rand(2, 0), noise=())


def test_downsample_averages_and_refuses_indivisible_sizes() -> None:
    image = torch.arange(16.0).reshape(1, 1, 4, 4)
    assert downsample(image, 2).flatten().tolist() == [2.5, 4.5, 10.5, 12.5]
    with pytest.raises(ValueError, match=r"\(4, 4\) cannot be downsampled by 3"):
        downsample(image, 3)
