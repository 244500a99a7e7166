"""From preset, file and `--set a.b=c` to a checked StageConfig; mistakes become one line that names the setting."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from common.errors import UserError
from train.configuration.presets import Preset, merged, preset_values
from train.configuration.stage_config import Stage, StageConfig
from train.diffusion.diffusion_config import NO_GUIDANCE

AUTO = "auto"
"""What stands for a setting that is chosen for the machine; not to give it means the same."""
AUTOMATIC = (
    "precision", "compile", "sampling.guidance", "memory.micro_batch", "memory.checkpointing",
    "memory.optimizer_on_host", "memory.ema_on_host",
)  # fmt: skip
"""The settings that may be left to the machine, and guidance to the network: see `train.memory.automatic`."""


def stage_config(preset: Preset, stage: Stage, file: Path | None, assignments: Sequence[str]) -> StageConfig:
    """Merge defaults ← preset ← file ← assignments. Raise UserError for an unknown setting or an impossible value.

    What is left to the machine has its default, which is a CPU's.
    """
    return checked(given_settings(preset, stage, file, assignments), stage)


def given_settings(
    preset: Preset, stage: Stage, file: Path | None, assignments: Sequence[str]
) -> dict[str, Any]:  # fmt: skip
    """Merge preset ← file ← assignments; settings that are left to the machine are absent. Raise UserError."""
    values = preset_values(preset, stage)
    if file is not None:
        values = merged(values, _read(file))
    for assignment in assignments:
        values = merged(values, _parse(assignment))
    if values.get("memory") == AUTO:
        del values["memory"]
    for name in AUTOMATIC:
        *parents, last = name.split(".")
        held = values.get(parents[0], {}) if parents else values
        if isinstance(held, dict) and held.get(last) == AUTO:
            del held[last]
    return values


def is_given(values: dict[str, Any], name: str) -> bool:
    """Return whether nested ``values`` hold the setting of this dotted name."""
    held: Any = values
    for part in name.split("."):
        if not isinstance(held, dict) or part not in held:
            return False
        held = held[part]
    return True


def checked(values: dict[str, Any], stage: Stage) -> StageConfig:
    """Return nested values as a configuration. Raise UserError with the setting that is unknown or impossible."""
    try:
        config = StageConfig.model_validate(values)
    except ValidationError as error:
        raise UserError(_explain(error, stage)) from error
    if config.stage != stage:
        raise UserError(
            f"the settings are those of the stage {config.stage}, not of {stage}: give --stage {config.stage}"
        )
    if config.diffusion.drop == 0 and config.sampling.guidance != 1:
        if is_given(values, "sampling.guidance"):
            raise UserError(f"sampling.guidance={config.sampling.guidance:g}: {NO_GUIDANCE}")
        return config.model_copy(update={"sampling": config.sampling.model_copy(update={"guidance": 1.0})})
    return config


def as_yaml(config: StageConfig, given: dict[str, Any] | None = None) -> str:
    """Return all settings as YAML that ``stage_config`` reads back as they are.

    Of those that may be left to the machine the ones that ``given`` does not hold are written as auto.
    """
    values = _whole(config)
    for name in AUTOMATIC if given is not None else ():
        *parents, last = name.split(".")
        if not is_given(given or {}, name):
            (values[parents[0]] if parents else values)[last] = AUTO
    return yaml.safe_dump(values, sort_keys=False, default_flow_style=None)


def _whole(settings: BaseModel) -> dict[str, Any]:
    """Return all settings, also those that JSON leaves out where they are the paper's: nano has others."""
    written = settings.model_dump(mode="json")
    values = {name: getattr(settings, name) for name in type(settings).model_fields}
    return {
        name: _whole(value) if isinstance(value, BaseModel) else written.get(name, value)
        for name, value in values.items()
    }


def _read(file: Path) -> dict[str, Any]:
    try:
        document = yaml.safe_load(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"--config {file}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"--config {file}: not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(document, dict):
        raise UserError(f"--config {file}: settings are expected, as in `optim: {{lr: 1e-4}}`")
    return document


def _parse(assignment: str) -> dict[str, Any]:
    name, sign, text = assignment.partition("=")
    if not sign or not name:
        raise UserError(f"--set {assignment}: give it as name=value, for instance optim.lr=1e-4")
    value: Any = _scalar(text)
    for part in reversed(name.split(".")):
        value = {part: value}
    assert isinstance(value, dict)
    return value


def _scalar(text: str) -> Any:
    try:
        return float(text) if "e" in text.lower() else yaml.safe_load(text)  # YAML takes 1e-4 for a string
    except ValueError:
        return text
    except yaml.YAMLError as error:
        raise UserError(f"--set: {text!r} is not a value: {' '.join(str(error).split())}") from error


def _explain(error: ValidationError, stage: Stage) -> str:
    first = error.errors()[0]
    where = [str(part) for part in first["loc"] if part not in ("parallel-unet", "efficient-unet")]
    name = ".".join(where) or f"stage {stage}"
    if first["type"] == "extra_forbidden":
        close = difflib.get_close_matches(name, _names(StageConfig), n=1)
        return f"no setting is called {name}" + (f"; did you mean {close[0]}?" if close else "")
    if first["type"] == "value_error":
        return f"{name}: {first['msg'].removeprefix('Value error, ')}"
    return f"{name}={first['input']}: {first['msg'][0].lower()}{first['msg'][1:]}"


def _names(model: type[BaseModel]) -> list[str]:
    names = []
    for name, field in model.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            names += [f"{name}.{part}" for part in _names(inner)]
        else:
            names.append(name)
    return names
