"""Worker processes that build shards: single-threaded, each with its own copy of the dataset's listing."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import wait as wait_for
from typing import TypeVar

from common.errors import UserError
from common.storage import Storage
from preprocess.sharding.folder import Done
from preprocess.sharding.shard import ShardWork
from preprocess.sharding.shared_counts import RejectCounter
from preprocess.sources import Files
from preprocess.workers import make_ready, open_pool, start_worker

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

    A single worker may be a thread of this process (`open_pool`). Raise UserError if a worker was killed.
    """
    pool = open_pool(count, make_ready(), _start, (job, dict(os.environ)))
    try:
        yield pool
    except BrokenProcessPool as error:
        raise UserError(
            f"--out {job.out}: a worker was killed, perhaps out of memory; "
            "run the same command again with fewer --workers to resume"
        ) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def current_job() -> Job:
    """Return the job of the current worker process."""
    return _job[0]


def completed(futures: Iterable[Future[T]]) -> Iterator[Future[T] | None]:
    """Yield the futures as they finish, and None after every second without one."""
    pending = set(futures)
    while pending:
        done, pending = wait(pending, timeout=_BEAT, return_when=FIRST_COMPLETED)
        yield from done or (None,)


def _start(job: Job, environment: dict[str, str]) -> None:
    start_worker(environment)
    threading.Thread(target=_die_with_parent, daemon=True).start()
    _job[:] = [job]


def _die_with_parent() -> None:
    """End this worker when the run is killed: it must not commit a shard of an old plan beside a newer run's."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait_for([parent.sentinel])
        os._exit(1)
