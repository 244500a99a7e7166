"""Workers know what this process knows, whenever what they are forked from was started."""

import os
from pathlib import Path

import pytest

from preprocess.build.pool import Job, worker_pool
from preprocess.build.tally import Tally
from preprocess.folders import LocalFolder
from preprocess.sources import Files
from preprocess.workers import ENVIRONMENT, make_ready, prepare_environment


def test_a_worker_has_the_environment_of_its_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_ready()
    job = Job(Files(tmp_path), LocalFolder(tmp_path), Tally(None, 0, 0))
    for value in ("one", "other"):
        monkeypatch.setenv("TRYON_TOLD", value)
        with worker_pool(1, job) as pool:
            assert pool.submit(os.getenv, "TRYON_TOLD").result() == value
    monkeypatch.delenv("TRYON_TOLD")
    with worker_pool(1, job) as pool:
        assert pool.submit(os.getenv, "TRYON_TOLD").result() is None


def test_what_the_user_has_set_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ENVIRONMENT:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MALLOC_TOP_PAD_", "1")
    prepare_environment()
    assert {name: os.environ[name] for name in ENVIRONMENT} == {**ENVIRONMENT, "MALLOC_TOP_PAD_": "1"}
