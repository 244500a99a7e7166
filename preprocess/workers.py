"""Worker processes: how they start, and work that is divided among them before anything is built.

On Linux they are forked from a process that has imported what they need, elsewhere they are spawned. That process
imports it once for all of them, and while the command itself still starts and plans.
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
    # Keep large blocks instead of returning them to the kernel after every image: decoding is about twice as fast.
    # glibc reads these once, at process start, so they are set before the server process is started.
    "MALLOC_MMAP_THRESHOLD_": str(1 << 25),
    "MALLOC_TRIM_THRESHOLD_": str(1 << 30),
    "MALLOC_TOP_PAD_": str(1 << 26),
    "OPENBLAS_NUM_THREADS": "1",  # otherwise NumPy starts a thread per core in every worker
}

_ALLOCATIONS = 20_000
"""Objects made before cycles are looked for; Python's own 700 are a fraction of one polygon."""


def cores() -> int:
    """Return the number of cores available to this process."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)


def prepare_environment() -> None:
    """Set ENVIRONMENT for child processes; variables that the user has set are kept."""
    os.environ.update({name: value for name, value in ENVIRONMENT.items() if name not in os.environ})


def make_ready() -> BaseContext:
    """Start the process that workers are forked from, unless it is running; return the multiprocessing context."""
    prepare_environment()
    if sys.platform == "linux":
        from multiprocessing import forkserver  # there is none on Windows

        multiprocessing.set_forkserver_preload(["preprocess.sharding.shard"])
        # Its socket is a file, whose path can be too long.
        with contextlib.suppress(OSError):
            forkserver.ensure_running()
            return multiprocessing.get_context("forkserver")
    return multiprocessing.get_context("spawn")


def open_pool(
    workers: int, context: BaseContext, initializer: Callable[..., object], initargs: tuple[Any, ...] = ()
) -> Executor:
    """Return a pool of ``workers`` processes, or a single thread if shared memory is unavailable and ``workers`` is 1.

    Raise UserError if shared memory is unavailable and ``workers`` is larger.
    """
    fault = shared_memory_fault()
    if fault is None:
        return ProcessPoolExecutor(workers, context, initializer, initargs)
    if workers == 1:
        return ThreadPoolExecutor(1, initializer=initializer, initargs=initargs)
    raise UserError(
        f"shared memory (/dev/shm) is not writable: {reason(fault)}; worker processes need it: use --workers 1, "
        "or a container with a writable /dev/shm"
    )


def shared_memory_fault() -> OSError | None:
    """Return the error that prevents sharing semaphores between processes, or None."""
    if sys.platform != "linux":
        return None
    try:
        multiprocessing.get_context("fork").Lock()  # with the spawn context, a lock would start another process
    except OSError as error:
        return error
    return None


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
    # The process it is forked from may have started before the run's own variables (a store's address, say) were set.
    os.environ.clear()
    os.environ.update(environment)
    settle()


def settle() -> None:
    """Make this process one that works: one thread, and cycles looked for rarely."""
    import cv2  # not above: the command itself imports this module first, to start the workers' one meanwhile

    cv2.setNumThreads(1)
    gc.freeze()  # what is imported stays, and labels are many small lists: not a cycle in them, and soon gone
    gc.set_threshold(_ALLOCATIONS)
