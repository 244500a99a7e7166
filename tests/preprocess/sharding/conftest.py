"""Builds of a small data set: in this process where that is enough, each sample made once."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from configurations import CONFIGURATION

from preprocess.planning.pairing import records
from preprocess.planning.plan import PlannedRecords, make_plan
from preprocess.sharding import pool
from preprocess.sharding.sample import Members, make_samples
from preprocess.sources import Files, Record
from preprocess.sources.aihub import open_aihub
from schemas import Configuration, Reject

PlanOf = Callable[[Path], PlannedRecords]


def make_looks(root: Path, count: int) -> None:
    """Add looks and items up to ``count``: each a copy of the first one under its own name."""
    for number in range(2, count + 1):
        for old, new in (("1008_A001_000", f"1008_A{number:03d}_000"), ("1008001_F", f"1008{number:03d}_F")):
            for path in list(root.rglob(f"{old}.*")):
                path.with_name(path.name.replace(old, new)).write_bytes(path.read_bytes())
    rows = [{"wearing": f"1008_A{n:03d}_000.jpg", "main_top": f"1008{n:03d}"} for n in range(1, count + 1)]
    next(root.rglob("winfo_train.json")).write_text(json.dumps(rows), encoding="utf-8")


@pytest.fixture
def looks(aihub: Path) -> Callable[[int], Path]:
    """Make a data set of as many looks, all in one split; the last ones are the same picture by picture."""

    def make(count: int) -> Path:
        make_looks(aihub, count)
        return aihub

    return make


@pytest.fixture
def plan_of(monkeypatch: pytest.MonkeyPatch) -> PlanOf:
    """Plan a data set, two records a shard."""
    monkeypatch.setattr("preprocess.planning.plan._SMALLEST_SHARD", 2)

    def plan(root: Path) -> PlannedRecords:
        files = Files(root)
        return make_plan(files, list(records(open_aihub(files), "upper")), CONFIGURATION)

    return plan


@pytest.fixture
def tree() -> Callable[[Path], dict[str, bytes]]:
    """Return every file of a folder of shards with its bytes."""
    return lambda folder: {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


class InProcess(Executor):
    """Runs each job at once, in the test's own process."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


@pytest.fixture
def in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Build without worker processes, and make each record's sample once for the whole test."""

    @contextmanager
    def worker_pool(_count: int, job: pool.Job) -> Iterator[Executor]:
        monkeypatch.setattr(pool, "_job", [job])
        yield InProcess()

    # Its package exports a function of the module's name, so that a dotted path would lead to that.
    monkeypatch.setattr(import_module("preprocess.sharding.build"), "worker_pool", worker_pool)
    monkeypatch.setattr("preprocess.sharding.dry_run.worker_pool", worker_pool)
    made: dict[tuple[object, ...], Members | Reject] = {}

    def remembered(files: Files, work: Sequence[Record], configuration: Configuration) -> Iterator[Members | Reject]:
        for record in work:
            key = (configuration, record, *((files.root / path).read_bytes() for path in record.inputs if path))
            if key not in made:
                (made[key],) = make_samples(files, [record], configuration)
            yield made[key]

    monkeypatch.setattr("preprocess.sharding.shard.make_samples", remembered)
