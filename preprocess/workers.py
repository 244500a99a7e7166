"""Worker processes: starting them, and mapping work over them before anything is built.

On Linux they are forked from a fork server that has already imported the modules they need; elsewhere they are spawned.
The fork server imports once for all of them, while the command itself still starts and plans.
"""

from __future__ import annotations

import contextlib
import gc
import multiprocessing
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import starmap
from multiprocessing.context import BaseContext
from typing import Any, TypeVar

from common.errors import UserError, reason

T = TypeVar("T")

ENVIRONMENT = {
    # Large blocks are kept instead of being returned to the kernel for every image: decoding is about twice as fast.
    # glibc reads these once, when a process starts, so they are set before the fork server is started.
    "MALLOC_MMAP_THRESHOLD_": str(1 << 25),
    "MALLOC_TRIM_THRESHOLD_": str(1 << 30),
    "MALLOC_TOP_PAD_": str(1 << 26),
    "OPENBLAS_NUM_THREADS": "1",  # else NumPy starts a thread per core in every worker, and none needs them
}

_ALLOCATIONS = 20_000
"""Allocations before the garbage collector runs; Python's default of 700 is a fraction of one polygon."""


def cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)


def prepare_environment() -> None:
    """Set ENVIRONMENT for processes started from here, except variables that the user has set."""
    os.environ.update({name: value for name, value in ENVIRONMENT.items() if name not in os.environ})


def make_ready() -> BaseContext:
    """Start the fork server unless it is running; return the multiprocessing context for workers."""
    prepare_environment()
    if sys.platform == "linux":
        from multiprocessing import forkserver  # there is none on Windows

        multiprocessing.set_forkserver_preload(["preprocess.sharding.shard"])
        # Its socket is a file whose path can be too long.
        with contextlib.suppress(OSError):
            forkserver.ensure_running()
            return multiprocessing.get_context("forkserver")
    return multiprocessing.get_context("spawn")


def open_pool(
    workers: int, context: BaseContext, initializer: Callable[..., object], initargs: tuple[Any, ...] = ()
) -> Executor:
    """Return a pool of ``workers`` processes.

    If processes cannot share memory, one worker is a thread of this process, and more raise UserError.
    """
    fault = shared_memory_fault()
    if fault is None:
        return ProcessPoolExecutor(workers, context, initializer, initargs)
    if workers == 1:
        return ThreadPoolExecutor(1, initializer=initializer, initargs=initargs)
    raise UserError(
        f"shared memory (/dev/shm) cannot be written: {reason(fault)}; worker processes need it; use --workers 1, "
        "or a container with a writable /dev/shm"
    )


def shared_memory_fault() -> OSError | None:
    """Return the error if processes cannot share semaphores on this machine, None if they can."""
    if sys.platform != "linux":
        return None
    try:
        multiprocessing.get_context("fork").Lock()  # the spawn context's lock would start another process
    except OSError as error:
        return error
    return None


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
                "a worker was killed, perhaps out of memory; free some memory and run the same command again"
            ) from error
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def start_worker(environment: Mapping[str, str]) -> None:
    """Initialise a new worker process with the run's environment."""
    # The fork server may have started before the run's own variables (e.g. a store's address) were set.
    os.environ.clear()
    os.environ.update(environment)
    configure_worker()


def configure_worker() -> None:
    """Configure this process as a worker: a single thread, and rare garbage collection."""
    import cv2  # not at the top: the command imports this module early, to start the fork server meanwhile

    cv2.setNumThreads(1)
    gc.freeze()  # imported objects stay, and labels are many small, short-lived lists without cycles
    gc.set_threshold(_ALLOCATIONS)
