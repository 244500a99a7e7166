"""A stage's run folder: which configuration it belongs to.

RUN/config.json, metrics.jsonl, checkpoints/, sheets/, tensorboard/
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import ValidationError

from common.errors import UserError
from common.atomic import write_atomically
from common.errors import writing
from train.configuration.stage_config import StageConfig

CONFIG = "config.json"


def claim_run(run: Path, config: StageConfig) -> None:
    """Write the configuration into the run folder, or check that it is the one that the run was begun with.

    Only what does not touch the steps made so far may differ, and where the memory is: a run may go on on another card,
    since that changes the rounding at most. Raise UserError with the differences.
    """
    path = run / CONFIG
    if path.exists():
        try:  # read as a configuration: what an earlier version did not know gets its default
            held = StageConfig.model_validate_json(path.read_bytes())
        except ValidationError as error:
            raise UserError(f"{path}: not a configuration of this version; give another --runs") from error
        before, now = _decisive(held, config), _decisive(config, config)
        told = "; ".join(f"{key} was {before[key]}, is {now[key]}" for key in now if before[key] != now[key])
        if told:
            raise UserError(f"{run}: was begun with other settings ({told}); give another --runs, or the same settings")
    with writing(f"--runs {run}"):
        run.mkdir(parents=True, exist_ok=True)
        write_atomically(path, (config.model_dump_json(indent=2) + "\n").encode())


def _decisive(config: StageConfig, wanted: StageConfig) -> dict[str, Any]:
    """Return the settings that decide what the steps compute."""
    free = {"checkpoint", "sampling", "memory", "validation", "log", "compile"}
    if wanted.optim.decay == "constant":
        free.add("steps")
    values = config.model_dump(mode="json", exclude=free)
    for name in ("threads", "cache", "cache_bytes", "cache_memory"):
        del values["data"][name]
    del values["optim"]["max_skipped"]
    return values
