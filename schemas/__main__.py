"""`python -m schemas`: write the JSON Schema of every file of the contract to schemas/json/."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import BaseModel

from schemas.manifest import Manifest, Plan, Reject, ShardIndex
from schemas.sample import Sample
from schemas.truth import Truth

FOLDER = Path(__file__).parent / "json"
DOCUMENTS: dict[str, type[BaseModel]] = {
    "sample": Sample,
    "plan": Plan,
    "index": ShardIndex,
    "reject": Reject,
    "manifest": Manifest,
    "swaps": Truth,
}


def json_schema(model: type[BaseModel]) -> str:
    """Return the JSON Schema of ``model`` as stored in schemas/json/."""
    return json.dumps(model.model_json_schema(), indent=2, ensure_ascii=False) + "\n"


def main() -> None:
    """Rewrite every schema."""
    FOLDER.mkdir(exist_ok=True)
    for name, model in DOCUMENTS.items():
        (FOLDER / f"{name}.schema.json").write_text(json_schema(model), encoding="utf-8")


if __name__ == "__main__":
    main()
