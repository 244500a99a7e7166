"""Processes that build shards: single-threaded inside, each with its own copy of the data set's listing."""

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
from preprocess.sharding.shared_counts import Tally
from preprocess.sources import Files
from preprocess.workers import make_ready, open_pool, start_worker

T = TypeVar("T")

_BEAT = 1.0
"""Seconds between two looks at the counts while no shard ends."""


@dataclass(frozen=True)
class Job:
    """What all shards of a run have in common; handed to each worker once, as it starts."""

    files: Files
    out: Storage
    tally: Tally


Engine = Callable[[Job, Sequence[ShardWork], int], Generator[Future[Done] | None]]
"""Builds shards with at most so many workers; yields their futures as they end, and None when a second goes by without.

It counts the records in the job's tally, and ends early once that is stopped.
"""

_job: list[Job] = []


@contextmanager
def worker_pool(count: int, job: Job) -> Iterator[Executor]:
    """Yield a pool of ``count`` processes that know the job; what they have not begun at the end is dropped.

    One may be a thread of this process (`open_pool`). Raise UserError where a worker was killed.
    """
    pool = open_pool(count, make_ready(), _start, (job, dict(os.environ)))
    try:
        yield pool
    except BrokenProcessPool as error:
        raise UserError(
            f"--out {job.out}: a worker was killed, perhaps for want of memory; "
            "run the same command again to go on, with fewer --workers"
        ) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def current_job() -> Job:
    """Return the job of the worker process that this is called in."""
    return _job[0]


def completed(futures: Iterable[Future[T]]) -> Iterator[Future[T] | None]:
    """Yield the futures as they end, and None whenever a second goes by without."""
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
