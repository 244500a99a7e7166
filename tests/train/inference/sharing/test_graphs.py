"""Exports of graphs: the picture of the network itself, and a folder for a model hub."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from in_process import run_here
from PIL import Image
from torch import Tensor, nn

from common.errors import UserError
from train.cli import main
from train.configuration.stage_config import StageConfig
from train.data import ShardFolder
from train.inference.cascade import Overrides, TrainedStage, load_cascade
from train.inference.detail import copying
from train.inference.dress import dress
from train.inference.exporting import CASCADE, export_cascade, import_cascade
from train.inference.pair_selection import Pair
from train.inference.sampling import outfit_of
from train.inference.sharing.graphs import (
    TOLERANCE,
    GraphNetwork,
    example,
    read_graph,
    write_graphs,
)
from train.inference.sharing.opening_cascades import open_cascade
from train.models.condition import Condition

CPU = torch.device("cpu")
LEVELS = 2
"""Largest difference of a pixel, of 255."""


def pictures(stages: list[TrainedStage], shards: Path) -> list[list[Any]]:
    data = ShardFolder(shards, "val")
    outfits = [outfit_of(data, pair) for pair in (Pair(0, 1), Pair(2, 1))]
    return dress(stages, outfits, seed=3, overrides=Overrides(), device=CPU)


def assert_same_pictures(stages: list[TrainedStage], folder: Path, shards: Path) -> None:
    for one, other in zip(pictures(stages, shards), pictures(import_cascade(folder, CPU), shards), strict=True):
        for a, b in zip(one, other, strict=True):
            assert np.abs(a.astype(int) - b).max() <= LEVELS


class Copier(nn.Module):
    """A network of one line, as exporting a real one takes a minute; it copies Ic."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(9, 3, 3, padding=1)
        self.copy = True

    def forward(self, z_t: Tensor, t: Tensor, condition: Condition) -> Tensor:
        assert condition.Ia is not None
        assert condition.Ic is not None
        assert condition.Jp is not None
        seen = torch.cat([z_t, condition.Ia, condition.Ic], dim=1)
        out: Tensor = self.conv(seen) * t[:, None, None, None] + condition.Jp.mean()
        return out

    def copied(self, z_t: Tensor, t: Tensor, condition: Condition, Ic: Tensor) -> tuple[Tensor, Tensor]:
        return 0.5 * Ic, Ic[:, :1] * t[:, None, None, None]


@pytest.fixture(scope="module")
def stages(tiny: Callable[..., StageConfig]) -> list[TrainedStage]:
    """Two stages, of which the second shows the detail that the first one copies."""
    torch.manual_seed(0)
    last = TrainedStage(tiny("sr1024"), nn.Identity(), 1)
    return [TrainedStage(tiny("base"), Copier().requires_grad_(False), 7), last]


@pytest.fixture(scope="module")
def exported(stages: list[TrainedStage], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("graphs")
    config, network = stages[0].config, stages[0].model
    assert write_graphs(network, config, 96, folder / "base", "torch.export") < 1e-5
    return folder


def test_a_graph_is_called_as_its_network_is(stages: list[TrainedStage], exported: Path) -> None:
    forward, copied = (read_graph(exported / f"base{more}.pt2", CPU) for more in ("", "-copied"))
    graph, network, config = GraphNetwork(forward, copied), stages[0].model, stages[0].config
    z_t, t, fine, *rest = (torch.cat([one, one.flip(-1), one / 2]) for one in example(config, 96))
    condition = Condition(*rest)
    torch.testing.assert_close(graph(z_t, t, condition), torch.cat(
        [network(z_t[n : n + 1], t[n : n + 1], Condition(*(one[n : n + 1] for one in rest))) for n in range(3)]
    ))  # fmt: skip
    assert copying(graph) is graph
    original = copying(network)
    assert original is not None
    for one, other in zip(graph.copied(z_t, t, condition, fine), original.copied(z_t, t, condition, fine), strict=True):
        torch.testing.assert_close(one, other)
    assert copying(GraphNetwork(forward, None)) is None


def test_a_graph_that_differs_is_refused(
    stages: list[TrainedStage], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = lambda *_: lambda *inputs: (inputs[0] * 0,)  # noqa: E731
    monkeypatch.setattr("train.inference.sharing.graphs.read_graph", wrong)
    with pytest.raises(UserError, match=r"base\.pt2: differs from the network by"):
        write_graphs(stages[0].model, stages[0].config, None, tmp_path / "base", "torch.export")


def test_a_folder_of_graphs_is_opened_and_damage_is_found(stages: list[TrainedStage], tmp_path: Path) -> None:
    folder = tmp_path / "export"
    export_cascade(stages[:1], folder, None, "torch.export")
    assert {path.name for path in folder.iterdir()} == {"README.md", CASCADE, "base.pt2"}
    document = json.loads((folder / CASCADE).read_text())
    assert (document["format"], document["stages"][0]["difference"] < TOLERANCE) == ("torch.export", True)
    (stage,) = open_cascade(folder, CPU)
    assert (stage.step, type(stage.model)) == (7, GraphNetwork)
    with pytest.raises(UserError, match="has no weights to export again"):
        export_cascade([stage], tmp_path / "again", None)
    (folder / "base.pt2").write_bytes((folder / "base.pt2").read_bytes()[:-1])
    with pytest.raises(UserError, match=r"base\.pt2: damaged"):
        import_cascade(folder, CPU)
    (folder / "base.pt2").unlink()
    with pytest.raises(UserError, match=r"base\.pt2: missing"):
        import_cascade(folder, CPU)


@pytest.mark.slow
def test_a_whole_cascade_gives_the_same_images(trained: Path, shards: Path, tmp_path: Path) -> None:
    stages = load_cascade(trained, CPU)
    export_cascade(stages, tmp_path / "export", None, "torch.export")
    assert any(path.stem == "sr256-copied" for path in (tmp_path / "export").iterdir())
    assert_same_pictures(stages, tmp_path / "export", shards)


def test_a_folder_for_a_hub_has_a_card_and_samples(trained: Path, shards: Path, tmp_path: Path) -> None:
    words = ("export", "--runs", str(trained), "--out", "hub", "--samples", "1")
    done = run_here(main, *words, cwd=tmp_path)
    assert (done.returncode, "give the shards" in done.stderr) == (2, True)
    done = run_here(main, *words, "--shards", str(shards), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    card = (tmp_path / "hub/README.md").read_text()
    assert card.startswith("---\nlibrary_name: tryon-cascade\npipeline_tag: image-to-image\n")
    names = [path.name for path in sorted((tmp_path / "hub/samples").iterdir())]
    assert len(names) == 2
    for name in names:
        assert f"](samples/{name})" in card
        with Image.open(tmp_path / "hub/samples" / name) as image:
            assert image.width > 100
    assert [stage.config.stage for stage in open_cascade(tmp_path / "hub", CPU)] == ["base", "sr256", "sr1024"]
