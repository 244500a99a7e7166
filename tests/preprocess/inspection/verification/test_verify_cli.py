"""`prep verify` as a person and as a program meet it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from common.errors import UserError
from preprocess.cli.verify import verify_shards


def test_a_good_folder_is_one_line_and_exit_code_0(good: Path) -> None:
    """With worker processes, as always outside tests."""
    result = CliRunner().invoke(verify_shards, ["--shards", str(good), "--workers", "2"])
    assert result.exit_code == 0
    assert result.output.startswith(f"no problems in 4 samples and 1 reject in 3 shards: {good} (")


def test_a_damaged_folder_is_a_list_and_exit_code_1(folder: Any, check: object) -> None:
    (folder.path / "notes").write_text("")
    result = CliRunner().invoke(verify_shards, ["--shards", str(folder.path)])
    assert result.exit_code == 1
    first, last = result.output.splitlines()
    assert first == "notes: does not belong to the plan"
    assert last.startswith("1 problem in 4 samples")
    result = CliRunner().invoke(verify_shards, ["--shards", str(folder.path), "--json"])
    problem = {"shard": "notes", "key": "", "member": "", "problem": "does not belong to the plan"}
    assert json.loads(result.output) == {"ok": False, "samples": 4, "problems": [problem], "notes": []}


@pytest.mark.parametrize(("plan", "what"), [(None, "no plan.json in it"), ("{", "damaged or of another version")])
def test_no_folder_of_shards_is_the_users_mistake(plan: str | None, what: str, tmp_path: Path) -> None:
    if plan is not None:
        (tmp_path / "plan.json").write_text(plan)
    result = CliRunner().invoke(verify_shards, ["--shards", str(tmp_path)])
    assert isinstance(result.exception, UserError)
    assert what in str(result.exception)
