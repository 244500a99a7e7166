"""Messages of a Ray that cannot be joined or started, with a stand-in for Ray; builds by Ray are in test_engines.py."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from builds import run

from common.errors import UserError
from preprocess.planning.plan import PlannedRecords
from preprocess.sharding import ray_engine

TIMED_OUT = Exception("The current node timed out during startup. This could happen because some of the raylet failed")


@pytest.mark.parametrize(
    ("address", "error", "said"),
    [
        (None, TIMED_OUT, "--engine ray: Ray did not start on this machine (The current node timed out"),
        (None, RuntimeError("no port"), "--engine ray: Ray did not start on this machine (no port)"),
        ("auto", ConnectionError("none runs"), "--ray-address auto: none runs; give the address of a running"),
    ],
)
def test_a_cluster_that_does_not_start_is_one_line(
    address: str | None, error: Exception, said: str, looks: Callable[[int], Path],
    plan_of: Callable[[Path], PlannedRecords], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    def init(**_: Any) -> None:
        raise error

    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setitem(sys.modules, "ray", SimpleNamespace(init=init))
    root = looks(2)
    with pytest.raises(UserError) as caught:
        run(root, tmp_path / "out", plan_of(root), engine=ray_engine(address))
    assert str(caught.value).startswith(said)
    assert "\n" not in str(caught.value)
