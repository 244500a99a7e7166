from pathlib import Path

import pytest

from common.errors import UserError
from train.configuration.presets import Preset, preset_config
from train.configuration.settings import as_yaml, stage_config
from train.configuration.stage_config import STAGES, Stage
from train.models import ParallelUNetConfig, count_parameters


def test_the_paper_recipe_is_the_default() -> None:
    config = preset_config("paper", "base")
    assert (config.data.batch, config.steps, config.optim.lr, config.optim.warmup) == (256, 500_000, 1e-4, 10_000)
    assert (config.diffusion.prediction, config.diffusion.drop, config.diffusion.augmentation) == ("eps", 0.1, 1.0)
    assert (config.ema, config.sampling.guidance) == (0.9999, 2.0)


@pytest.mark.parametrize(
    ("stage", "size", "crop", "schedule", "sampler", "steps"),
    [
        ("base", 128, None, "cosine", "ddpm", 256),
        ("sr256", 256, None, "cosine", "ddpm", 128),
        ("sr1024", 1024, 256, "linear", "ddim", 32),
    ],
)
def test_the_stages_of_the_paper(
    stage: Stage, size: int, crop: int | None, schedule: str, sampler: str, steps: int
) -> None:  # fmt: skip
    config = preset_config("paper", stage)
    assert (config.size, config.crop, config.diffusion.schedule) == (size, crop, schedule)
    assert (config.sampling.sampler, config.sampling.steps) == (sampler, steps)


@pytest.mark.parametrize("preset", ["nano", "small", "large", "paper"])
def test_the_stages_of_a_preset_fit_each_other(preset: Preset) -> None:
    base, sr256, sr1024 = (preset_config(preset, stage) for stage in STAGES)
    assert (base.low_res, sr256.low_res, sr1024.low_res) == (None, base.size, sr256.size)
    assert all(count_parameters(config.model) > 100_000 for config in (base, sr256, sr1024))


@pytest.mark.parametrize("preset", ["small", "large"])
@pytest.mark.parametrize("stage", STAGES)
def test_the_larger_presets_carry_the_recipe_that_nano_is_measured_with(preset: Preset, stage: Stage) -> None:
    measured, config = preset_config("nano", stage), preset_config(preset, stage)
    # large does without the first stage's weights beside the second
    before = {"own_low_res", "own_low_res_error"} if (preset, stage) == ("large", "sr256") else set()
    assert config.diffusion.model_dump(exclude=before) == measured.diffusion.model_dump(exclude=before)
    same = {"name", "decay", "betas", "weight_decay"}
    assert config.optim.model_dump(include=same) == measured.optim.model_dump(include=same)
    assert config.sampling.model_dump(exclude={"steps"}) == measured.sampling.model_dump(exclude={"steps"})


@pytest.mark.parametrize("preset", ["nano", "small", "large", "paper"])
@pytest.mark.parametrize("stage", ["base", "sr256"])
def test_paper_alone_has_to_learn_its_geometry(preset: Preset, stage: Stage) -> None:
    model = preset_config(preset, stage).model
    assert isinstance(model, ParallelUNetConfig)
    explicit = {model.pose_maps, model.warp, model.copies, model.anchors == "garment"}
    assert explicit == {preset != "paper"}


