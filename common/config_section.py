"""The base class of all configuration sections, and their settings by name."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict


class ConfigSection(BaseModel):
    """Validated, frozen settings: unknown names are errors, attribute docstrings become field descriptions."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


def by_name(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested settings by their names as --set takes them, such as optim.lr."""
    flat: dict[str, Any] = {}
    for name, value in values.items():
        flat |= by_name(value, f"{prefix}{name}.") if isinstance(value, dict) else {f"{prefix}{name}": value}
    return flat
