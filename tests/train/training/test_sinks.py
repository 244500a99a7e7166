"""TensorBoard's event files and Weights & Biases: there when asked for, and one line where the package is missing."""

import io
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from common.errors import UserError
from train.configuration.stage_config import LogConfig, StageConfig
from train.data import ShardFolder
from train.runs.run_folder import RunFolder
from train.training.loop import fit_stage
from train.training.metrics import Metrics
from train.training.sinks import open_sinks


def test_no_sink_is_opened_by_default(tmp_path: Path) -> None:
    assert open_sinks(RunFolder(tmp_path), LogConfig(), 0) == []
    assert list(tmp_path.iterdir()) == []


def test_tensorboard_hides_steps_of_a_killed_run(tmp_path: Path) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    log = LogConfig(tensorboard=True)
    killed = Metrics(RunFolder(tmp_path), log, 0)
    for step in (2, 4, 6):
        killed.record_validation(step, float(step), [0.5, None])
    Metrics(RunFolder(tmp_path), log, 4).record_validation(6, 60.0, [0.5, None])
    events = accumulator.EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert [(event.step, event.value) for event in events.Scalars("validation")] == [(2, 2.0), (4, 4.0), (6, 60.0)]
    assert [event.value for event in events.Scalars("validation/t0")] == [0.5] * 3


def test_a_wandb_run_resumes_under_its_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As does that of the next stage, which begins once the run before has ended."""
    begun: list[dict[str, object]] = []
    logged: list[tuple[int, dict[str, Any]]] = []
    ended: list[object] = []

    def finish() -> None:
        ended.append(wandb.run)
        wandb.run = None

    def init(**settings: object) -> SimpleNamespace:
        assert wandb.run is None
        begun.append(settings)

        def log(values: dict[str, float], step: int) -> None:
            logged.append((step, values))

        wandb.run = begun_run = SimpleNamespace(log=log)
        return begun_run

    wandb = SimpleNamespace(init=init, finish=finish, run=None, Image=lambda pixels: pixels.shape)
    monkeypatch.setitem(sys.modules, "wandb", wandb)
    for step in (1, 2):
        (sink,) = open_sinks(RunFolder(tmp_path), LogConfig(wandb=True), 0)
        sink(step, {"loss": 0.5})
    assert begun[0] == begun[1]
    assert (begun[0]["resume"], begun[0]["name"]) == ("allow", tmp_path.name)
    assert len(ended) == 1
    assert logged == [(1, {"loss": 0.5}), (2, {"loss": 0.5})]
    sink.image(2, "sheet", np.zeros((4, 6, 3), np.uint8))
    assert logged[2:] == [(2, {"sheet": (4, 6, 3)})]


def test_a_runs_sheets_are_logged(shards: Path, tiny: Callable[..., StageConfig], tmp_path: Path) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    config = tiny(
        "base",
        "steps=2",
        "validation.every=0",
        "validation.sheet_every=1",
        "log.tensorboard=true",
        "validation.sheet_pairs=1",
        "sampling.steps=1",
    )
    train, val = ShardFolder(shards, "train"), ShardFolder(shards, "val")
    assert fit_stage(config, train, tmp_path, lambda _: None, lambda: False, val)
    events = accumulator.EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    logged = events.Images("sheet")
    assert [image.step for image in logged] == [1, 2]
    with (
        Image.open(io.BytesIO(logged[1].encoded_image_string)) as one,
        Image.open(RunFolder(tmp_path).sheet_path(2)) as other,
    ):
        assert np.array_equal(np.array(one.convert("RGB")), np.array(other))


@pytest.mark.parametrize(
    ("setting", "package", "module"),
    [("tensorboard", "tryon-cascade[tensorboard]", "torch.utils.tensorboard"), ("wandb", "wandb", "wandb")],
)
def test_a_missing_package_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, setting: str, package: str, module: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(UserError) as caught:
        open_sinks(RunFolder(tmp_path), LogConfig.model_validate({setting: True}), 0)
    assert str(caught.value).startswith(f"log.{setting}=true: not installed; pip install")
    assert package in str(caught.value)
