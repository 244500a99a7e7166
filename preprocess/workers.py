"""Worker processes: starting them, and mapping work over them before anything is built.

On Linux they are forked from a fork server that has already imported the modules they need; elsewhere they are spawned.
The fork server imports once for all of them, while the command itself still starts and plans.
"""

from __future__ import annotations

import contextlib
import gc
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import cache
from itertools import starmap
from multiprocessing import resource_tracker
from multiprocessing.connection import wait as wait_for
from multiprocessing.context import BaseContext
from typing import Any, TypeVar

from common.errors import UserError, reason
from common.progress import notice
from common.text import one_line
from preprocess.libraries import use_portable_code

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
_GRACE = 2.0
"""Seconds that a worker has to stop by itself."""


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
        with contextlib.suppress(OSError), signals_delayed():
            forkserver.ensure_running()
            return multiprocessing.get_context("forkserver")
    return multiprocessing.get_context("spawn")


@contextmanager
def open_pool(
    workers: int,
    initializer: Callable[..., object] | None = None,
    initargs: tuple[Any, ...] = (),
    *,
    context: BaseContext | None = None,
) -> Iterator[Executor]:
    """Yield a pool of ``workers`` processes, or of threads of this process if processes cannot share memory.

    ``initializer`` runs in every new process, after `start_worker`, and in every thread. If the block raises, or the
    run is interrupted, tasks in progress are stopped and what they were writing is removed. Raise UserError if no
    process can be started.
    """
    pool = _processes(workers, context, initializer, initargs)
    try:
        yield pool
    except BaseException:
        if isinstance(pool, _Processes):
            pool.stop_workers()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _processes(
    workers: int,
    context: BaseContext | None,
    initializer: Callable[..., object] | None,
    initargs: tuple[Any, ...],
) -> Executor:
    fault = shared_memory_fault()
    if fault is None:
        arguments = (dict(os.environ), initializer, initargs)
        try:
            return _Processes(workers, context or make_ready(), start_worker, arguments)
        except (OSError, NotImplementedError) as error:  # too few semaphores
            fault = error
    _say_once(reason(fault) if isinstance(fault, OSError) else one_line(fault))
    return ThreadPoolExecutor(workers, initializer=_start_thread, initargs=(initializer, initargs))


@cache
def _say_once(fault: str) -> None:
    notice("prep", f"processes cannot share memory here ({fault}); threads of this one do the work, which is slower")


class _Processes(ProcessPoolExecutor):
    """Worker processes that Ctrl-C leaves alone: this process decides when they stop."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Submit a task, which may start a process. Raise UserError if it cannot be started."""
        try:
            with signals_delayed():  # new processes inherit this
                return super().submit(_run, fn, args, kwargs)
        except BrokenProcessPool:
            raise
        except OSError as error:
            raise UserError(
                f"a worker process cannot be started: {reason(error)}; free some memory or raise the limit on "
                "processes (ulimit -u), or give fewer --workers"
            ) from error

    def stop_workers(self) -> None:
        """Tell all workers to stop what they are doing."""
        processes: dict[int, Any] = getattr(self, "_processes", None) or {}
        for process in list(processes.values()):
            with contextlib.suppress(OSError, ValueError, AttributeError):  # it ended meanwhile
                process.terminate()


@contextmanager
def signals_delayed() -> Iterator[None]:
    """Delay Ctrl-C and SIGTERM until the end of the block.

    Processes started in the block inherit this: they never receive Ctrl-C, and SIGTERM once they have a handler.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    resource_tracker.ensure_running()  # it unblocks both when it starts
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def shared_memory_fault() -> Exception | None:
    """Return the error if processes cannot share semaphores or memory on this machine, None if they can."""
    try:
        import multiprocessing.synchronize

        if sys.platform == "linux":
            multiprocessing.get_context("fork").Array("q", 1)  # the spawn context's would start another process
    except (OSError, ImportError) as error:
        return error
    return None


def in_processes(function: Callable[..., T], work: Sequence[tuple[Any, ...]], workers: int) -> Iterator[T]:
    """Yield ``function(*arguments)`` for each entry of ``work``, in order; in this process if ``workers`` is 1.

    Raise UserError if a worker was killed.
    """
    use_portable_code()
    if workers == 1:
        yield from starmap(function, work)
        return
    try:
        with open_pool(min(workers, len(work))) as pool:
            yield from pool.map(function, *zip(*work, strict=True))
    except BrokenProcessPool as error:
        raise UserError(
            "a worker was killed, perhaps out of memory; free some memory and run the same command again"
        ) from error


_busy = False
"""Whether this worker process runs a task."""


def _run(function: Callable[..., T], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> T:
    """Run a task in a worker process; a request to stop ends it."""
    global _busy
    _busy = True
    try:
        return function(*args, **kwargs)
    finally:
        _busy = False


def _stop(_signal: int, _frame: object) -> None:
    """End the current task: files that it was writing are removed; between tasks, wait for the pool to close."""
    timer = threading.Timer(_GRACE, os._exit, (128 + signal.SIGTERM,))
    timer.daemon = True
    timer.start()
    if _busy:
        raise SystemExit(128 + signal.SIGTERM)  # no Exception, so that nothing takes it for a fault of the data


def _die_with_parent() -> None:
    """End this worker when the run is killed: it must not commit a shard of an old plan beside a newer run's."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait_for([parent.sentinel])
        os._exit(1)


def _start_thread(initializer: Callable[..., object] | None, initargs: tuple[Any, ...]) -> None:
    configure_worker()
    if initializer is not None:
        initializer(*initargs)


def start_worker(
    environment: Mapping[str, str], initializer: Callable[..., object] | None, initargs: tuple[Any, ...]
) -> None:
    """Initialise a new worker process with the run's environment; it ends with the process that started it."""
    # The fork server may have started before the run's own variables (e.g. a store's address) were set.
    os.environ.clear()
    os.environ.update(environment)
    signal.signal(signal.SIGTERM, _stop)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    threading.Thread(target=_die_with_parent, daemon=True).start()
    configure_worker()
    if initializer is not None:
        initializer(*initargs)


def configure_worker() -> None:
    """Configure this process as a worker: a single thread, and rare garbage collection."""
    import cv2  # not at the top: the command imports this module early, to start the fork server meanwhile

    use_portable_code()
    cv2.setNumThreads(1)
    gc.freeze()  # imported objects stay, and labels are many small, short-lived lists without cycles
    gc.set_threshold(_ALLOCATIONS)
