"""Merge preset, file and `--set a.b=c` into a validated StageConfig; an error is one line that names the setting."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from common.errors import UserError
from common.text import one_line
from train.configuration.presets import Preset, merged, preset_values
from train.configuration.stage_config import Stage, StageConfig
from train.diffusion.diffusion_config import NO_GUIDANCE

AUTO = "auto"
"""Value of a setting that is chosen for the machine; omitting the setting means the same."""
AUTOMATIC = (
    "precision", "compile", "sampling.guidance", "memory.micro_batch", "memory.checkpointing",
    "memory.optimizer_on_host", "memory.ema_on_host",
)  # fmt: skip
"""Settings that can be automatic: chosen for the machine (`train.memory.automatic`), guidance for the network."""


def stage_config(preset: Preset, stage: Stage, file: Path | None, assignments: Sequence[str]) -> StageConfig:
    """Merge defaults ← preset ← file ← assignments. Raise UserError for an unknown setting or an impossible value.

    Automatic settings get their defaults, which suit a CPU.
    """
    return validated_config(merge_settings(preset, stage, file, assignments), stage)


def merge_settings(
    preset: Preset, stage: Stage, file: Path | None, assignments: Sequence[str]
) -> dict[str, Any]:  # fmt: skip
    """Merge preset ← file ← assignments; automatic settings are absent from the result. Raise UserError."""
    values = preset_values(preset, stage)
    if file is not None:
        values = merged(values, _read(file))
    for assignment in assignments:
        values = merged(values, _parse(assignment))
    if values.get("memory") == AUTO:
        del values["memory"]
    for name in AUTOMATIC:
        *parents, last = name.split(".")
        section = values.get(parents[0], {}) if parents else values
        if isinstance(section, dict) and section.get(last) == AUTO:
            del section[last]
    return values


def has_setting(values: dict[str, Any], name: str) -> bool:
    """Return whether nested ``values`` contain the setting with this dotted name."""
    value: Any = values
    for part in name.split("."):
        if not isinstance(value, dict) or part not in value:
            return False
        value = value[part]
    return True


def validated_config(values: dict[str, Any], stage: Stage) -> StageConfig:
    """Validate nested values as a configuration. Raise UserError naming the setting that is unknown or invalid."""
    try:
        config = StageConfig.model_validate(values)
    except ValidationError as error:
        raise UserError(_explain(error, stage)) from error
    if config.stage != stage:
        raise UserError(f"the settings are for stage {config.stage}, not {stage}: use --stage {config.stage}")
    if config.diffusion.drop == 0 and config.sampling.guidance != 1:
        if has_setting(values, "sampling.guidance"):
            raise UserError(f"sampling.guidance={config.sampling.guidance:g}: {NO_GUIDANCE}")
        return config.model_copy(update={"sampling": config.sampling.model_copy(update={"guidance": 1.0})})
    return config


def as_yaml(config: StageConfig, given: dict[str, Any] | None = None) -> str:
    """Return all settings as YAML that ``stage_config`` reads back as they are.

    With ``given``, automatic settings that it does not contain are written as auto.
    """
    values = _all_values(config)
    for name in AUTOMATIC if given is not None else ():
        *parents, last = name.split(".")
        if not has_setting(given or {}, name):
            (values[parents[0]] if parents else values)[last] = AUTO
    return yaml.safe_dump(values, sort_keys=False, default_flow_style=None)


def _all_values(settings: BaseModel) -> dict[str, Any]:
    """Return all settings, including those that the JSON form omits because they equal the paper's."""
    dumped = settings.model_dump(mode="json")
    values = {name: getattr(settings, name) for name in type(settings).model_fields}
    return {
        name: _all_values(value) if isinstance(value, BaseModel) else dumped.get(name, value)
        for name, value in values.items()
    }


def _read(file: Path) -> dict[str, Any]:
    try:
        document = yaml.safe_load(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"--config {file}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"--config {file}: not YAML: {one_line(error)}") from error
    if not isinstance(document, dict):
        raise UserError(f"--config {file}: expected a mapping of settings, for instance `optim: {{lr: 1e-4}}`")
    return document


def _parse(assignment: str) -> dict[str, Any]:
    name, sign, text = assignment.partition("=")
    if not sign or not name:
        raise UserError(f"--set {assignment}: expected name=value, for instance optim.lr=1e-4")
    value: Any = _scalar(text)
    for part in reversed(name.split(".")):
        value = {part: value}
    assert isinstance(value, dict)
    return value


def _scalar(text: str) -> Any:
    try:
        return float(text) if "e" in text.lower() else yaml.safe_load(text)  # YAML reads 1e-4 as a string
    except ValueError:
        return text
    except yaml.YAMLError as error:
        raise UserError(f"--set: {text!r} is not a YAML value: {one_line(error)}") from error


def _explain(error: ValidationError, stage: Stage) -> str:
    first = error.errors()[0]
    path = [str(part) for part in first["loc"] if part not in ("parallel-unet", "efficient-unet")]
    name = ".".join(path) or f"stage {stage}"
    if first["type"] == "extra_forbidden":
        close = _close_names(name)
        return f"no setting named {name}" + (f"; did you mean {' or '.join(close)}?" if close else "")
    if first["type"] == "value_error":
        return f"{name}: {first['msg'].removeprefix('Value error, ')}"
    return f"{name}={first['input']}: {first['msg'][0].lower()}{first['msg'][1:]}"


def _close_names(name: str) -> list[str]:
    """Return the settings of the same last part, which are in another group, or else the nearest by spelling."""
    names, last = _names(StageConfig), name.rpartition(".")[2]
    return [one for one in names if one.rpartition(".")[2] == last][:3] or difflib.get_close_matches(name, names, n=1)


def _names(model: type[BaseModel]) -> list[str]:
    names = []
    for name, field in model.model_fields.items():
        annotation = field.annotation
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            names += [f"{name}.{part}" for part in _names(annotation)]
        else:
            names.append(name)
    return names
