"""Drawn people as shards, and a cascade so small that a step takes milliseconds."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from shared_folders import OncePerRun

from preprocess.planning.pairing import records
from preprocess.planning.plan import make_plan
from preprocess.sharding import build
from preprocess.sources import Files
from preprocess.sources.aihub import open_aihub
from preprocess.synthetic.dataset_writer import write_dataset
from schemas import Configuration
from train.configuration.settings import stage_config
from train.configuration.stage_config import STAGES, StageConfig
from train.data import ShardFolder
from train.memory.trace import Footprint
from train.training.loop import fit_stage

os.environ.setdefault("OMP_NUM_THREADS", "1")  # of the programs that tests start

TINY = [
    "optim.name=adam", "optim.warmup=0", "optim.lr=1e-3", "optim.decay=constant", "data.batch=2", "data.threads=1",
    "sampling.sampler=ddim", "sampling.steps=2", "sampling.guidance=1.5", "diffusion.drop=0.1", "validation.samples=10",
]  # fmt: skip
"""Settings of every stage in tests."""

TINY_TRYON = [
    "model.garment=cross-attention",
    "model.channels=[8,16]", "model.person_down=[1,1]", "model.garment_down=[1,1]", "model.garment_up=[1]",
    "model.attention_levels=[16]", "model.head_dim=8", "model.film_dim=16", "model.pose_dim=8",
]  # fmt: skip

TINY_STAGES = {
    "base": [*TINY, *TINY_TRYON],
    "sr256": [*TINY, *TINY_TRYON, "diffusion.own_low_res=0", "grow=false"],
    "sr1024": [*TINY, "model.channels=[8,16]", "model.blocks=[1,1]", "model.emb_dim=16"],
}
"""Settings that make each stage of the nano preset tiny."""


TinyConfig = Callable[..., StageConfig]
"""(stage, *settings) → the stage's configuration."""

DrawShards = Callable[..., Path]
"""(folder, looks, seed, truth) → the folder of the shards."""


@pytest.fixture(scope="session")
def tiny() -> TinyConfig:
    """Return a stage of the nano preset made tiny."""
    return lambda stage, *more: stage_config("nano", stage, None, [*TINY_STAGES[stage], "steps=10", *more])


@pytest.fixture(scope="session")
def tiny_settings() -> dict[str, list[str]]:
    """Return the `--set` values that make each stage tiny."""
    return TINY_STAGES


@pytest.fixture
def made_up_traces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the search and dry runs find made-up footprints, in MiB: 10 for all weights, 1 a sample, half recomputed.

    Tracing takes seconds; what it finds is tested in plan/test_trace.py.
    """

    def footprint(config: StageConfig, on_card: bool = True) -> Footprint:
        memory = config.memory
        optimizer, ema = 20 * (not memory.optimizer_on_host), 10 * (not memory.ema_on_host)
        samples = (memory.micro_batch or config.data.batch) / (2 if memory.checkpointing else 1)
        peak = int((20 + optimizer + ema + samples) * 2**20)
        return Footprint(10 << 20, optimizer << 20, ema << 20, 0, peak, 0, peak)

    monkeypatch.setattr("train.memory.search.trace", footprint)
    monkeypatch.setattr("train.memory.rehearse.trace", footprint)
    monkeypatch.setattr("train.memory.search.resident", lambda config, world: 0)
    monkeypatch.setattr("train.memory.search._largest_block", lambda config: 1 << 20)


@pytest.fixture(params=["made up", pytest.param("real", marks=pytest.mark.slow)])
def either_traces(request: pytest.FixtureRequest) -> None:
    """Have the search find made-up footprints, and among the slow tests real ones."""
    if request.param == "made up":
        request.getfixturevalue("made_up_traces")


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def draw_shards(configuration: Configuration) -> DrawShards:
    """Return what draws looks into ``folder``/aihub and builds ``folder``/shards of their tops."""

    def draw(folder: Path, looks: int, *, seed: int = 0, truth: int = 0) -> Path:
        write_dataset(folder / "aihub", looks=looks, seed=seed, truth=truth, workers=1)
        files = Files(folder / "aihub")
        planned = make_plan(files, list(records(open_aihub(files), "upper")), configuration)
        build(files, folder / "shards", planned, 1, lambda done, total: None)
        return folder / "shards"

    return draw


@pytest.fixture(scope="session")
def shards(once_per_run: OncePerRun, draw_shards: DrawShards) -> Path:
    """Shards of twelve drawn looks, training and validation."""
    return once_per_run("twelve-looks", lambda folder: draw_shards(folder, 12)) / "shards"


@pytest.fixture(scope="session")
def trained(shards: Path, tiny: TinyConfig, once_per_run: OncePerRun) -> Path:
    """Run folders of three tiny stages, trained for two steps."""

    def train(runs: Path) -> None:
        data = ShardFolder(shards, "train")
        for stage in STAGES:
            config = tiny(stage, "steps=2")
            assert fit_stage(config, data, runs / stage, report=lambda status: None, stop=lambda: False)

    return once_per_run("tiny-cascade", train)
