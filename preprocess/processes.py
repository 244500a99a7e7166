"""Work that is divided among processes, for what is read before anything is built."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import starmap
from typing import Any, TypeVar

import cv2

from schemas import UserError

T = TypeVar("T")


def in_processes(function: Callable[..., T], work: Sequence[tuple[Any, ...]], workers: int) -> Iterator[T]:
    """Yield ``function(*arguments)`` for each entry of ``work``, in order; in this process where ``workers`` is 1.

    Raise UserError where a worker was killed.
    """
    if workers == 1:
        yield from starmap(function, work)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(workers, len(work)), context, cv2.setNumThreads, (1,)) as pool:
        try:
            yield from pool.map(function, *zip(*work, strict=True))
        except BrokenProcessPool as error:
            raise UserError(
                "a worker was killed, perhaps for want of memory; run the command again with less beside it"
            ) from error
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
