"""Parallel map over processes, for reading before the build."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures.process import BrokenProcessPool
from itertools import starmap
from typing import Any, TypeVar

import cv2

from common.errors import UserError
from preprocess.workers import make_ready, open_pool

T = TypeVar("T")

_ALLOCATIONS = 20_000
"""Allocations between garbage collections; Python's default, 700, is a fraction of one polygon."""


def in_processes(function: Callable[..., T], work: Sequence[tuple[Any, ...]], workers: int) -> Iterator[T]:
    """Yield ``function(*arguments)`` for each entry of ``work``, in order; in this process if ``workers`` is 1.

    Raise UserError if a worker was killed.
    """
    if workers == 1:
        yield from starmap(function, work)
        return
    with open_pool(min(workers, len(work)), make_ready(), start_worker, (dict(os.environ),)) as pool:
        try:
            yield from pool.map(function, *zip(*work, strict=True))
        except BrokenProcessPool as error:
            raise UserError(
                "a worker was killed, perhaps for lack of memory; run again with fewer --workers or less else running"
            ) from error
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def start_worker(environment: Mapping[str, str]) -> None:
    """Initialise a worker process with the run's environment."""
    # The process it is forked from may have started before a variable, e.g. a store's address, was set.
    os.environ.clear()
    os.environ.update(environment)
    settle()


def settle() -> None:
    """Configure this process as a worker: one OpenCV thread, and rare garbage collection."""
    cv2.setNumThreads(1)
    gc.freeze()  # imports stay alive; labels are many small short-lived lists without cycles
    gc.set_threshold(_ALLOCATIONS)
