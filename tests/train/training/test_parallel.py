from collections.abc import Callable

import pytest

from common.errors import UserError
from train.configuration.stage_config import StageConfig
from train.hardware.world import SINGLE_PROCESS, Parallel, World
from train.training.parallel import refuse_impossible

TinyConfig = Callable[..., StageConfig]

IN_BACKWARD = ["memory.optimizer_in_backward=true", "optim.clip=null"]


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        ("ddp", IN_BACKWARD),
        ("fsdp", IN_BACKWARD),
        ("fsdp", ["memory.optimizer_on_host=true"]),
        ("fsdp", ["memory.ema_on_host=true"]),
        ("fsdp", ["optim.name=adafactor"]),
        ("fsdp", ["compile=true"]),
    ],
)
def test_settings_incompatible_with_parallelism_are_refused_with_a_suggestion(
    tiny: TinyConfig, kind: Parallel, settings: list[str]
) -> None:  # fmt: skip
    with pytest.raises(UserError, match=f"--parallel {kind} is incompatible with {settings[0]}: .* would fit"):
        refuse_impossible(tiny("base", *settings), World(0, 2, kind))
    refuse_impossible(tiny("base", *settings), SINGLE_PROCESS)


@pytest.mark.parametrize("settings", [["memory.optimizer_on_host=true"], ["memory.ema_on_host=true"]])
def test_ddp_allows_offloading(tiny: TinyConfig, settings: list[str]) -> None:
    refuse_impossible(tiny("base", *settings), World(0, 2, "ddp"))


def test_a_batch_that_does_not_divide_is_refused(tiny: TinyConfig) -> None:
    with pytest.raises(UserError, match=r"data\.batch=5 cannot be divided among 2 processes; use a multiple of 2"):
        refuse_impossible(tiny("base", "data.batch=5"), World(0, 2, "ddp"))
