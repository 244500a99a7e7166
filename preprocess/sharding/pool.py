"""Worker processes that build shards: single-threaded, each with its own copy of the dataset's listing."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from common.errors import UserError
from common.storage import Storage
from preprocess.sharding.folder import Done
from preprocess.sharding.shard import ShardWork
from preprocess.sharding.shared_counts import RejectCounter
from preprocess.sources import Files
from preprocess.workers import open_pool

T = TypeVar("T")

_BEAT = 1.0
"""Seconds between updates of the counts while no shard finishes."""


@dataclass(frozen=True)
class Job:
    """What all shards of a run share; sent to each worker once, when it starts."""

    files: Files
    out: Storage
    tally: RejectCounter


Engine = Callable[[Job, Sequence[ShardWork], int], Generator[Future[Done] | None]]
"""Builds shards with at most the given number of workers; yields their futures as they finish, and None after every
second without one.

It counts the records in the job's tally, and ends early once that is stopped.
"""

_job: list[Job] = []


@contextmanager
def worker_pool(count: int, job: Job) -> Iterator[Executor]:
    """Yield a pool of ``count`` processes with the job; tasks that have not started at the end are cancelled.

    The workers may be threads of this process (`open_pool`). Raise UserError if a worker was killed.
    """
    try:
        with open_pool(count, _start, (job,)) as pool:
            try:
                yield pool
            except BaseException:
                job.tally.stop()  # threads cannot be interrupted, but abandon their shard at the next record
                raise
    except BrokenProcessPool as error:
        raise UserError(
            f"--out {job.out}: a worker was killed, perhaps out of memory; "
            "run the same command again with fewer --workers to resume"
        ) from error


def current_job() -> Job:
    """Return the job of the current worker process."""
    return _job[0]


def completed(futures: Iterable[Future[T]]) -> Iterator[Future[T] | None]:
    """Yield the futures as they finish, and None after every second without one."""
    pending = set(futures)
    while pending:
        done, pending = wait(pending, timeout=_BEAT, return_when=FIRST_COMPLETED)
        yield from done or (None,)


def _start(job: Job) -> None:
    _job[:] = [job]
