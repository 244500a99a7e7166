"""Work that is divided among processes, for what is read before anything is built."""

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
"""Objects made before cycles are looked for; Python's own 700 are a fraction of one polygon."""


def in_processes(function: Callable[..., T], work: Sequence[tuple[Any, ...]], workers: int) -> Iterator[T]:
    """Yield ``function(*arguments)`` for each entry of ``work``, in order; in this process where ``workers`` is 1.

    Raise UserError where a worker was killed.
    """
    if workers == 1:
        yield from starmap(function, work)
        return
    with open_pool(min(workers, len(work)), make_ready(), start_worker, (dict(os.environ),)) as pool:
        try:
            yield from pool.map(function, *zip(*work, strict=True))
        except BrokenProcessPool as error:
            raise UserError(
                "a worker was killed, perhaps for want of memory; run the command again with less beside it"
            ) from error
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def start_worker(environment: Mapping[str, str]) -> None:
    """Make a fresh process a worker with the run's environment."""
    # What it is forked from may have started before the run was told, say, another address of a store.
    os.environ.clear()
    os.environ.update(environment)
    settle()


def settle() -> None:
    """Make this process one that works: one thread, and cycles looked for rarely."""
    cv2.setNumThreads(1)
    gc.freeze()  # what is imported stays, and labels are many small lists: not a cycle in them, and soon gone
    gc.set_threshold(_ALLOCATIONS)
