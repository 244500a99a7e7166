"""The guide's way from Garments2Look's files to a table, in files of that layout."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from pair_tables import opened_table

GUIDE = Path(__file__).parents[4] / "docs/guides/tables.md"


def write(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def test_the_guides_script_makes_a_table_of_garments2look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "Garments2Look"
    outfits = {
        "P1_b1": {"gender": "women", "section": "train", "outfit": {"P1": "silk shirt", "P2": "wide jeans", "U3": "a"}},
        "P4_d2": {"gender": "men", "section": "test", "outfit": {"P4": "leather boots", "P5": "wool coat"}},
    }  # fmt: skip
    garments = {
        name: {"main_category": "x", "images": {"product": {"full": [f"{name}_full.jpg"]}}}
        for name in ("P1", "P2", "P4", "P5")
    }
    write(root / "mytheresa_outfit_v1.0_2512.json", outfits)
    write(root / "mytheresa_image_v1.0_2512.json", garments)
    write(root / "mytheresa/looks-resized/women/P1_b1.png", "")
    write(root / "mytheresa/looks-resized/men/P4_d2.jpg", "")
    (script,) = re.findall(r"```python\n(.*?)```", GUIDE.read_text(encoding="utf-8"), flags=re.DOTALL)
    monkeypatch.chdir(tmp_path)
    exec(compile(script, str(GUIDE), "exec"), {})  # as a reader runs it
    data = opened_table(root / "pairs.csv", None)
    assert [(row.look, row.kind, row.split, row.path("garment")) for row in data.rows] == [
        ("P1_b1", "upper", "train", "mytheresa/images/P1/P1_full.jpg"),
        ("P1_b1", "lower", "train", "mytheresa/images/P2/P2_full.jpg"),
        ("P4_d2", "upper", "val", "mytheresa/images/P5/P5_full.jpg"),
    ]
    assert data.rows[2].path("person") == "mytheresa/looks-resized/men/P4_d2.jpg"
    assert data.left_out == {"unknown-category": 1}
