"""Invalid configurations are refused before anything is allocated (mistake 9), with a value that would fit."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from train.models import (
    EFFICIENT_UNETS,
    PRESETS,
    EfficientUNetConfig,
    ModelConfig,
    ParallelUNetConfig,
    count_parameters,
    efficient_unet_config,
)
from train.models.warp.anchors import PARTS, Anchors
from train.models.warp.geometry import POSE_MAPS, WARP_MAPS

FITTING: dict[str, Any] = {
    "image_size": 32,
    "channels": (16, 32, 64),
    "person_down": (1, 2, 3),
    "garment_down": (1, 2, 2),
    "garment_up": (2, 2),
    "attention_levels": (16, 8),
    "head_dim": 16,
    "film_dim": 32,
    "pose_dim": 32,
}


def test_a_valid_config_is_accepted_with_its_derived_properties() -> None:
    config = ParallelUNetConfig(**FITTING)
    assert config.person_up == (3, 2, 1)
    assert config.resolutions == (32, 16, 8)
    assert config.condition_images == 2
    assert ParallelUNetConfig(**FITTING, low_res_channels=3).condition_images == 3


def test_with_patches_the_levels_are_smaller_and_the_bottom_is_deeper() -> None:
    config = ParallelUNetConfig(**{**FITTING, "image_size": 64, "patch": 2})
    assert config.resolutions == (32, 16, 8)
    assert config.stride == 8
    assert ParallelUNetConfig.model_validate_json(config.model_dump_json()) == config
    assert "patch" not in ParallelUNetConfig(**FITTING).model_dump_json()
    with pytest.raises(ValidationError, match=r"image_size=36 .* multiple of 8 .*patch=2.*: 32 or 40"):
        ParallelUNetConfig(**{**FITTING, "image_size": 36, "patch": 2})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param({"image_size": 50}, r"image_size=50 .* multiple of 4 .*48 or 52", id="size does not halve"),
        pytest.param({"image_size": 2}, r"image_size=2 .* multiple of 4 .*: 4 would fit", id="shrinks to nothing"),
        pytest.param({"attention_levels": (64,)}, r"64.*image_size=32.*\(32, 16, 8\)", id="attention nowhere"),
        pytest.param({"channels": (16, 32, 72)}, r"channels=72 .* 16 .*: 64 or 80", id="heads do not divide channels"),
        pytest.param({"pose_dim": 40}, r"pose_dim=40 .* 16 .*: 32 or 48", id="heads do not divide tokens"),
        pytest.param({"person_down": (1, 2)}, r"person_down=\(1, 2\).*3 levels", id="person list too short"),
        pytest.param({"garment_down": (1, 2, 2, 2)}, r"garment_down=.*3 levels", id="garment list too long"),
        pytest.param({"garment_up": (2, 2, 1)}, r"garment_up=\(2, 2, 1\).*which is \(2, 2\)", id="never read"),
        pytest.param({"garment_up": (2,)}, r"garment_up=\(2,\).*at 16, which is \(2, 2\)", id="attention uncovered"),
        pytest.param({"garment_up": (3, 2)}, r"mirrors.*which is \(2, 2\)", id="more blocks up than saved"),
        pytest.param({"attention_levels": ()}, "attention_levels", id="garment never read"),
        pytest.param({"film_dim": 33}, "multiple of 2", id="odd encoding"),
        pytest.param({"channels": (16, 0, 64)}, "greater than 0", id="no channels"),
        pytest.param({"low_res_channels": 1}, "0 or 3", id="low_res_channels"),
        pytest.param({"dropout": 0.1}, "Extra inputs", id="unknown field"),
    ],
)
def test_mistake_9_an_impossible_config_suggests_a_valid_one(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ParallelUNetConfig(**(FITTING | change))


def suggested_values(change: dict[str, Any], name: str, value: int, divisor: int) -> list[int]:
    """Return the values suggested by the error for ``value``: the nearest multiples."""
    with pytest.raises(ValueError, match=f"{name}={value} is not a multiple of {divisor} ") as caught:
        ParallelUNetConfig(**(FITTING | change))
    suggested = re.findall(r"\d+", str(caught.value).partition("): ")[2].partition(" would fit")[0])
    below = value - value % divisor
    assert [int(number) for number in suggested] == [number for number in (below, below + divisor) if number]
    return [int(number) for number in suggested]


@settings(max_examples=40, deadline=None, derandomize=True)
@given(value=st.integers(1, 300), head_dim=st.integers(2, 40), level=st.integers(1, 2))
def test_mistake_9_widths_that_heads_do_not_divide_name_their_neighbours(
    value: int, head_dim: int, level: int
) -> None:  # fmt: skip
    assume(value % head_dim)
    fitting = {"head_dim": head_dim, "pose_dim": head_dim, "channels": (16, head_dim, head_dim)}
    for number in suggested_values(fitting | {"pose_dim": value}, "pose_dim", value, head_dim):
        ParallelUNetConfig(**(FITTING | fitting | {"pose_dim": number}))

    def channels(width: int) -> dict[str, Any]:
        return {"channels": (16, width, head_dim) if level == 1 else (16, head_dim, width)}

    for number in suggested_values(fitting | channels(value), "channels", value, head_dim):
        ParallelUNetConfig(**(FITTING | fitting | channels(number)))


@settings(max_examples=40, deadline=None, derandomize=True)
@given(value=st.integers(1, 2000), depth=st.integers(2, 6))
def test_mistake_9_sizes_that_do_not_halve_name_their_neighbours(value: int, depth: int) -> None:
    stride = 2 ** (depth - 1)
    assume(value % stride)
    widths = (16,) * depth
    deep = {"channels": widths, "person_down": widths, "garment_down": widths, "garment_up": (16,)}
    for size in suggested_values(deep | {"image_size": value}, "image_size", value, stride):
        ParallelUNetConfig(**(FITTING | deep | {"image_size": size, "attention_levels": (size // stride,)}))


def test_efficient_unet_lists_line_up() -> None:
    with pytest.raises(ValueError, match=r"blocks=\(1,\) and channels=\(16, 32\)"):
        EfficientUNetConfig(channels=(16, 32), blocks=(1,), emb_dim=32)
    assert EfficientUNetConfig(channels=(16, 32), blocks=(1, 1), emb_dim=32).stride == 4


def test_configs_are_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        setattr(ParallelUNetConfig(**FITTING), "image_size", 64)  # noqa: B010 - as an assignment mypy refuses it


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("stage", ["base", "sr256", "sr1024"])
def test_presets_survive_json_with_their_kind(preset: str, stage: str) -> None:
    adapter: TypeAdapter[ModelConfig] = TypeAdapter(ModelConfig)
    config = PRESETS[preset][stage]
    assert adapter.validate_json(adapter.dump_json(config)) == config


@pytest.mark.parametrize(
    ("stage", "published"), [("base", 1.13e9), ("sr256", 1.06e9)], ids=["128 Parallel-UNet", "256 Parallel-UNet"]
)
def test_paper_parallel_unets_have_the_published_size(stage: str, published: float) -> None:
    """Spec A.3.1: within 1 % of the counts in the TryOnDiffusion paper."""
    assert count_parameters(PRESETS["paper"][stage]) == pytest.approx(published, rel=0.01)


def test_paper_efficient_unet_has_imagens_size() -> None:
    """Spec B: attention-free between 427 M and 442 M."""
    assert 427e6 <= count_parameters(PRESETS["paper"]["sr1024"]) <= 442e6
    assert PRESETS["paper"]["sr1024"] == EfficientUNetConfig(
        channels=(128, 256, 512, 1024), blocks=(2, 4, 8, 8), emb_dim=512
    )


def test_the_efficient_unet_family_grows_and_contains_the_paper_model() -> None:
    family = [efficient_unet_config(name) for name in EFFICIENT_UNETS]
    assert family[4] == PRESETS["paper"]["sr1024"]
    assert family[0].channels == (64, 128, 256, 512)
    assert family[0].blocks == (1, 2, 4, 4)
    sizes = [count_parameters(config) for config in family]
    assert sizes == sorted(set(sizes))
    with pytest.raises(ValueError, match="efficientunet-b7"):
        efficient_unet_config("efficientunet-b8")


def test_garment_is_written_to_json_only_for_the_baselines() -> None:
    assert '"garment"' not in ParallelUNetConfig(**FITTING).model_dump_json()
    for garment in ("concatenation", "none"):
        config = ParallelUNetConfig(**FITTING, garment=garment)
        assert ParallelUNetConfig.model_validate_json(config.model_dump_json()) == config
        assert count_parameters(config) < count_parameters(ParallelUNetConfig(**FITTING))


@pytest.mark.parametrize("garment", ["concatenation", "none"])
def test_a_static_garment_unet_needs_a_garment_unet(garment: str) -> None:
    with pytest.raises(ValidationError, match=f"garment={garment} has no garment-UNet.*garment_film=static"):
        ParallelUNetConfig(**FITTING, garment=garment, garment_film="static")


def test_pose_maps_and_warp_are_written_if_enabled_and_add_only_input_channels_and_anchors() -> None:
    plain = ParallelUNetConfig(**FITTING)
    assert "pose_maps" not in plain.model_dump_json()
    assert "warp" not in plain.model_dump_json()
    config = ParallelUNetConfig(**FITTING, pose_maps=True, warp=True)
    assert ParallelUNetConfig.model_validate_json(config.model_dump_json()) == config
    channels = (POSE_MAPS + WARP_MAPS * len(PARTS)) * 9 * plain.channels[0]
    anchors = sum(parameter.numel() for parameter in Anchors().parameters())
    assert count_parameters(config) - count_parameters(plain) == channels + anchors


def test_a_hidden_garment_cannot_be_warped() -> None:
    with pytest.raises(ValidationError, match="garment=none ignores Ic, but warp=true uses it"):
        ParallelUNetConfig(**FITTING, garment="none", warp=True)
