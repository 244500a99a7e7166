"""A super-resolution stage that learns from the images of the stage before it."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from callbacks import never, quiet
from torch import Tensor

from common.errors import UserError
from train.configuration.stage_config import StageConfig
from train.data import ShardFolder
from train.diffusion.conditioning import TryOnInputs
from train.diffusion.photo import GREY
from train.inference.cascade import Overrides, TrainedStage, load_cascade, load_previous, sample_stage
from train.inference.previous_stage import PreviousStage, grown_weights
from train.runs.run_folder import RunFolder
from train.training.loop import fit_stage

TinyConfig = Callable[..., StageConfig]
CPU = torch.device("cpu")


def inputs(count: int = 6) -> TryOnInputs:
    generator = torch.Generator().manual_seed(0)
    Ia, Ic = torch.rand(2, count, 3, 128, 128, generator=generator) * 2 - 1
    Ia[:, :, 40:90, 30:95] = GREY
    Jp, Jg = torch.rand(2, count, 17, 3, generator=generator)
    return TryOnInputs(Ia, Ic, Jp, Jg, photo=torch.tensor([[0.0, 0.0, 1.0, 1.0]]).expand(count, 4))


def hem_shown(stage: TrainedStage) -> TrainedStage:
    """The same stage without the hidden band, which depends on the drawn pose."""
    diffusion = stage.config.diffusion.model_copy(update={"hide_hem": False})
    return replace(stage, config=stage.config.model_copy(update={"diffusion": diffusion}))


def low_res(count: int = 6) -> Tensor:
    return torch.full((count, 3, 64, 64), 0.25)


def test_a_share_of_the_samples_gets_the_previous_stages_images(trained: Path) -> None:
    base = load_cascade(trained, CPU)[0]
    some = PreviousStage(base, 0.5, seed=0).replace_some(low_res(), inputs(), range(6))
    replaced = [row for row in range(6) if not torch.equal(some[row], low_res()[row])]
    assert 0 < len(replaced) < 6
    assert torch.equal(PreviousStage(base, 0.0, seed=0).replace_some(low_res(), inputs(), range(6)), low_res())
    every = PreviousStage(base, 1.0, seed=0).replace_some(low_res(), inputs(), range(6))
    for row in replaced:
        assert torch.allclose(every[row], some[row], atol=1e-4)


def test_a_samples_image_does_not_depend_on_the_batch(trained: Path) -> None:
    base = load_cascade(trained, CPU)[0]
    previous = PreviousStage(base, 1.0, seed=0)
    every = previous.replace_some(low_res(), inputs(), range(6))
    one = replace(inputs(), **{n: getattr(inputs(), n)[4:5] for n in ("Ia", "Ic", "Jp", "Jg", "photo")})
    alone = previous.replace_some(low_res(1), one, [4])
    assert torch.allclose(alone[0], every[4], atol=1e-4)


def test_its_images_can_be_degraded_where_the_person_is_hidden(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base = load_cascade(trained, CPU)[0]
    image = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    monkeypatch.setattr("train.inference.previous_stage.sample_stage", lambda *_: image)
    assert torch.equal(PreviousStage(base, 1.0, seed=0).replace_some(low_res(2), inputs(2), range(2)), image)
    worse = PreviousStage(base, 1.0, seed=0, error=1.0).replace_some(low_res(2), inputs(2), range(2))
    assert torch.equal(worse[:, :, :19], image[:, :, :19])
    assert (worse - image)[:, :, 22:43, 18:45].abs().mean() > 0.1


def test_what_the_person_shows_stays_and_the_hidden_is_sampled(trained: Path) -> None:
    base = hem_shown(load_cascade(trained, CPU)[0])
    assert base.config.diffusion.keep_shown
    given = inputs(1)
    assert given.Ia is not None
    result = PreviousStage(base, 1.0, seed=0).replace_some(low_res(1), given, [0])
    small = torch.nn.functional.avg_pool2d(given.Ia, 2)
    assert torch.allclose(result[:, :, :19], small[:, :, :19], atol=1e-5)
    assert not torch.allclose(result[:, :, 21:44, 16:46], low_res(1)[:, :, 21:44, 16:46], atol=0.1)


def test_sampling_keeps_what_ia_shows_to_the_last_bit(trained: Path) -> None:
    base = load_cascade(trained, CPU)[0]
    whole = inputs(2)
    assert whole.Ia is not None
    assert whole.Ic is not None
    Ia = torch.nn.functional.avg_pool2d(whole.Ia, 2)
    small = replace(whole, Ia=Ia, Ic=torch.nn.functional.avg_pool2d(whole.Ic, 2))
    images = sample_stage(hem_shown(base), small, 0, [0, 1], Overrides())
    assert torch.equal(images[:, :, :20], Ia[:, :, :20])


def test_a_missing_previous_stage_is_one_line(tmp_path: Path, tiny: TinyConfig) -> None:
    config = tiny("sr256", "diffusion.own_low_res=0.5")
    with pytest.raises(UserError, match=r"sr256 learns from images of base at 64².*train base first"):
        load_previous(tmp_path, config, CPU)
    assert load_previous(tmp_path, tiny("sr256"), CPU) is None


def test_the_previous_stage_is_loaded_from_its_run(trained: Path, tiny: TinyConfig) -> None:
    found = load_previous(trained, tiny("sr256", "diffusion.own_low_res=0.5"), CPU)
    assert found is not None
    assert found.config.stage == "base"


def test_a_new_run_starts_from_the_previous_stages_weights(
    trained: Path, shards: Path, tiny: TinyConfig, tmp_path: Path
) -> None:
    config = tiny("sr256", "grow=true", "steps=1", "optim.lr=1e-9")
    base = load_previous(trained, config, CPU)
    assert base is not None
    assert fit_stage(config, ShardFolder(shards, "train"), tmp_path / "sr256", quiet, never, previous=base)
    weights, _ = RunFolder(tmp_path / "sr256").checkpoints.load_weights("model")
    for name, weight in grown_weights(base, config).items():
        assert torch.allclose(weights[name], weight, atol=1e-6), name


def test_another_network_than_the_previous_stages_is_refused(trained: Path, tiny: TinyConfig) -> None:
    config = tiny("sr256", "grow=true", "model.film_dim=32")
    base = load_previous(trained, config, CPU)
    assert base is not None
    with pytest.raises(UserError, match=r"sr256: grow=true, but its model differs from that of base"):
        grown_weights(base, config)
