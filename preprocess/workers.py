"""How worker processes start: on Linux forked from a process that has imported what they need, elsewhere spawned.

That process imports it once for all of them, and while the command itself still starts and plans.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import sys
from collections.abc import Callable
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing.context import BaseContext
from typing import Any

from common.errors import UserError, reason

ENVIRONMENT = {
    # Large blocks are kept instead of being given back to the kernel for every picture: decoding is about twice as
    # fast. glibc reads these once, when a process starts, so they are set before the workers' one is started.
    "MALLOC_MMAP_THRESHOLD_": str(1 << 25),
    "MALLOC_TRIM_THRESHOLD_": str(1 << 30),
    "MALLOC_TOP_PAD_": str(1 << 26),
    "OPENBLAS_NUM_THREADS": "1",  # or every worker starts a thread per core for NumPy, which none of them needs
}


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)


def prepare_environment() -> None:
    """Set ENVIRONMENT for the processes that are started from here, but for what the user has set."""
    os.environ.update({name: value for name, value in ENVIRONMENT.items() if name not in os.environ})


def make_ready() -> BaseContext:
    """Start the process that workers are forked from, unless it runs already; return the context to start them in."""
    prepare_environment()
    if sys.platform == "linux":
        from multiprocessing import forkserver  # there is none on Windows

        multiprocessing.set_forkserver_preload(["preprocess.sharding.shard"])
        # Its socket is a file, whose name can be too long.
        with contextlib.suppress(OSError):
            forkserver.ensure_running()
            return multiprocessing.get_context("forkserver")
    return multiprocessing.get_context("spawn")


def open_pool(
    workers: int, context: BaseContext, initializer: Callable[..., object], initargs: tuple[Any, ...] = ()
) -> Executor:
    """Return a pool of so many processes; a thread of this process for one where processes cannot share memory.

    Raise UserError there for more.
    """
    fault = shared_memory_fault()
    if fault is None:
        return ProcessPoolExecutor(workers, context, initializer, initargs)
    if workers == 1:
        return ThreadPoolExecutor(1, initializer=initializer, initargs=initargs)
    raise UserError(
        f"shared memory (/dev/shm) cannot be written: {reason(fault)}; worker processes need it, so give --workers 1, "
        "or a container whose /dev/shm can be written"
    )


def shared_memory_fault() -> OSError | None:
    """Return why processes cannot share semaphores here, None where they can."""
    if sys.platform != "linux":
        return None
    try:
        multiprocessing.get_context("fork").Lock()  # a lock of a spawning context would start another process
    except OSError as error:
        return error
    return None
