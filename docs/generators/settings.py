"""The configuration reference: every setting of a stage, its default, and what the presets set."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from generators.tables import table
from train.configuration.presets import Preset, preset_config
from train.configuration.stage_config import STAGES, StageConfig


def settings_reference() -> str:
    """Return one table for each group of settings, then the presets side by side."""
    own = [(name, field) for name, field in StageConfig.model_fields.items() if not _models(field)]
    parts = [f"## The stage\n\n{_table(own, '')}"]
    for name, field in StageConfig.model_fields.items():
        for model in _models(field):
            title = name if len(_models(field)) == 1 else f"{name}: {model.__name__}"
            summary = inspect.getdoc(model) or ""
            parts.append(f"## {title}\n\n{summary}\n\n{_table(list(model.model_fields.items()), f'{name}.')}")
    return "\n".join([*parts, _presets()])


def _models(field: FieldInfo) -> list[type[BaseModel]]:
    """Return the classes of a field that holds settings of its own; more than one where there is a choice."""
    candidates = [field.annotation, *get_args(field.annotation)]
    return [one for one in candidates if isinstance(one, type) and issubclass(one, BaseModel)]


def _table(fields: list[tuple[str, FieldInfo]], prefix: str) -> str:
    rows = [
        (f"`{prefix}{name}`", _default(field), field.description or "") for name, field in fields
    ]  # fmt: skip
    return table(("setting", "default", ""), rows)


def _default(field: FieldInfo) -> str:
    return "from the preset" if field.is_required() else f"`{_yaml(field.default)}`"


def _presets() -> str:
    """Return a table of all settings in which two presets or stages differ."""
    columns = {
        f"{preset} {stage}": dict(_leaves(preset_config(preset, stage)))
        for preset in get_args(Preset)
        for stage in STAGES
    }
    names = list(dict.fromkeys(name for values in columns.values() for name in values))
    differing = [
        name
        for name in names
        if name not in ("stage", "preset") and len({_yaml(values.get(name, "")) for values in columns.values()}) > 1
    ]
    rows = [
        (f"`{name}`", *(_yaml(values[name]) if name in values else "" for values in columns.values()))
        for name in differing
    ]
    text = "What the presets set, where two of them or two stages differ. An empty cell: the stage has no such setting."
    return f"## Presets\n\n{text}\n\n{table(('setting', *columns), rows)}"


def _leaves(model: BaseModel, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name in type(model).model_fields:
        value = getattr(model, name)
        if isinstance(value, BaseModel):
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _yaml(value: Any) -> str:
    """Return a value as YAML writes it."""
    if isinstance(value, tuple):
        return f"[{', '.join(_yaml(one) for one in value)}]"
    return {None: "null", True: "true", False: "false"}.get(value, str(value)) if _is_constant(value) else str(value)


def _is_constant(value: Any) -> bool:
    return value is None or isinstance(value, bool)
