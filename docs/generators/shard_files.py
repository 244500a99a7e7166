"""The shard reference: shards/README.md, then every field of every JSON file, as the schemas have them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from pydantic import BaseModel

import schemas
from generators.tables import table

FILES: dict[str, type[BaseModel]] = {
    "KEY.json": schemas.Sample,
    "plan.json": schemas.Plan,
    "SHARD.index.json": schemas.ShardIndex,
    "rejects.jsonl, a line": schemas.Reject,
    "manifest.json": schemas.Manifest,
    schemas.NEAR_DUPLICATES: schemas.NearDuplicates,
    "swaps.json": schemas.Truth,
}


def shard_reference(root: Path) -> str:
    """Return the specification for people, and the fields of each file."""
    text = (root / "shards/README.md").read_text("utf-8")
    prose = text.partition("\n")[2]  # the page has a title of its own
    return f"{prose}\n## Fields of the JSON files\n\n" + "\n".join(_file(*entry) for entry in FILES.items())


def _file(name: str, model: type[BaseModel]) -> str:
    schema = model.model_json_schema()
    parts = {"": schema, **schema.get("$defs", {})}
    rows = [
        (f"`{part + '.' if part else ''}{field}`", _kind(value), value.get("description", ""))
        for part, definition in parts.items()
        for field, value in definition.get("properties", {}).items()
    ]
    return f"### {name}\n\n{_summary(schema)}\n\n{table(('field', 'type', ''), rows)}"


def _summary(schema: dict[str, Any]) -> str:
    return re.sub(r"\s+", " ", str(schema.get("description", "")))


def _kind(value: dict[str, Any]) -> str:
    """Return a property's type in a word or two."""
    if "$ref" in value:
        return f"`{value['$ref'].rpartition('/')[2]}`"
    if "const" in value:
        return f"`{value['const']}`"
    if "enum" in value:
        return ", ".join(f"`{one}`" for one in value["enum"])
    if "anyOf" in value:
        return ", ".join(_kind(one) for one in value["anyOf"])
    if value.get("type") == "array" and isinstance(value.get("items"), dict):
        return f"list of {_kind(value['items'])}"
    if value.get("type") == "object" and isinstance(value.get("additionalProperties"), dict):
        return f"name → {_kind(value['additionalProperties'])}"
    return str(value.get("type", ""))
