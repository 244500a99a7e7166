"""What the tests on a card share; without a card they are skipped.

TRYON_CARD_DEVICE=cpu rehearses on a CPU those that can be: it shows that they run, not what they are to show.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from card.drawn import drawn_shards

from train.configuration.settings import stage_config
from train.configuration.stage_config import StageConfig

os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # before the first product: deterministic ones need it

_REHEARSED = os.environ.get("TRYON_CARD_DEVICE") == "cpu"
_TRYON = [
    "model.channels=[8,16]", "model.person_down=[1,1]", "model.garment_down=[1,1]", "model.garment_up=[1]",
    "model.attention_levels=[16]", "model.head_dim=8", "model.film_dim=16", "model.pose_dim=8",
]  # fmt: skip
_OF_STAGE = {
    "base": _TRYON,
    "sr256": [*_TRYON, "grow=false"],
    "sr1024": ["model.channels=[8,16]", "model.blocks=[1,1]", "model.emb_dim=16"],
}
_ALL = ["optim.warmup=0", "optim.lr=1e-3", "optim.decay=constant", "data.batch=4", "data.threads=2", "steps=8"]

TinyConfig = Callable[..., StageConfig]
"""(stage, *settings) → the configuration of a stage so small that a step takes milliseconds."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of this folder; what a card's libraries warn of is no failure."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.card)
            item.add_marker(pytest.mark.filterwarnings("default"))


@pytest.fixture(scope="session")
def device() -> torch.device:
    """The card, or the CPU in a rehearsal."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    if not _REHEARSED:
        pytest.skip("no CUDA GPU found")
    return torch.device("cpu")


@pytest.fixture(scope="session")
def card(device: torch.device) -> torch.device:
    """The card; also in a rehearsal the test is skipped where there is none."""
    if device.type != "cuda":
        pytest.skip("needs a CUDA card")
    return device


@pytest.fixture(scope="session")
def tiny() -> TinyConfig:
    """Return a stage of the nano preset made tiny."""
    return lambda stage, *more: stage_config("nano", stage, None, [*_ALL, *_OF_STAGE[stage], *more])


@pytest.fixture(scope="session")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Shards of twelve drawn looks."""
    return drawn_shards(tmp_path_factory.mktemp("drawn"), 12, workers=1)


@pytest.fixture(autouse=True)
def _arithmetic() -> Iterator[None]:
    """Put back what a test, or `train.hardware.cards.prepare`, says of precision, kernels and determinism."""
    cudnn = torch.backends.cudnn
    held = (torch.get_float32_matmul_precision(), cudnn.benchmark, cudnn.deterministic, cudnn.allow_tf32)
    yield
    torch.set_float32_matmul_precision(held[0])
    cudnn.benchmark, cudnn.deterministic, cudnn.allow_tf32 = held[1:]
    torch.use_deterministic_algorithms(mode=False)


@pytest.fixture
def deterministic() -> None:
    """Have the card add up in one order."""
    torch.use_deterministic_algorithms(mode=True, warn_only=True)
    torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = True, False


@pytest.fixture
def exact_fp32() -> Callable[[], None]:
    """Return what turns TF32 off; `train.hardware.cards.prepare`, which sampling calls, turns it on again."""

    def turn_off() -> None:
        torch.set_float32_matmul_precision("highest")
        torch.backends.cudnn.allow_tf32 = False

    return turn_off