def test_file_and_assignments_override_the_preset_in_this_order(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("optim: {lr: 3.0e-4, warmup: 5}\nseed: 7\n")
    config = stage_config("nano", "base", file, ["optim.lr=1e-5", "data.batch=3", "optim.betas=[0.8,0.9]"])
    assert (config.optim.lr, config.optim.warmup, config.seed, config.data.batch) == (1e-5, 5, 7, 3)
    assert config.optim.betas == (0.8, 0.9)
    assert config.optim.clip == preset_config("nano", "base").optim.clip


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("optim.lrr=1", "no setting named optim.lrr; did you mean optim.lr"),
        ("sed=1", "did you mean seed"),
        ("optim.batch=4", "no setting named optim.batch; did you mean data.batch?"),
        ("lr=1", "no setting named lr; did you mean optim.lr?"),
        ("optim.lr=-1", "optim.lr=-1"),
        ("data.batch=many", "data.batch=many"),
        ("steps", "name=value"),
        ("=3", "name=value"),
        ("seed=[1", "not a YAML value"),
        ("model.channels=[24,50,96]", "not a multiple of"),
        ("model.attention_levels=[12]", "12"),
        ("size=33", "size=33"),
        ("low_res=16", "low_res=16"),
        ("memory.optimizer_in_backward=true", "optim.clip=1.0: null would fit"),
    ],
)
def test_an_invalid_setting_is_named(assignment: str, message: str) -> None:
    with pytest.raises(UserError) as caught:
        stage_config("nano", "base", None, [assignment])
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("stage", "assignment", "message"),
    [
        ("sr256", "size=100", "size=100 is not a multiple of 64 (low_res=64): 64 or 128 would fit"),
        ("sr1024", "crop=65", "crop=65 is not a multiple of 2 (size=256, low_res=128): 64 or 66 would fit"),
        ("sr1024", "crop=60", "crop=60 is not a multiple of 8 (3 levels): 56 or 64 would fit"),
        ("base", "crop=32", "size=64, crop=32: this model takes whole 64²"),
        ("base", "diffusion.augmentation=0.1", "shown_std=0.1 goes with a residual_std and augmentation=0"),
    ],
)
def test_conflicting_sizes_are_named_with_a_fitting_value(stage: Stage, assignment: str, message: str) -> None:
    with pytest.raises(UserError) as caught:
        stage_config("nano", stage, None, [assignment])
    assert message in str(caught.value)


def test_shown_std_is_only_for_the_base_stage() -> None:
    with pytest.raises(UserError, match=r"shown_std=0.1 with low_res=64: null would fit"):
        stage_config("nano", "sr256", None, ["diffusion.augmentation=0", "diffusion.shown_std=0.1"])


@pytest.mark.parametrize(
    ("content", "message"), [("- 1", "expected a mapping"), ("a: [", "not YAML"), ("sed: 1", "did you mean seed")]
)
def test_an_invalid_file_is_named(tmp_path: Path, content: str, message: str) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(content)
    with pytest.raises(UserError, match=message):
        stage_config("nano", "base", file, [])
    with pytest.raises(UserError, match="No such file"):
        stage_config("nano", "base", tmp_path / "none.yaml", [])


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("memory.micro_batch=4", "memory.micro_batch=4 of data.batch=8: null would fit"),
        ("precision=fp16", "precision=fp16: bf16 or fp32 would fit"),
        ("memory.optimizer_on_host=true", "memory.optimizer_on_host=true: false would fit"),
    ],
)
def test_optimizer_in_backward_refuses_conflicting_settings(setting: str, message: str) -> None:
    with pytest.raises(UserError, match="optimizer_in_backward=true is incompatible with") as caught:
        stage_config("nano", "base", None, ["optim.clip=null", "memory.optimizer_in_backward=true", setting])
    assert message in str(caught.value)


@pytest.mark.parametrize("preset", ["nano", "small", "large", "paper"])
@pytest.mark.parametrize("stage", STAGES)
def test_printed_settings_round_trip(tmp_path: Path, preset: Preset, stage: Stage) -> None:
    config = stage_config(preset, stage, None, ["optim.eps=1e-8", "optim.clip=null", "seed=7", "ema=0.99"])
    file = tmp_path / "all.yaml"
    file.write_text(as_yaml(config))
    assert stage_config("nano", stage, file, []) == config


def test_settings_of_another_stage_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "all.yaml"
    file.write_text(as_yaml(preset_config("nano", "base")))
    with pytest.raises(UserError, match="are for stage base, not sr256: use --stage base"):
        stage_config("nano", "sr256", file, [])


def test_adam_has_no_weight_decay() -> None:
    with pytest.raises(UserError, match=r"weight_decay, here 0\.1: 0 or name=adamw would fit"):
        stage_config("paper", "base", None, ["optim.weight_decay=0.1"])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["diffusion.prediction=v"], "copies=true with diffusion.prediction=v"),
        (["model.copies=false"], "warp_loss=1 is for model.copies=true, 0 would fit"),
        (["model.warp=false"], "copies=true with warp=False"),
        (
            [
                "diffusion.prediction=eps",
                "diffusion.residual_std=null",
                "diffusion.shown_std=null",
                "diffusion.edge_loss=1",
            ],
            "edge_loss=1 is for prediction=x or v, 0 would fit prediction=eps",
        ),
        (["diffusion.own_low_res=0.5"], "own_low_res=0.5 with stage=base"),
        (["grow=true"], "grow=true with stage=base: it is for sr256 alone"),
    ],
)
def test_what_copying_needs_is_said(settings: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        stage_config("nano", "base", None, settings)
