"""How worker processes start: on Linux forked from a process that has imported what they need, elsewhere spawned.

That process imports it once for all of them, and while the command itself still starts and plans.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import sys
from multiprocessing.context import BaseContext

ENVIRONMENT = {
    # Large blocks are kept instead of being given back to the kernel for every picture: decoding is about twice as
    # fast. glibc reads these once, when a process starts, so they are set before the workers' one is started.
    "MALLOC_MMAP_THRESHOLD_": str(1 << 25),
    "MALLOC_TRIM_THRESHOLD_": str(1 << 30),
    "MALLOC_TOP_PAD_": str(1 << 26),
    "OPENBLAS_NUM_THREADS": "1",  # or every worker starts a thread per core for NumPy, which none of them needs
}


def prepare_environment() -> None:
    """Set ENVIRONMENT for the processes that are started from here, but for what the user has set."""
    os.environ.update({name: value for name, value in ENVIRONMENT.items() if name not in os.environ})


def make_ready() -> BaseContext:
    """Start the process that workers are forked from, unless it runs already; return the context to start them in."""
    prepare_environment()
    if sys.platform == "linux":
        from multiprocessing import forkserver  # there is none on Windows

        multiprocessing.set_forkserver_preload(["preprocess.build.shard"])
        # Its socket is a file, whose name can be too long.
        with contextlib.suppress(OSError):
            forkserver.ensure_running()
            return multiprocessing.get_context("forkserver")
    return multiprocessing.get_context("spawn")
