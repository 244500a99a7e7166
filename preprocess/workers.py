"""How worker processes start: on Linux forked from a server process with their imports loaded, elsewhere spawned.

That process imports once for all workers, in parallel with the start-up and planning of the command itself.
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
    # Keep large blocks instead of returning them to the kernel after every image: decoding is about twice as fast.
    # glibc reads these once, at process start, so they are set before the server process is started.
    "MALLOC_MMAP_THRESHOLD_": str(1 << 25),
    "MALLOC_TRIM_THRESHOLD_": str(1 << 30),
    "MALLOC_TOP_PAD_": str(1 << 26),
    "OPENBLAS_NUM_THREADS": "1",  # otherwise NumPy starts a thread per core in every worker
}


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
